"""``FileReader``: what is read once, what is read again, and what is left out and why."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs.scan import FileReader

LATER = 10_000_000_000


class Asked:
    """A screen that lets everything pass and remembers what it was shown: each file that was really read."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def __call__(self, path: str, content: bytes) -> str | None:
        self.paths.append(path)
        return None


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def after(path: Path, nanoseconds: int) -> Callable[[], int]:
    """Return a clock that stands ``nanoseconds`` after the newest time stamp of ``path``."""
    status = path.lstat()
    now = max(status.st_mtime_ns, status.st_ctime_ns) + nanoseconds
    return lambda: now


def test_an_unchanged_file_is_read_once(root: Path, store: TreeStore) -> None:
    (root / "a").write_text("a")
    asked = Asked()
    reader = FileReader(root, store, max_file_bytes=100, screen=asked, now_ns=after(root / "a", LATER))

    trees = {reader.read([b"a"])[0] for _ in range(3)}

    assert (asked.paths, len(trees)) == (["a"], 1)


def test_a_file_changed_within_the_tick_of_its_time_stamp_is_read_again(root: Path, store: TreeStore) -> None:
    file = root / "a"
    file.write_text("old")
    reader = FileReader(root, store, max_file_bytes=100, now_ns=after(file, 1))
    before, _ = reader.read([b"a"])
    # same size, same inode, same modification time; where the clock is coarse the change time is the same too
    status = file.stat()
    file.write_text("new")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    now, _ = reader.read([b"a"])

    assert (store.read(before, "a"), store.read(now, "a")) == (b"old", b"new")


def test_a_young_time_stamp_is_not_trusted(root: Path, store: TreeStore) -> None:
    (root / "a").write_text("a")
    asked = Asked()
    reader = FileReader(root, store, max_file_bytes=100, screen=asked, now_ns=after(root / "a", 1_000_000_000))

    reader.read([b"a"])
    reader.read([b"a"])

    assert asked.paths == ["a", "a"]


def test_a_write_that_puts_the_modification_time_back_is_seen(root: Path, store: TreeStore) -> None:
    file = root / "a"
    file.write_text("old")
    status = file.stat()
    reader = FileReader(root, store, max_file_bytes=100, now_ns=after(file, LATER))
    reader.read([b"a"])
    file.write_text("new")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))

    tree, _ = reader.read([b"a"])

    assert store.read(tree, "a") == b"new"


def test_what_is_left_out_is_reported_with_its_reason(root: Path, store: TreeStore) -> None:
    (root / "large").write_bytes(b"x" * 101)
    (root / "fits").write_bytes(b"x" * 100)
    (root / "secret").write_text("s3cret")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))
    name = b"caf\xe9"
    Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_text("x")

    def screen(path: str, content: bytes) -> str | None:
        return "it is secret" if b"s3cret" in content else None

    reader = FileReader(root, store, max_file_bytes=100, screen=screen)
    for _ in range(2):
        tree, skipped = reader.read([b"large", b"fits", b"secret", b"pipe", b"socket", name, b"gone"])
        assert set(store.files(tree)) == {"fits"}
        assert {item.path: item.reason for item in skipped} == {
            "large": "larger than 100 bytes (101)",
            "secret": "it is secret",
            "pipe": "not a regular file",
            "socket": "not a regular file",
            "caf\\xe9": "its name is not UTF-8",
        }


def test_a_stopped_secret_is_not_in_the_store(root: Path, store: TreeStore, tmp_path: Path) -> None:
    (root / "secret").write_text("s3cret")
    FileReader(root, store, max_file_bytes=100, screen=lambda path, content: "secret").read([b"secret"])

    blob = TreeStore(tmp_path / "elsewhere").write_blob(b"s3cret")
    assert blob not in store


def test_a_file_that_will_not_hold_still_is_left_out(store: TreeStore) -> None:
    # files of /proc say that they are empty and are not: what is read never fits their size
    reader = FileReader(Path("/proc/self"), store, max_file_bytes=10_000)

    tree, skipped = reader.read([b"limits"])

    assert tree == store.empty
    assert [(item.path, item.reason) for item in skipped] == [("limits", "changed while it was read")]


def test_a_file_that_grows_past_the_limit_is_left_out(root: Path, store: TreeStore) -> None:
    file = root / "log"
    file.write_text("x")
    reader = FileReader(root, store, max_file_bytes=3)
    assert set(store.files(reader.read([b"log"])[0])) == {"log"}
    file.write_text("xxxx")

    tree, skipped = reader.read([b"log"])

    assert tree == store.empty
    assert [item.path for item in skipped] == ["log"]


def test_an_unreadable_file_is_reported_and_read_once_it_may_be(root: Path, store: TreeStore) -> None:
    # a name too long for the file system is refused even to root, who may read everything
    path = b"x" * 300

    _, skipped = FileReader(root, store, max_file_bytes=3).read([path])

    assert [item.reason for item in skipped] == ["cannot be read: File name too long"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(["a", "b", "c/a", "c/b", "d/e/f"]), st.binary(max_size=4)),
        min_size=1,
        max_size=6,
    )
)
def test_reading_again_gives_the_tree_that_a_first_reading_gives(
    root: Path, store: TreeStore, states: list[dict[str, bytes]]
) -> None:
    paths = [b"a", b"b", b"c/a", b"c/b", b"d/e/f"]
    reader = FileReader(root, store, max_file_bytes=100)
    for state in states:
        for path in paths:
            file = root / path.decode()
            file.unlink(missing_ok=True)
            if path.decode() in state:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(state[path.decode()])
        tree, skipped = reader.read(paths)
        assert tree == FileReader(root, store, max_file_bytes=100).read(paths)[0]
        assert {path: store.read_blob(entry.blob) for path, entry in store.files(tree).items()} == state
        assert skipped == ()
