"""``write_back``: the only code that changes a user's files changes them all or none."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import EditError, EnvironmentFault, TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.writeback import write_back

Files = dict[str, str | bytes | tuple[bytes, Mode]]


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def tree(store: TreeStore, files: Files) -> TreeId:
    entries = {}
    for path, value in files.items():
        content, mode = value if isinstance(value, tuple) else (value, Mode.FILE)
        entries[path] = Entry(mode, store.write_blob(content.encode() if isinstance(content, str) else content))
    return store.write_tree(entries)


def on_disk(root: Path) -> dict[str, tuple[str, bytes]]:
    """Everything below ``root``: kind and permissions, and content or target."""
    found = {}
    for path in sorted(root.rglob("*")):
        mode = stat.filemode(path.lstat().st_mode)
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(root))] = (mode, content)
    return found


def test_changes_creations_and_deletions_reach_the_disk_and_nothing_else(store: TreeStore, root: Path) -> None:
    base = tree(store, {"a.ml": "old\n", "gone/x.ml": "x\n", "same.ml": "same\n"})
    result = tree(store, {"a.ml": "new\n", "made/deep/y.ml": "y\n", "same.ml": "same\n"})
    store.materialise(base, root)
    (root / "other.txt").write_text("not Greenloop's\n")
    same = (root / "same.ml").stat()
    assert write_back(root, store, base, result) == ("a.ml", "gone/x.ml", "made/deep/y.ml")
    assert {path: content for path, (mode, content) in on_disk(root).items() if mode[0] == "-"} == {
        "a.ml": b"new\n",
        "made/deep/y.ml": b"y\n",
        "other.txt": b"not Greenloop's\n",
        "same.ml": b"same\n",
    }
    assert not (root / "gone").exists()
    assert (root / "same.ml").stat().st_ino == same.st_ino
    assert (root / "same.ml").stat().st_mtime_ns == same.st_mtime_ns


PATHS = st.sampled_from(["a", "a/b", "a/b/c", "d", "d/e", "f g", "é"])
CONTENTS = st.tuples(
    st.sampled_from([b"", b"x\n", b"\xff\0", b"y" * 5000]), st.sampled_from([Mode.FILE, Mode.EXECUTABLE])
)


def consistent(files: dict[str, tuple[bytes, Mode]]) -> bool:
    return not any(other.startswith(path + "/") for path in files for other in files)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    before=st.dictionaries(PATHS, CONTENTS, max_size=5).filter(consistent),
    after=st.dictionaries(PATHS, CONTENTS, max_size=5).filter(consistent),
)
def test_the_disk_ends_as_the_result_or_stays_as_it_was(
    tmp_path_factory: pytest.TempPathFactory,
    before: dict[str, tuple[bytes, Mode]],
    after: dict[str, tuple[bytes, Mode]],
) -> None:
    top = tmp_path_factory.mktemp("case")
    store, root, fresh = TreeStore(top / "store"), top / "root", top / "fresh"
    root.mkdir()
    fresh.mkdir()
    base, result = tree(store, dict(before)), tree(store, dict(after))
    store.materialise(base, root)
    changed = write_back(root, store, base, result)
    assert changed == tuple(change.path for change in store.changes(base, result))
    store.materialise(result, fresh)
    assert on_disk(root) == on_disk(fresh)


@pytest.mark.parametrize("how", ["edited", "deleted", "appeared", "chmod", "folder", "link"])
def test_a_file_changed_meanwhile_is_named_and_nothing_is_written(store: TreeStore, root: Path, how: str) -> None:
    base = tree(store, {"a.ml": "a\n", "b.ml": "b\n"})
    result = tree(store, {"a.ml": "A\n", "b.ml": "B\n", "c.ml": "C\n"})
    store.materialise(base, root)
    name = "c.ml" if how == "appeared" else "b.ml"
    target = root / name
    if how in {"deleted", "folder", "link"}:
        target.unlink()
    if how in {"edited", "appeared"}:
        target.write_text("someone's\n")
    elif how == "chmod":
        target.chmod(0o755)
    elif how == "folder":
        target.mkdir()
    elif how == "link":
        target.symlink_to("a.ml")
    before = on_disk(root)
    with pytest.raises(EditError) as caught:
        write_back(root, store, base, result)
    assert caught.value.reason == "stale"
    assert name in caught.value.message
    assert "a.ml" not in caught.value.message
    assert on_disk(root) == before


def test_nothing_is_written_through_a_linked_folder(store: TreeStore, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.ml").write_text("x\n")
    (root / "lib").symlink_to(outside)
    base = tree(store, {"lib/x.ml": "x\n", "a.ml": "a\n"})
    result = tree(store, {"lib/x.ml": "y\n", "a.ml": "A\n"})
    (root / "a.ml").write_text("a\n")
    with pytest.raises(EditError) as caught:
        write_back(root, store, base, result)
    assert caught.value.reason == "link"
    assert (outside / "x.ml").read_text() == "x\n"
    assert (root / "a.ml").read_text() == "a\n"


def test_links_themselves_are_refused(store: TreeStore, root: Path) -> None:
    result = tree(store, {"a": (b"/etc/passwd", Mode.LINK)})
    with pytest.raises(EditError) as caught:
        write_back(root, store, store.empty, result)
    assert caught.value.reason == "link"
    assert on_disk(root) == {}


@pytest.mark.parametrize("path", [".hg/hgrc", "sub/.HG/hgrc"])
def test_version_control_is_never_written(store: TreeStore, root: Path, path: str) -> None:
    with pytest.raises(EditError) as caught:
        write_back(root, store, store.empty, tree(store, {path: "[hooks]\n"}))
    assert caught.value.reason == "vcs-path"
    assert on_disk(root) == {}


def test_permissions_are_kept_and_the_executable_bit_follows_the_tree(store: TreeStore, root: Path) -> None:
    base = tree(store, {"secret": "1\n", "tool": "1\n", "run": (b"1\n", Mode.EXECUTABLE)})
    result = tree(store, {"secret": "2\n", "tool": (b"1\n", Mode.EXECUTABLE), "run": "2\n"})
    store.materialise(base, root)
    (root / "secret").chmod(0o600)
    (root / "tool").chmod(0o640)
    (root / "run").chmod(0o750)
    write_back(root, store, base, result)
    modes = {name: stat.S_IMODE((root / name).stat().st_mode) for name in ("secret", "tool", "run")}
    assert modes == {"secret": 0o600, "tool": 0o750, "run": 0o640}


@pytest.mark.skipif(os.geteuid() != 0, reason="expected: only root can give files away")
def test_a_file_keeps_its_owner(store: TreeStore, root: Path) -> None:
    base, result = tree(store, {"a.ml": "a\n"}), tree(store, {"a.ml": "A\n"})
    store.materialise(base, root)
    os.chown(root / "a.ml", 65534, 65533)
    write_back(root, store, base, result)
    found = (root / "a.ml").stat()
    assert (found.st_uid, found.st_gid) == (65534, 65533)


def test_a_failure_part_way_puts_everything_back(store: TreeStore, root: Path) -> None:
    # the folder z gives way to a file z, but holds a file that is not in the tree: only the last step can tell
    base = tree(store, {"a.ml": "a\n", "gone.ml": "g\n", "z/x.ml": "x\n"})
    result = tree(store, {"a.ml": "A\n", "new/n.ml": "n\n", "z": "file\n"})
    store.materialise(base, root)
    (root / "z" / "untracked").write_text("keep me\n")
    os.utime(root / "a.ml", ns=(1_000_000_000, 2_000_000_000))
    before = on_disk(root)
    with pytest.raises(EnvironmentFault) as caught:
        write_back(root, store, base, result)
    assert str(root / "z") in caught.value.message
    assert on_disk(root) == before
    assert (root / "a.ml").stat().st_mtime_ns == 2_000_000_000


LIMITED = """
import json, os, resource, signal, sys
from pathlib import Path
from greenloop.records import EnvironmentFault
from greenloop.workspace.store import TreeStore
from greenloop.workspace.writeback import write_back
root, store, base, result, limit, uid = json.loads(sys.argv[1])
trees = TreeStore(Path(store))
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
if uid:
    os.setgid(uid)
    os.setuid(uid)
try:
    write_back(Path(root), trees, base, result)
except EnvironmentFault as fault:
    print(fault)
"""


def write_back_limited(root: Path, store: TreeStore, base: str, result: str, *, limit: int = 0, uid: int = 0) -> str:
    """Run ``write_back`` in a process of its own that may write no file over ``limit`` bytes, or as ``uid``."""
    arguments = json.dumps([str(root), str(store.path), base, result, limit, uid])
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_that_refuses_the_second_file_loses_nothing(store: TreeStore, root: Path) -> None:
    base = tree(store, {"a.ml": "a\n", "b.ml": "b\n"})
    result = tree(store, {"a.ml": "A\n", "b.ml": "B" * 5000})
    store.materialise(base, root)
    before = on_disk(root)
    said = write_back_limited(root, store, base, result, limit=4096)
    assert str(root / "b.ml") in said
    assert on_disk(root) == before


def test_a_read_only_folder_is_named_and_nothing_is_lost(store: TreeStore, root: Path) -> None:
    base = tree(store, {"a.ml": "a\n", "ro/b.ml": "b\n"})
    result = tree(store, {"a.ml": "A\n", "ro/b.ml": "B\n"})
    store.materialise(base, root)
    uid = 0
    if os.geteuid() == 0:
        # root may write anywhere, so somebody else tries
        uid = 65534
        for path in [root, *root.rglob("*")]:
            os.chown(path, uid, uid)
        for above in root.parents:
            if not above.stat().st_mode & 0o001:
                above.chmod(above.stat().st_mode | 0o755)
    (root / "ro").chmod(0o555)
    before = on_disk(root)
    said = write_back_limited(root, store, base, result, uid=uid)
    assert "ro/b.ml: Permission denied" in said
    assert on_disk(root) == before
    (root / "ro").chmod(0o755)


def test_equal_trees_write_nothing_and_unknown_folders_are_named(store: TreeStore, root: Path) -> None:
    base = tree(store, {"a.ml": "a\n"})
    assert write_back(root, store, base, base) == ()
    with pytest.raises(EnvironmentFault) as caught:
        write_back(root / "missing", store, base, store.empty)
    assert "missing" in caught.value.message
