"""``WorkingCopy``: what stays out of a tree, why, and what is done when the folder itself is not there."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ConfigLevel
from tests.workspace.checkouts import fill, git, reasons
from tests.workspace.conftest import Open

from greenloop.records import InputError
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.vcs import WorkingCopy


def test_a_folder_that_is_gone_is_one_clear_error(root: Path, open_copy: Open) -> None:
    fill(root, {"a": "1"})
    copy = open_copy()
    copy.reconcile()
    (root / "a").unlink()
    root.rmdir()

    for look in (copy.reconcile, lambda: copy.touch([b"a"])):
        with pytest.raises(InputError, match="the folder is gone"):
            look()


def test_what_has_no_place_in_a_tree_is_left_out_and_told(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {"good": "g", "line\nbreak": "l", "secret": "s3cret", "large": "x" * 101, "git~1": "g", "d/x": "x"})
    (root / os.fsdecode(b"latin\xe9")).write_text("l")
    with (root / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to("loop")
    (root / "d/up").symlink_to("..")
    (root / "out").symlink_to("/etc")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket"))

    def screen(path: str, content: bytes) -> str | None:
        return "it is secret" if b"s3cret" in content else None

    expected = {
        "secret": "it is secret",
        "large": "larger than 100 bytes (101)",
        "sparse": f"larger than 100 bytes ({1 << 30})",
        "latin\\xe9": "its name is not UTF-8",
        "git~1": "no tree may hold this name",
    }
    copy = open_copy(screen=screen, max_file_bytes=100)
    told = sorted(os.fsencode(path.name) for path in root.iterdir())
    for reading in (copy.reconcile(), copy.touch(told), copy.reconcile()):
        assert {path: entry.mode for path, entry in store.files(reading.tree).items()} == {
            "good": Mode.FILE, "line\nbreak": Mode.FILE, "d/x": Mode.FILE,
            "loop": Mode.LINK, "d/up": Mode.LINK, "out": Mode.LINK,
        }  # fmt: skip
        assert reasons(reading.skipped) == expected
    fill(root, {"secret": "none", "large": "small"})

    assert copy.touch([b"secret", b"large"]).changed == ("large", "secret")


def test_a_stopped_secret_is_in_no_object(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {f"f{n}": f"{n}" for n in range(1_100)} | {"secret": "s3cret"})
    open_copy(screen=lambda path, content: "no" if content == b"s3cret" else None).reconcile()

    blob = git(root.parent, "hash-object", str(root / "secret"))
    assert blob not in store


def test_what_a_link_leads_to_is_screened_too(root: Path, store: TreeStore, open_copy: Open) -> None:
    (root / "link").symlink_to("https://ann:s3cret@example.org")
    reading = open_copy(screen=lambda path, content: "no" if b"s3cret" in content else None).reconcile()

    assert store.files(reading.tree) == {}
    assert reasons(reading.skipped) == {"link": "no"}


def test_rules_of_the_recorder_hold_for_tracked_files_too(root: Path, store: TreeStore, open_copy: Open) -> None:
    git(root, "init", "-q")
    fill(root, {"a.log": "1", "data/b": "2", "keep": "3", "x/c.log": "4"})
    git(root, "add", ".")
    copy = open_copy(ignore=["*.log", "/data/"])

    reading = copy.reconcile()

    assert store.files(reading.tree).keys() == {"keep"}
    assert reasons(reading.skipped) == {
        "*.log": "2 files, by a rule of the recorder",
        "/data/": "1 files, by a rule of the recorder",
    }
    fill(root, {"new.log": "5", "new": "6"})
    assert copy.touch([b"new.log", b"new"]).changed == ("new",)


def test_a_file_that_changes_while_it_is_read_keeps_its_last_version(
    root: Path, store: TreeStore, open_copy: Open
) -> None:
    # large enough that reading it lets the writer in
    fill(root, {"busy": "x" * 8_000_000, "calm": "c"})
    copy = open_copy(max_file_bytes=100_000_000)
    before = copy.reconcile().tree
    stop = threading.Event()

    def write() -> None:
        with (root / "busy").open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"y")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        reading = next(found for found in (copy.touch([b"busy"]) for _ in range(500)) if found.skipped)
    finally:
        stop.set()
        writer.join()

    assert reasons(reading.skipped) == {"busy": "changed while it was read"}
    assert store.files(reading.tree).keys() == store.files(before).keys()
    # it is looked at again without being told
    last = copy.touch([])
    assert (store.read(last.tree, "busy"), last.skipped) == ((root / "busy").read_bytes(), ())


def test_a_folder_replaced_by_a_link_is_not_read_through_it(
    root: Path, store: TreeStore, open_copy: Open, tmp_path: Path
) -> None:
    fill(root, {"lib/a": "ours", "lib/deep/b": "ours"})
    fill(tmp_path, {"outside/a": "theirs", "outside/deep/b": "theirs"})
    copy = open_copy()
    copy.reconcile()
    subprocess.run(["rm", "-r", "lib"], cwd=root, check=True)
    (root / "lib").symlink_to(tmp_path / "outside")

    assert store.files(copy.touch([b"lib/a", b"lib/deep/b", b"lib"]).tree).keys() == {"lib"}
    assert store.files(copy.reconcile().tree).keys() == {"lib"}


def test_an_unreadable_file_is_told_and_read_once_it_may_be(root: Path, store: TreeStore, open_copy: Open) -> None:
    copy = open_copy()
    copy.reconcile()

    # a name too long for the file system is refused even to root, who may read everything
    reading = copy.touch([b"x" * 300, b"d/" + b"x" * 300])

    assert store.files(reading.tree) == {}


def unprivileged(home: Path, work: Callable[[], object]) -> object:
    """Return what ``work`` returns to somebody at ``home`` who may not read everything, as root may."""
    if os.getuid() != 0:
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            os.setgid(65534)
            os.setuid(65534)
            os.environ["HOME"] = str(home)
            for level in (ConfigLevel.GLOBAL, ConfigLevel.XDG):
                pygit2.settings.search_path[level] = str(home)
            os.write(writing, json.dumps(work()).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        said = answer.read()
    assert os.waitpid(child, 0)[1] == 0
    return json.loads(said)


def test_what_may_not_be_read_is_told_and_read_once_it_may_be() -> None:
    # not below pytest's own folder, which is closed to others
    home = Path(tempfile.mkdtemp(prefix="greenloop-"))
    root = home / "root"
    fill(root, {"open": "o", "closed": "c", "folder/deep/x": "x", "other/y": "y"})
    if os.getuid() == 0:
        for path in (home, *home.rglob("*")):
            os.chown(path, 65534, 65534)

    def work() -> object:
        store = TreeStore(home / "store")
        copy = WorkingCopy(root, store, home / "cache")
        trees = [copy.reconcile()]
        for path in ("closed", "folder"):
            (root / path).chmod(0)
        trees += [copy.touch([b"closed"]), copy.reconcile(), copy.reconcile()]
        for path in ("closed", "folder"):
            (root / path).chmod(0o755)
        trees += [copy.reconcile()]
        copy.close()
        return [[sorted(store.files(found.tree)), reasons(found.skipped)] for found in trees]

    try:
        everything = ["closed", "folder/deep/x", "open", "other/y"]
        closed = {"closed": "cannot be read: Permission denied"}
        folder = {"folder/": "cannot be read: Permission denied"}
        assert unprivileged(home, work) == [
            [everything, {}],
            [["folder/deep/x", "open", "other/y"], closed],
            [["open", "other/y"], closed | folder],
            [["open", "other/y"], closed | folder],
            [everything, {}],
        ]
    finally:
        shutil.rmtree(home)


def test_a_root_that_became_a_link_is_not_followed(root: Path, open_copy: Open, tmp_path: Path) -> None:
    fill(root, {"a": "1"})
    copy = open_copy()
    before = copy.reconcile().tree
    fill(tmp_path / "private", {"a": "2"})
    root.rename(tmp_path / "aside")
    root.symlink_to(tmp_path / "private")

    for look in (copy.reconcile, lambda: copy.touch([b"a"])):
        with pytest.raises(InputError, match=r"leads to .*private now"):
            look()
    root.unlink()
    (tmp_path / "aside").rename(root)

    assert copy.reconcile().tree == before
