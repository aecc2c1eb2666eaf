"""The recorder on real folders with real edits: what it takes, what it leaves, when it cuts, how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from greenloop.records import EnvironmentFault, InputError, Snapshot, Workspace
from greenloop.snapshots.clock import Clock, ManualClock
from greenloop.snapshots.enrolment import Wish
from greenloop.snapshots.heartbeat import Heartbeat
from greenloop.snapshots.recorder import Pace, Recorder, Surroundings, workspace_for
from greenloop.snapshots.secrets import Screen
from greenloop.snapshots.store import SnapshotStore
from greenloop.snapshots.watching import Changes, ScriptedWatcher
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import Reading, WorkingCopy
from greenloop.workspace.vcs.area import NO_RECORD

ANN = workspace_for("ann", "ledger")
Step = Callable[[], object]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


def git(folder: Path, *arguments: str) -> None:
    named = ["-c", "user.name=Ann", "-c", "user.email=ann@example.org"]
    subprocess.run(["git", *named, *arguments], cwd=folder, check=True, capture_output=True)


def seen(step: Step, *paths: str) -> Callable[[], Changes]:
    """Make a step that the watcher notices: what changed, or that something did."""

    def act() -> Changes:
        step()
        return Changes(frozenset(map(os.fsencode, paths)), "" if paths else "many changes")

    return act


def unseen(step: Step) -> Callable[[], Changes]:
    """Make a step that the watcher does not notice."""

    def act() -> Changes:
        step()
        return Changes()

    return act


def recorder(
    store: SnapshotStore,
    root: Path,
    steps: list[Callable[[], Changes]],
    *,
    pace: Pace | None = None,
    clock: Clock | None = None,
    around: Surroundings | None = None,
) -> Recorder:
    reader = WorkingCopy(root, store.trees, store.path.parent / "cache", screen=Screen())
    try:
        return Recorder(store, ANN, reader, ScriptedWatcher(steps), pace=pace, clock=clock, around=around)
    except InputError:
        reader.close()
        raise


def record(store: SnapshotStore, root: Path, steps: list[Callable[[], Changes]], said: list[str] | None = None) -> None:
    around = Surroundings(report=(said if said is not None else []).append)
    recorder(store, root, steps, around=around).run(Event())


def contents(store: SnapshotStore) -> list[dict[str, str]]:
    return [
        {path: store.trees.read_blob(entry.blob).decode() for path, entry in store.trees.files(snapshot.tree).items()}
        for snapshot in store.snapshots(ANN.id)
    ]


def cuts(store: SnapshotStore) -> list[str]:
    return [snapshot.cut for snapshot in store.snapshots(ANN.id)]


def test_each_change_of_the_tree_is_one_snapshot(store: SnapshotStore, root: Path) -> None:
    (root / "a.ml").write_text("1")
    record(
        store,
        root,
        [
            seen(lambda: (root / "a.ml").write_text("2"), "a.ml"),
            seen((root / "a.ml").touch, "a.ml"),
            seen(lambda: (root / "b.ml").write_text("new"), "b.ml"),
            seen((root / "a.ml").unlink, "a.ml"),
        ],
    )

    assert contents(store) == [{"a.ml": "1"}, {"a.ml": "2"}, {"a.ml": "2", "b.ml": "new"}, {"b.ml": "new"}]
    assert [snapshot.seq for snapshot in store.snapshots(ANN.id)] == [0, 1, 2, 3]
    assert cuts(store) == ["start", "", "", ""]


def test_what_changed_since_the_last_look_is_taken_when_it_stops(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    record(store, root, [unseen(lambda: (root / "a").write_text("2"))])

    assert contents(store)[-1] == {"a": "2"}


def test_a_change_that_the_watcher_missed_is_found_in_time(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    taken: list[int] = []
    looks: list[int] = []
    idle = unseen(lambda: looks.append(len(taken)))
    recorder(
        store,
        root,
        [unseen(lambda: (root / "a").write_text("2")), idle, idle],
        # it is always time for a look at everything
        pace=Pace(reconcile=0.0),
        around=Surroundings(on_snapshot=lambda snapshot, _: taken.append(snapshot.seq)),
    ).run(Event())

    assert taken == [0, 1]
    assert looks == [2, 2]


def test_the_clock_dates_and_the_callback_gets_each_snapshot_after_it_is_stored(
    store: SnapshotStore, root: Path
) -> None:
    (root / "a").write_text("1")
    clock = ManualClock(100.0)
    counted: list[tuple[float, int, tuple[str, ...]]] = []

    def edit() -> None:
        clock.time = 90.0  # a clock may be set back
        (root / "a").write_text("2")

    def note(snapshot: Snapshot, reading: Reading) -> None:
        counted.append((snapshot.time, store.count(ANN.id), reading.changed))

    recorder(store, root, [seen(edit)], clock=clock, around=Surroundings(on_snapshot=note)).run(Event())

    assert counted == [(100.0, 1, ()), (90.0, 2, ("a",))]


def test_while_it_is_paused_nothing_is_read_and_the_next_snapshot_stands_alone(
    store: SnapshotStore, root: Path
) -> None:
    (root / "a").write_text("1")
    wishes: list[Wish] = [Wish()]

    def pause(wish: Wish) -> None:
        wishes.append(wish)
        (root / "a").write_text("between " + str(len(wishes)))

    clock = ManualClock(100.0)
    record_ = recorder(
        store,
        root,
        [
            seen(lambda: pause(Wish(paused=True)), "a"),
            seen(lambda: (root / "a").write_text("hidden"), "a"),
            unseen(lambda: pause(Wish())),
            seen(lambda: pause(Wish(paused=True, until=200.0)), "a"),
            unseen(lambda: setattr(clock, "time", 201.0)),
        ],
        clock=clock,
        around=Surroundings(wish=lambda: wishes[-1]),
    )
    record_.run(Event())

    assert contents(store) == [{"a": "1"}, {"a": "between 3"}, {"a": "between 4"}]
    assert cuts(store) == ["start", "pause", "pause"]


def test_without_room_it_says_so_and_goes_on_when_there_is(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    room = ["", "5 MiB are free", "5 MiB are free", ""]
    said: list[str] = []
    beats: list[Heartbeat] = []
    around = Surroundings(room=lambda: room.pop(0) if len(room) > 1 else room[0], report=said.append, beat=beats.append)
    recorder(
        store, root, [seen(lambda: (root / "a").write_text("2"), "a"), unseen(str), unseen(str)], around=around
    ).run(Event())

    assert contents(store) == [{"a": "1"}, {"a": "2"}]
    assert [beat.halted for beat in beats] == ["", "5 MiB are free", "5 MiB are free", "", ""]
    assert said == ["not recording: 5 MiB are free"]
    assert [beat.seq for beat in beats] == [0, 0, 0, 1, 1]


def test_an_upkeep_that_cannot_start_is_told_and_recording_goes_on(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    said: list[str] = []

    def upkeep() -> None:
        raise EnvironmentFault("upkeep.log: no space left on device")

    around = Surroundings(upkeep=upkeep, report=said.append)
    steps = [seen(lambda: (root / "a").write_text("2"), "a")]
    recorder(store, root, steps, pace=Pace(upkeep=0.0), around=around).run(Event())

    assert contents(store) == [{"a": "1"}, {"a": "2"}]
    assert said == ["not recording: upkeep.log: no space left on device"]


def test_a_repository_that_forbids_it_later_is_not_recorded_from_then_on(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    said: list[str] = []

    def forbid() -> None:
        (root / "a").write_text("2")
        (root / NO_RECORD).touch()

    record(store, root, [seen(forbid)], said)

    assert contents(store) == [{"a": "1"}]
    assert any("forbids recording" in line for line in said)


def test_a_restart_goes_on_and_cuts(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    record(store, root, [])
    record(store, root, [])
    record(store, root, [seen(lambda: (root / "a").write_text("2"))])

    assert contents(store) == [{"a": "1"}, {"a": "2"}]
    assert cuts(store) == ["start", "start"]


def test_what_version_control_did_is_noted(store: SnapshotStore, root: Path) -> None:
    git(root, "init", "-q", "-b", "main")
    (root / "a").write_text("1")

    def commit() -> None:
        git(root, "add", "a")
        git(root, "commit", "-q", "-m", "one")

    def commit_while_editing() -> None:
        (root / "a").write_text("3")
        git(root, "commit", "-q", "-a", "-m", "two")
        (root / "a").write_text("4")

    def stash_and_checkout() -> None:
        git(root, "stash", "-q")
        git(root, "checkout", "-q", "main~1")

    record(
        store,
        root,
        [
            seen(commit),
            seen(lambda: (root / "a").write_text("2")),
            seen(commit_while_editing),
            unseen(stash_and_checkout),
            seen(lambda: (root / "a").write_text("5")),
        ],
    )

    assert contents(store) == [{"a": text} for text in "12415"]
    assert cuts(store) == ["start", "commit", "commit", "stash", ""]


def test_secrets_large_files_and_what_is_ignored_stay_out_and_are_told(store: SnapshotStore, root: Path) -> None:
    git(root, "init", "-q")
    secret = "AKIA" + "Z7QX4TRWPLMK2JND"
    (root / ".gitignore").write_text("*.o\n")
    (root / "a.ml").write_text("1")
    (root / "x.o").write_text("object")
    (root / ".env").write_text("PASSWORD=1")
    (root / "deploy.sh").write_text(f"export KEY={secret}\n")
    (root / "large").write_bytes(b"x" * 1_000_001)
    said: list[str] = []

    record(store, root, [seen(lambda: (root / "a.ml").write_text("2"))], said)

    assert [set(files) for files in contents(store)] == [{".gitignore", "a.ml"}] * 2
    assert [snapshot.skipped for snapshot in store.snapshots(ANN.id)] == [3, 3]
    # each is told once, not at every look
    assert sorted(line.split(": ")[1] for line in said) == [".env", "deploy.sh", "large"]
    needles = (secret.encode(), b"PASSWORD=1")
    elsewhere = TreeStore(root.parent / "elsewhere")
    for content in (*needles, f"export KEY={secret}\n".encode()):
        assert elsewhere.write_blob(content) not in store.trees


def test_a_repository_can_forbid_recording(store: SnapshotStore, root: Path) -> None:
    git(root, "init", "-q")
    (root / NO_RECORD).write_text("")
    (root / "lib").mkdir()

    for folder in (root, root / "lib"):
        with pytest.raises(InputError, match="forbids recording"):
            recorder(store, folder, [])
    assert store.workspaces() == ()


def test_a_home_inside_the_folder_is_refused_unless_it_is_named_so(root: Path) -> None:
    inside = SnapshotStore(root / "home/greenloop.db", TreeStore(root / "home/objects.git"))
    with pytest.raises(InputError, match="would be read itself"):
        recorder(inside, root, [])

    named = SnapshotStore(root / ".greenloop/greenloop.db", TreeStore(root / ".greenloop/objects.git"))
    (root / "home").rename(root.parent / "gone")
    (root / "a").write_text("1")
    record(named, root, [seen(lambda: None)])
    assert contents(named) == [{"a": "1"}]


def test_a_folder_that_vanishes_is_told_and_is_no_empty_tree(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    said: list[str] = []

    record(store, root, [seen(lambda: root.rename(root.parent / "moved"))], said)

    assert contents(store) == [{"a": "1"}]
    assert "the folder is gone" in said[0]


def test_a_workspace_is_named_after_author_and_title() -> None:
    assert workspace_for("Ann B.", "My ledger/2") == Workspace(
        id="recorder/Ann-B/My-ledger-2", author="Ann B.", title="My ledger/2", source="recorder"
    )
    with pytest.raises(InputError, match="must each hold a letter"):
        workspace_for("..", "x")


PROGRAM = """
import sys
from pathlib import Path
from greenloop.snapshots.recorder import Pace, Recorder, Surroundings, stopped_by_signals, workspace_for
from greenloop.snapshots.store import SnapshotStore
from greenloop.snapshots.watching import FileWatcher
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy
home, root = Path(sys.argv[1]), Path(sys.argv[2])
store = SnapshotStore(home / "snapshots.db", TreeStore(home / "objects.git"))
around = Surroundings(on_snapshot=lambda snapshot, _: print("snapshot", snapshot.seq, flush=True))
with stopped_by_signals() as stop:
    reader, watcher = WorkingCopy(root, store.trees, home / "cache"), FileWatcher(root, print, stop=stop)
    recorder = Recorder(store, workspace_for("ann", "ledger"), reader, watcher, pace=Pace(interval=0.3), around=around)
    print("took", recorder.run(stop).snapshots, flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_follows_real_edits_and_ends_on_a_signal(
    store: SnapshotStore, root: Path, number: signal.Signals
) -> None:
    (root / "a").write_text("1")
    home = str(store.path.parent)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, home, str(root)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "snapshot 0\n"
        (root / "lib").mkdir()
        (root / "lib/b").write_text("1")
        assert run.stdout.readline() == "snapshot 1\n"
        (root / "lib/b").write_text("2")
        assert run.stdout.readline() == "snapshot 2\n"
        # the last edit is made and the signal sent at once: the recorder still takes it
        (root / "lib/b").write_text("3")
        os.kill(run.pid, number)
        rest = run.stdout.read().splitlines()

    assert rest == ["snapshot 3", "took 4"]
    assert run.returncode == 0
    assert contents(store)[-1] == {"a": "1", "lib/b": "3"}


def test_killed_outright_it_keeps_all_it_had_taken(store: SnapshotStore, root: Path) -> None:
    (root / "a").write_text("1")
    home = str(store.path.parent)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, home, str(root)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "snapshot 0\n"
        (root / "a").write_text("2")
        assert run.stdout.readline() == "snapshot 1\n"
        run.kill()

    assert contents(store) == [{"a": "1"}, {"a": "2"}]
    record(store, root, [seen(lambda: (root / "a").write_text("3"))])
    assert cuts(store) == ["start", "", "start"]
