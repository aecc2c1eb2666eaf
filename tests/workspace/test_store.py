"""The tree store: what goes in comes out, ids are git's, and damage is one clear error."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import EnvironmentFault, InputError
from greenloop.workspace.store import Change, Entry, Mode, TreeStore

NAMES = st.sampled_from(["a", "b", "a.ml", "é", "with space", "zz"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.tuples(st.binary(max_size=8), st.sampled_from(list(Mode))), max_size=8)
Files = dict[str, tuple[bytes, Mode]]


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


def fitting(files: Files) -> Files:
    """Drop the files that stand where another file needs a folder."""
    return {path: file for path, file in files.items() if not any(other.startswith(f"{path}/") for other in files)}


def entries(store: TreeStore, files: Files) -> dict[str, Entry]:
    return {path: Entry(mode, store.write_blob(content)) for path, (content, mode) in files.items()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(FILES.map(fitting), FILES.map(fitting))
def test_a_tree_updated_to_other_files_is_the_tree_of_those_files(store: TreeStore, old: Files, new: Files) -> None:
    before, after = entries(store, old), entries(store, new)
    first, second = store.write_tree(before), store.write_tree(after)
    changes: dict[str, Entry | None] = {**dict.fromkeys(before.keys() - after.keys()), **after}

    assert store.update(first, changes) == second
    assert store.files(second) == after
    assert list(store.files(second)) == list(TreeStore(store.path).files(second))
    assert {change.path: change.new for change in store.changes(first, second)} == {
        path: after.get(path) for path in before.keys() | after.keys() if before.get(path) != after.get(path)
    }


def test_ids_are_those_that_git_gives(store: TreeStore, tmp_path: Path) -> None:
    work = tmp_path / "work"
    files: Files = {
        "a.b/x": (b"1", Mode.FILE), "a/x": (b"2", Mode.EXECUTABLE), "a-b": (b"../a", Mode.LINK), "b": (b"", Mode.FILE),
    }  # fmt: skip
    tree = store.write_tree(entries(store, files))
    store.materialise(tree, work)
    subprocess.run(["git", "init", "-q"], cwd=work, check=True)
    subprocess.run(["git", "add", "-A"], cwd=work, check=True)

    written = subprocess.run(["git", "write-tree"], cwd=work, check=True, capture_output=True, text=True)

    assert written.stdout.strip() == tree


def test_equal_folders_have_no_changes_and_both_sides_of_a_change_are_told(store: TreeStore) -> None:
    one, two = Entry(Mode.FILE, store.write_blob(b"1")), Entry(Mode.FILE, store.write_blob(b"2"))
    old = store.write_tree({"same/x": one, "gone": one, "edited": one, "kind": one})
    new = store.write_tree({"same/x": one, "edited": two, "kind/x": one})

    assert store.changes(old, old) == ()
    assert store.changes(old, new) == (
        Change("edited", one, two),
        Change("gone", one, None),
        Change("kind", one, None),
        Change("kind/x", None, one),
    )


def test_a_folder_without_files_vanishes(store: TreeStore) -> None:
    entry = Entry(Mode.FILE, store.write_blob(b"1"))
    tree = store.write_tree({"deep/er/x": entry, "y": entry})

    assert store.update(tree, {"deep/er/x": None}) == store.write_tree({"y": entry})
    assert store.update(store.write_tree({"y": entry}), {"y": None, "not/there": None}) == store.empty


def test_a_path_through_a_file_is_refused(store: TreeStore) -> None:
    entry = Entry(Mode.FILE, store.write_blob(b"1"))
    tree = store.write_tree({"a": entry, "folder/x": entry})

    with pytest.raises(InputError, match="a is a file, not a folder"):
        store.update(tree, {"a/b": entry})
    with pytest.raises(InputError, match="folder is a folder, not a file"):
        store.update(tree, {"folder": entry})
    with pytest.raises(InputError, match="both a file and a folder"):
        store.write_tree({"c": entry, "c/d": entry})


def test_reading_what_is_not_there(store: TreeStore) -> None:
    tree = store.write_tree({"folder/x": Entry(Mode.FILE, store.write_blob(b"1"))})

    assert store.read(tree, "folder/x") == b"1"
    assert (store.read(tree, "y"), store.read(tree, "folder"), store.entry(tree, "folder/x/z")) == (None, None, None)
    with pytest.raises(InputError, match="not in the tree store"):
        store.files("0" * 40)
    with pytest.raises(InputError, match="is no blob"):
        store.read_blob(tree)
    with pytest.raises(InputError, match="is no tree"):
        store.files(store.write_blob(b"1"))


def test_materialise_replaces_links_and_never_writes_through_them(store: TreeStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("untouched")
    work = tmp_path / "work"
    work.mkdir()
    (work / "x").symlink_to(outside)
    tree = store.write_tree({"x": Entry(Mode.FILE, store.write_blob(b"new"))})

    store.materialise(tree, work)

    assert ((work / "x").read_text(), (work / "x").is_symlink(), outside.read_text()) == ("new", False, "untouched")


def test_packs_carry_trees_to_another_store_and_are_the_same_each_time(store: TreeStore, tmp_path: Path) -> None:
    trees = [
        store.write_tree({path: Entry(Mode.FILE, store.write_blob(content)) for path in ("a", "b/c")})
        for content in (b"1" * 500, b"1" * 501)
    ]
    store.export_pack(trees, tmp_path / "one.pack")
    TreeStore(store.path).export_pack(reversed(trees), tmp_path / "two.pack")
    other = TreeStore(tmp_path / "other")

    other.import_pack(tmp_path / "one.pack")

    assert (tmp_path / "one.pack").read_bytes() == (tmp_path / "two.pack").read_bytes()
    assert [other.read(tree, "a") for tree in trees] == [b"1" * 500, b"1" * 501]
    # what came in a pack is not written again
    before = sorted(other.path.rglob("*"))
    other.write_blob(b"1" * 500)
    assert sorted(other.path.rglob("*")) == before


@pytest.mark.parametrize("damage", ["cut", "foreign", "missing"])
def test_a_damaged_pack_adds_nothing(store: TreeStore, tmp_path: Path, damage: str) -> None:
    tree = store.write_tree({"a": Entry(Mode.FILE, store.write_blob(b"1" * 5000))})
    pack = tmp_path / "x.pack"
    store.export_pack([tree], pack)
    match damage:
        case "cut":
            pack.write_bytes(pack.read_bytes()[:-10])
        case "foreign":
            pack.write_text("no pack")
        case _:
            pack.unlink()
    other = TreeStore(tmp_path / "other")

    with pytest.raises(InputError, match=r"x\.pack"):
        other.import_pack(pack)
    assert tree not in other


def raw(store: TreeStore, kind: str, body: bytes) -> bytes:
    """Put an object into ``store`` that libgit2 would not write, and return its id."""
    command = ["git", "hash-object", "-t", kind, "-w", "--literally", "--stdin"]
    done = subprocess.run(command, input=body, env={"GIT_DIR": str(store.path)}, capture_output=True, check=True)
    return bytes.fromhex(done.stdout.decode())


@pytest.mark.parametrize("name", ["../../x", "{outside}/x", "a/x", "../d", "./d", ".git/d", ".GIT/d", ""])
def test_a_forged_tree_is_never_materialised(store: TreeStore, tmp_path: Path, name: str) -> None:
    blob = raw(store, "blob", b"forged")
    inner = raw(store, "tree", b"100644 d\0" + blob)
    whole = name.format(outside=tmp_path / "outside").encode()
    folder = whole.removesuffix(b"/d")
    item = b"100644 " + whole + b"\0" + blob if folder == whole else b"40000 " + folder + b"\0" + inner
    tree = raw(store, "tree", item).hex()

    for read in (
        lambda: store.materialise(tree, tmp_path / "deep/in/w"),
        lambda: store.changes(store.empty, tree),
        lambda: store.files(tree),
    ):
        with pytest.raises(InputError, match=tree):
            read()
    assert list(tmp_path.rglob("[xd]")) == []


def test_a_forged_tree_with_a_link_in_place_of_its_own_folder_is_never_materialised(
    store: TreeStore, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link, blob = raw(store, "blob", str(outside).encode()), raw(store, "blob", b"forged")
    inner = raw(store, "tree", b"100644 x\0" + blob)
    tree = raw(store, "tree", b"120000 a\0" + link + b"40000 a\0" + inner).hex()

    with pytest.raises(InputError, match="twice"):
        store.materialise(tree, tmp_path / "w")
    assert list(outside.iterdir()) == []


def test_a_place_that_cannot_be_a_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EnvironmentFault, match="file"):
        TreeStore(tmp_path / "file/store")


def test_a_damaged_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store"
    TreeStore(path)
    (path / "HEAD").write_text("")
    shutil.rmtree(path / "objects")

    with pytest.raises(EnvironmentFault, match="no tree store"):
        TreeStore(path)


def test_a_name_that_no_file_can_have_is_named(store: TreeStore) -> None:
    entry = Entry(Mode.FILE, store.write_blob(b"x"))
    with pytest.raises(InputError, match="no file can have such a name"):
        store.write_tree({"a/\ud800.ml": entry})
