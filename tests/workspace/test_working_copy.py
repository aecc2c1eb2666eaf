"""``WorkingCopy``: what is read, what is left out, what is looked at again, and what survives a restart."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pygit2
import pytest
from pygit2.enums import ConfigLevel

from greenloop.records import Conflict, InputError
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.vcs import Skipped, WorkingCopy

Open = Callable[..., WorkingCopy]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def open_copy(root: Path, store: TreeStore, tmp_path: Path) -> Iterator[Open]:
    """Open the working copy, with one cache unless another is named; the one before is closed."""
    opened: list[WorkingCopy] = []

    def one(*, cache: str = "cache", **options: object) -> WorkingCopy:
        for copy in opened:
            copy.close()
        opened.append(WorkingCopy(root, store, tmp_path / cache, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield one
    for copy in opened:
        copy.close()


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True)
    return done.stdout.decode().strip()


def fill(folder: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)


def reasons(skipped: tuple[Skipped, ...]) -> dict[str, str]:
    return {item.path: item.reason for item in skipped}


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


def test_names_that_differ_in_case_alone_are_two_files(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {"Readme": "1"})
    copy = open_copy()
    copy.reconcile()
    (root / "Readme").rename(root / "README")

    assert store.files(copy.touch([b"Readme", b"README"]).tree).keys() == {"README"}


def test_an_unreadable_file_is_told_and_read_once_it_may_be(root: Path, store: TreeStore, open_copy: Open) -> None:
    copy = open_copy()
    copy.reconcile()

    # a name too long for the file system is refused even to root, who may read everything
    reading = copy.touch([b"x" * 300, b"d/" + b"x" * 300])

    assert store.files(reading.tree) == {}


def test_what_happened_before_the_start_is_not_missed(root: Path, open_copy: Open) -> None:
    fill(root, {"a": "1", "b": "2"})
    open_copy().reconcile()
    copy = open_copy()
    fill(root, {"a": "one"})

    reading = copy.touch([b"b"])

    assert (reading.changed, reading.why_full) == (("a",), "the first reading since the start")


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


def test_a_folder_of_many_files_is_packed(root: Path, store: TreeStore, open_copy: Open) -> None:
    fill(root, {f"f{n}": f"{n}\n" for n in range(3_000)})

    reading = open_copy().reconcile()

    assert len(store.files(reading.tree)) == 3_000
    loose = list((store.path / "objects").glob("??/*"))
    assert len(loose) < 10
    assert store.read(reading.tree, "f2999") == b"2999\n"
