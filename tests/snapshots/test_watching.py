"""The watchers: the real one sees real changes and falls back to looking, and says so."""

import os
import subprocess
import sys
from pathlib import Path
from threading import Event, Timer

import pytest

from greenloop.snapshots.clock import ManualClock, SystemClock
from greenloop.snapshots.watching import Changes, FileWatcher, PollingWatcher, ScriptedWatcher


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    (folder / "lib").mkdir(parents=True)
    (folder / "_build").mkdir()
    (folder / ".git").mkdir()
    return folder


def settled(watcher: FileWatcher) -> FileWatcher:
    """Let pass what the making of the folder itself may have caused."""
    while watcher.wait(0.5, Event()):
        pass
    return watcher


def test_a_change_is_seen_once(root: Path) -> None:
    said: list[str] = []
    watcher = settled(FileWatcher(root, said.append))

    (root / "lib/a").write_text("1")

    assert watcher.wait(1.5, Event()) == Changes(frozenset({b"lib/a"}))
    assert not watcher.wait(0.5, Event())
    assert said == []


def test_a_change_made_while_nobody_waits_is_seen(root: Path) -> None:
    watcher = settled(FileWatcher(root, print))
    (root / "a").write_text("1")
    (root / "a").unlink()

    assert watcher.wait(1.0, Event())


def test_changes_in_new_folders_are_seen(root: Path) -> None:
    watcher = settled(FileWatcher(root, print))
    (root / "new/deep").mkdir(parents=True)
    (root / "new/deep/a").write_text("1")
    assert b"new" in watcher.wait(1.5, Event()).paths
    (root / "new/deep/a").write_text("2")

    assert b"new/deep/a" in watcher.wait(1.5, Event()).paths


def test_a_folder_that_was_moved_is_watched_at_its_new_place(root: Path) -> None:
    watcher = settled(FileWatcher(root, print))
    (root / "lib").rename(root / "src")
    assert {b"lib", b"src"} <= watcher.wait(1.5, Event()).paths
    (root / "src/a").write_text("1")

    assert b"src/a" in watcher.wait(1.5, Event()).paths


def test_links_are_not_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "lib/out").symlink_to(outside)
    (root / "lib/loop").symlink_to(root)
    watcher = settled(FileWatcher(root, print))
    (outside / "a").write_text("1")

    assert not watcher.wait(1.0, Event())


def test_names_of_any_bytes_are_told_as_they_are(root: Path) -> None:
    watcher = settled(FileWatcher(root, print))
    (root / "lib/a\n b").write_text("1")
    assert watcher.wait(1.5, Event()) == Changes(frozenset({b"lib/a\n b"}))


def test_a_name_that_is_no_text_is_a_reason_to_look_at_everything(root: Path) -> None:
    (root / os.fsdecode(b"lib/folder\xff")).mkdir()
    watcher = settled(FileWatcher(root, print))
    (root / os.fsdecode(b"lib/a\xff")).write_text("1")

    assert watcher.wait(1.5, Event()).whole == "a name that is not UTF-8"


def test_a_storm_of_changes_is_a_reason_to_look_at_everything(root: Path) -> None:
    watcher = settled(FileWatcher(root, print))
    for number in range(1500):
        (root / f"lib/{number}").touch()

    assert "changes at once" in watcher.wait(2.0, Event()).whole


def test_what_tools_write_is_no_change(root: Path) -> None:
    watcher = settled(FileWatcher(root, print))
    (root / "_build/log").write_text("x")
    (root / ".git/index").write_text("x")

    assert not watcher.wait(1.0, Event())


def test_stop_ends_the_wait(root: Path) -> None:
    stop = Event()
    stopper = Timer(0.2, stop.set)
    stopper.start()

    # an hour, if stopping did not work; the suite's time-out would tell
    FileWatcher(root, print).wait(3600.0, stop)
    stop_polling = PollingWatcher().wait(3600.0, stop)

    stopper.join()
    assert stop_polling


def test_without_file_events_it_says_so_and_looks_each_time(tmp_path: Path) -> None:
    said: list[str] = []
    watcher = FileWatcher(tmp_path / "missing", said.append)

    assert watcher.wait(0.0, Event())
    assert watcher.wait(0.0, Event())
    assert len(said) == 1
    assert "no file events" in said[0]
    assert "every file is looked at instead" in said[0]


PROGRAM = """
import sys
from pathlib import Path
from threading import Event
from greenloop.snapshots.watching import FileWatcher
watcher = FileWatcher(Path(sys.argv[1]), print)
print(watcher.mode, bool(watcher.wait(0.1, Event()).whole), bool(watcher.wait(0.1, Event()).whole))
"""


@pytest.mark.parametrize("limit", [("max_inotify_watches", 1), ("max_inotify_instances", 0)])
def test_at_the_limit_of_the_kernel_it_says_so_and_looks_each_time(root: Path, limit: tuple[str, int]) -> None:
    # a user namespace has limits of its own, which its root may lower
    lowered = f'echo {limit[1]} > /proc/sys/user/{limit[0]}; exec "$@"'
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", lowered, "sh", sys.executable, "-c", PROGRAM, str(root)],
        capture_output=True, check=True, text=True,
    )  # fmt: skip

    assert "no file events" in done.stdout
    assert done.stdout.endswith("polling True True\n")


def test_the_fakes_do_as_they_are_told() -> None:
    stop = Event()
    some = Changes(frozenset({b"a"}))
    watcher = ScriptedWatcher([lambda: some, Changes])

    assert [watcher.wait(1.0, stop) for _ in range(2)] == [some, Changes()]
    assert not stop.is_set()
    assert not watcher.wait(1.0, stop)
    assert stop.is_set()
    clock = ManualClock(5.0)
    assert clock.now() == clock.now() == 5.0
    assert SystemClock().now() > 1_700_000_000.0
