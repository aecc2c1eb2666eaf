"""Tree packs from elsewhere: an honest one is taken, a hostile or broken one leaves the store as it was."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.records import InputError, TreeId
from greenloop.workspace.packs import read_pack
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]


@pytest.fixture
def other(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "other")


def git(store: TreeStore, *arguments: str, given: bytes = b"") -> str:
    where = {"GIT_DIR": str(store.path), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(["git", *arguments], input=given, capture_output=True, check=True, env=where)
    return done.stdout.decode().strip()


def pack(store: TreeStore, path: Path, *oids: str) -> Path:
    """Write a pack of exactly these objects, whatever they are."""
    name = git(store, "pack-objects", str(path.parent / "raw"), given="\n".join(oids).encode())
    (path.parent / f"raw-{name}.pack").rename(path)
    return path


def objects(store: TreeStore) -> set[str]:
    return set(git(store, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split())


def test_the_trees_of_an_honest_pack_are_taken_and_found_by_their_first_digits(
    store: TreeStore, write: Write, other: TreeStore, tmp_path: Path
) -> None:
    first, second = write({"a/b/c.ml": "1", "d.ml": "d"}), write({"a/b/c.ml": "2", "d.ml": "d"})
    store.export_pack([first, second], tmp_path / "p.pack")
    taken = read_pack(other, tmp_path / "p.pack", max_mib=1)
    assert set(taken.trees) == {first, second}
    assert other.read(second, "a/b/c.ml") == b"2"
    assert taken.find(first[:8]) == first
    for name in (first[:6], "0" * 40, "", "g" * 40):
        with pytest.raises(InputError, match="names 0 trees"):
            taken.find(name)


def tree_of(store: TreeStore, *entries: tuple[str, str, str]) -> str:
    raw = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(oid) for mode, name, oid in entries)
    return git(store, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=raw)


@pytest.mark.parametrize(
    "entries",
    [
        (("40000", "..", "sub"),),
        (("100644", "..", "blob"),),
        (("100644", "../../escape", "blob"),),
        (("100644", "/etc/passwd", "blob"),),
        (("40000", ".git", "sub"),),
        (("40000", ".GIT", "sub"),),
        (("100644", "a", "blob"), ("100644", "a", "blob")),
        (("120000", "a", "blob"), ("40000", "a", "sub")),
        (("100644", "lost", "lost"),),
        (("40000", "lost", "lost"),),
    ],
)
def test_a_hostile_pack_is_refused_and_nothing_of_it_is_kept(
    store: TreeStore, other: TreeStore, tmp_path: Path, entries: tuple[tuple[str, str, str], ...]
) -> None:
    blob = store.write_blob(b"x")
    oids = {"blob": blob, "sub": tree_of(store, ("100644", "x", blob)), "lost": "1" * 40}
    tree = tree_of(store, *((mode, name, oids[what]) for mode, name, what in entries))
    path = pack(store, tmp_path / "p.pack", tree, oids["sub"], blob)
    before = objects(other)
    with pytest.raises(InputError):
        read_pack(other, path, max_mib=1)
    assert objects(other) == before
    assert not [left.name for left in other.path.iterdir() if left.name.startswith(".pack-")]


def test_what_is_no_pack_or_was_cut_short_is_refused(
    store: TreeStore, write: Write, other: TreeStore, tmp_path: Path
) -> None:
    path = tmp_path / "p.pack"
    store.export_pack([write({"a.ml": "a" * 1000})], path)
    whole = path.read_bytes()
    for content in (b"", b"PACK", b"no pack at all", whole[:-5], whole[:-30] + b"\0" * 30, whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(InputError):
            read_pack(other, path, max_mib=1)
    with pytest.raises(InputError, match="no such pack"):
        read_pack(other, tmp_path / "absent", max_mib=1)


def test_a_pack_that_is_too_large_or_unfolds_to_too_much_is_refused(
    store: TreeStore, write: Write, other: TreeStore, tmp_path: Path
) -> None:
    bomb = tmp_path / "bomb.pack"
    store.export_pack([write({f"{n}.txt": f"{n}" + "0" * 30_000_000 for n in range(3)})], bomb)
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="unfolds"):
        read_pack(other, bomb, max_mib=1)
    bomb.write_bytes(bomb.read_bytes() + b"0" * (1 << 20))
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_pack(other, bomb, max_mib=1)


def test_commits_have_no_place_in_a_tree_pack(store: TreeStore, write: Write, other: TreeStore, tmp_path: Path) -> None:
    tree = write({"a": "a"})
    commit = git(store, "-c", "user.name=a", "-c", "user.email=a@b", "commit-tree", tree, "-m", "x")
    path = pack(store, tmp_path / "p.pack", commit, tree, store.files(tree)["a"].blob)
    with pytest.raises(InputError, match="holds a commit"):
        read_pack(other, path, max_mib=1)
