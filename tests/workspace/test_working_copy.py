"""``WorkingCopy``: what is read, what is left out, what is looked at again, and what survives a restart."""

import os
import subprocess
from pathlib import Path

import pytest
from tests.workspace.checkouts import fill, reasons
from tests.workspace.conftest import Open

from greenloop.records import Conflict, InputError
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy


def test_a_reading_tells_what_changed_since_the_one_before(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {"a": "1", "b/c": "2", "d": "3"})
    copy = open_copy()
    first = copy.reconcile()
    fill(root, {"a": "one", "b/new": "4"})
    (root / "d").unlink()

    second = copy.reconcile()

    assert (first.changed, first.full, first.skipped) == ((), True, ())
    assert (second.changed, second.full, second.why_full) == (("a", "b/new", "d"), True, "")
    assert store.files(second.tree).keys() == {"a", "b/c", "b/new"}
    assert copy.reconcile().changed == ()
    assert copy.tree == second.tree


def test_only_what_is_told_is_looked_at(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {"a": "1", "b": "2"})
    copy = open_copy()
    copy.reconcile()
    fill(root, {"a": "one", "b": "two", "c/d/e": "3"})

    told = copy.touch([b"a", b"c", b"nowhere", b"node_modules/x", b""])

    assert (told.changed, told.full, told.why_full) == (("a", "c/d/e"), False, "")
    assert store.read(told.tree, "b") == b"2"
    assert copy.reconcile().changed == ("b",)


def test_a_restart_reads_nothing_twice(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {f"{name}.ml": name for name in "abc"})
    for path in root.iterdir():
        os.utime(path, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    read: list[str] = []

    def screen(path: str, content: bytes) -> str | None:
        read.append(path)
        return "it is a secret" if path == "b.ml" else None

    tree = open_copy(screen=screen).reconcile().tree
    assert sorted(read) == ["a.ml", "b.ml", "c.ml"]
    copy = open_copy(screen=screen)
    assert copy.tree == tree
    reading = copy.reconcile()

    assert (reading.tree, reading.changed) == (tree, ())
    assert reasons(reading.skipped) == {"b.ml": "it is a secret"}
    # what was stopped was young when it was read, so it is looked at once more
    assert sorted(read) in (["a.ml", "b.ml", "b.ml", "c.ml"], ["a.ml", "b.ml", "c.ml"])


@pytest.mark.parametrize("damage", ["index", "state", "store", "cache", "flip"])
def test_a_cache_that_is_no_good_is_made_anew(
    root: Path, store: TreeStore, open_copy: Open, tmp_path: Path, damage: str
) -> None:
    fill(root, {"a": "1", "b/c": "2"})
    before = open_copy()
    tree = before.reconcile().tree
    before.close()
    (index,) = (tmp_path / "cache").rglob("index.*")
    match damage:
        case "index":
            index.write_bytes(b"nonsense")
        case "flip":
            content = bytearray(index.read_bytes())
            content[60] ^= 1
            index.write_bytes(content)
        case "state":
            (tmp_path / "cache/state.json").write_text("{}")
        case "cache":
            subprocess.run(["rm", "-r", tmp_path / "cache"], check=True)
        case "store":
            subprocess.run(["rm", "-r", store.path], check=True)
            store = TreeStore(store.path)

    copy = WorkingCopy(root, store, tmp_path / "cache")
    try:
        assert copy.reconcile().tree == tree
        assert store.files(tree).keys() == {"a", "b/c"}
    finally:
        copy.close()


def test_an_index_that_is_damaged_while_it_is_used_is_made_anew(root: Path, open_copy: Open, tmp_path: Path) -> None:
    fill(root, {"a": "1"})
    copy = open_copy()
    tree = copy.reconcile().tree
    (index,) = (tmp_path / "cache").rglob("index.*")
    index.write_bytes(b"nonsense")

    assert copy.reconcile().tree == tree


def test_two_cannot_have_one_cache(root: Path, store: TreeStore, open_copy: Open, tmp_path: Path) -> None:
    open_copy()

    with pytest.raises(Conflict, match="another process reads"):
        WorkingCopy(root, store, tmp_path / "cache")


def test_a_cache_inside_the_folder_is_refused(root: Path, store: TreeStore) -> None:
    with pytest.raises(InputError, match="would be read itself"):
        WorkingCopy(root, store, root / "cache")


def test_a_storm_of_renames_ends_in_what_is_there(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {f"d{n % 7}/f{n}": str(n) for n in range(10_000)})
    copy = open_copy()
    copy.reconcile()
    told = []
    for n in range(10_000):
        old, new = f"d{n % 7}/f{n}", f"d{n % 5}/g{n}"
        (root / old).rename(root / new)
        told += [old.encode(), new.encode()]

    reading = copy.touch(told)

    assert (reading.full, reading.why_full) == (True, "more than 100 paths are new")
    assert store.files(reading.tree).keys() == {f"d{n % 5}/g{n}" for n in range(10_000)}


def test_a_file_becomes_a_folder_and_back(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {"a": "file", "b/c": "folder", "b/d/e": "deep"})
    copy = open_copy()
    copy.reconcile()
    (root / "a").unlink()
    subprocess.run(["rm", "-r", root / "b"], check=True)
    fill(root, {"a/x": "now a folder", "b": "now a file"})

    assert store.files(copy.touch([b"a", b"b"]).tree).keys() == {"a/x", "b"}
    subprocess.run(["rm", "-r", root / "a"], check=True)
    (root / "b").unlink()
    fill(root, {"a": "file", "b/c": "folder"})
    assert store.files(copy.reconcile().tree).keys() == {"a", "b/c"}


def test_names_that_differ_in_case_alone_are_two_files(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {"Readme": "1"})
    copy = open_copy()
    copy.reconcile()
    (root / "Readme").rename(root / "README")

    assert store.files(copy.touch([b"Readme", b"README"]).tree).keys() == {"README"}


def test_what_happened_before_the_start_is_not_missed(root: Path, open_copy: Open) -> None:
    fill(root, {"a": "1", "b": "2"})
    open_copy().reconcile()
    copy = open_copy()
    fill(root, {"a": "one"})

    reading = copy.touch([b"b"])

    assert (reading.changed, reading.why_full) == (("a",), "the first reading since the start")


def test_a_folder_of_many_files_is_packed(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {f"f{n}": f"{n}\n" for n in range(3_000)})

    reading = open_copy().reconcile()

    assert len(store.files(reading.tree)) == 3_000
    loose = list((store.path / "objects").glob("??/*"))
    assert len(loose) < 10
    assert store.read(reading.tree, "f2999") == b"2999\n"
