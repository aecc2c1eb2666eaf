"""The recorder: takes a snapshot of a folder at an interval, whenever its tree has changed.

It needs no server and touches nothing in the folder. It looks only at what the watcher names, and at the whole folder
at its start, when the watcher cannot tell, and now and then, since every watcher misses something in a year.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from types import FrameType

from greenloop.records import COMMIT, EnvironmentFault, GreenloopError, InputError, Snapshot, Workspace
from greenloop.snapshots.clock import Clock, SystemClock
from greenloop.snapshots.enrolment import Wish, forbidden
from greenloop.snapshots.heartbeat import LISTED, Heartbeat, LeftOut
from greenloop.snapshots.store import SnapshotStore
from greenloop.snapshots.watching import Changes, Watcher
from greenloop.workspace.vcs import Reading, Skipped, WorkingCopy, detect
from greenloop.workspace.vcs.place import lies_in

STAGED_BYTES = 4 << 20
"""So much may wait outside the packs: it is held twice, in memory by whoever reads it, and on the disk."""
STAGED_SECONDS = 600.0
"""So long a snapshot may wait outside the packs, where a lost staging file would lose it."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the recorder does what. All in seconds."""

    interval: float = 20.0
    """Between two looks at what changed."""
    reconcile: float = 600.0
    """Between two looks at the whole folder, even without any event."""
    upkeep: float = 3600.0
    """Between two times that the store is put in order."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the recorder asks of the world, and what it tells; each a plain function, each without effect by default."""

    wish: Callable[[], Wish] = Wish
    """What the person wants now."""
    room: Callable[[], str] = str
    """Why nothing may be written at the moment (no free space), or ``""``."""
    beat: Callable[[Heartbeat], None] = lambda _beat: None
    """Keeps the heartbeat; it may raise ``EnvironmentFault``."""
    on_snapshot: Callable[[Snapshot, Reading], None] = lambda _snapshot, _reading: None
    """Gets every snapshot just stored, with what was read."""
    report: Callable[[str], None] = lambda _words: None
    """Gets what a person should know."""
    upkeep: Callable[[], None] = lambda: None
    """Starts putting the store in order, elsewhere and without waiting."""
    trouble: Callable[[], str] = str
    """What went wrong when the store was put in order last, or ``""``."""
    builds: Callable[[], str] = str
    """Keeps whatever finds the build status going, and says how it is known."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What a run of the recorder came to."""

    workspace: Workspace
    snapshots: int
    skipped: tuple[Skipped, ...]
    """What was left out when the folder was last read."""


def workspace_for(author: str, title: str) -> Workspace:
    """Return the workspace under which the recorder keeps ``author``'s work on ``title``."""
    parts = (re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.") for part in (author, title))
    slugs = [part for part in parts if part]
    if len(slugs) != 2:
        raise InputError(f"author {author!r} and title {title!r} must each hold a letter or a digit")
    return Workspace(id="recorder/" + "/".join(slugs), author=author, title=title, source="recorder")


def demand_apart(root: Path, home: Path) -> None:
    """Raise ``InputError`` where the home lies in the folder that is to be recorded: it would be read itself."""
    if lies_in(root, home):
        raise InputError(
            f"{home} lies in {root}, so the recorder would record itself",
            "choose a home outside the recorded folder, or a folder .greenloop in it",
        )


@dataclass(slots=True)
class _Seen:
    """Where the recorder stands."""

    cut: str = "start"
    heads: str | None = None
    skipped: tuple[Skipped, ...] = ()
    halted: str = ""
    told: str = ""
    """The last reason for halting that was told, without its figures."""
    unheard: bool = False
    """The last sign of life could not be kept."""
    whole: str = "start"
    """Why the next look must be at the whole folder; empty if it need not."""
    taken: int = 0
    last: Snapshot | None = None
    reconciled: float = field(default_factory=time.monotonic)
    kept_up: float = field(default_factory=time.monotonic)


class Recorder:
    """Records what ``reader`` reads as ``workspace`` into ``snapshots``, whenever ``watcher`` says that it is time.

    Raises ``InputError`` when the folder forbids recording, or holds the store itself.
    """

    def __init__(
        self,
        snapshots: SnapshotStore,
        workspace: Workspace,
        reader: WorkingCopy,
        watcher: Watcher,
        *,
        pace: Pace | None = None,
        clock: Clock | None = None,
        around: Surroundings | None = None,
    ) -> None:
        self._reader = reader
        self._places = (reader.root, detect(reader.root).root)
        self._allowed()
        for path in (snapshots.path, snapshots.trees.path):
            demand_apart(reader.root, path.parent)
        self._snapshots = snapshots
        self._workspace = workspace
        self._watcher = watcher
        self._pace = pace or Pace()
        self._clock = clock or SystemClock()
        self._around = around or Surroundings()
        self._started = self._clock.now()
        snapshots.add_workspace(workspace)
        self._seen = _Seen(last=snapshots.last(workspace.id))

    def _allowed(self) -> None:
        file = forbidden(*self._places)
        if file is not None:
            raise InputError(f"{file} forbids recording", "delete that file to allow it")

    def take(self, changes: Changes | None = None) -> Snapshot | None:
        """Read what changed, or the whole folder, and store a snapshot if the tree differs from the last one's."""
        # one block: the files, their trees and the snapshot are durable together, in one write, or none of them is
        with self._snapshots.trees.staged():
            reading = self._read(changes)
            snapshot = self._snapshot(reading)
            if snapshot is not None:
                self._snapshots.add([snapshot])
        self._tell_skipped(reading.skipped)
        if snapshot is not None:
            seen = self._seen
            seen.last, seen.cut, seen.taken = snapshot, "", seen.taken + 1
            self._around.on_snapshot(snapshot, reading)
        return snapshot

    def _read(self, changes: Changes | None) -> Reading:
        seen = self._seen
        whole = seen.whole or ("asked" if changes is None else changes.whole)
        reading = self._reader.reconcile() if whole or changes is None else self._reader.touch(changes.paths)
        if reading.full:
            seen.reconciled = time.monotonic()
        seen.whole = ""
        if seen.heads is not None and reading.heads != seen.heads:
            move = self._reader.moved(seen.heads)
            seen.cut = move if seen.cut in {"", COMMIT} else seen.cut
        seen.heads = reading.heads
        return reading

    def _snapshot(self, reading: Reading) -> Snapshot | None:
        seen = self._seen
        if seen.last is not None and reading.tree == seen.last.tree:
            return None
        return Snapshot(
            workspace=self._workspace.id,
            seq=0 if seen.last is None else seen.last.seq + 1,
            time=self._clock.now(),
            tree=reading.tree,
            cut=seen.cut,
            skipped=len(reading.skipped),
        )

    def _tell_skipped(self, skipped: tuple[Skipped, ...]) -> None:
        before = set(self._seen.skipped)
        for item in skipped:
            if item not in before:
                self._around.report(f"not recorded: {item.path}: {item.reason}")
        self._seen.skipped = skipped

    def _due(self, changes: Changes) -> bool:
        seen = self._seen
        if time.monotonic() - seen.reconciled >= self._pace.reconcile:
            seen.whole = seen.whole or "interval"
        elif self._reader.heads() != seen.heads:
            # a checkout writes many files at once, and a commit changes which ones are tracked
            seen.whole = seen.whole or "version control"
        return bool(changes or seen.whole)

    def look(self, changes: Changes) -> None:
        """Do what is due after one wait: take a snapshot if anything may have changed, and keep the house in order.

        What the disk refuses is told and tried again at the next look, by the whole folder.
        """
        seen = self._seen
        seen.halted = ""
        wish = self._around.wish()
        if wish.paused_at(self._clock.now()):
            # what happens meanwhile is not looked at; the first snapshot afterwards stands for itself
            seen.whole, seen.cut = "pause", "pause"
        elif halted := self._around.room():
            self._halt(halted)
        elif self._due(changes):
            try:
                self._allowed()
                self.take(changes)
            except GreenloopError as error:
                self._halt(f"{error.message} ({error.way_out})" if error.way_out else error.message)
        self._keep_up()
        if not seen.halted:
            seen.told = ""
        self._beat()

    def _halt(self, why: str) -> None:
        seen = self._seen
        if seen.halted:
            return  # a full disk refuses the packs too; what it refused first says it
        # told once, not at every look: the MiB that are free differ each time
        reason = re.sub(r"\d+", "", why)
        if reason != seen.told:
            self._around.report(f"not recording: {why}")
        seen.told, seen.halted = reason, why
        seen.whole = seen.whole or "halt"

    def _keep_up(self, *, last: bool = False) -> None:
        trees = self._snapshots.trees
        try:
            since = trees.staged_since
            waited = since is not None and time.time() - since >= STAGED_SECONDS
            if last or waited or trees.staged_bytes >= STAGED_BYTES:
                trees.flush()
            if not last and time.monotonic() - self._seen.kept_up >= self._pace.upkeep:
                self._seen.kept_up = time.monotonic()
                self._around.upkeep()
        except EnvironmentFault as error:
            self._halt(error.message)

    def _beat(self) -> None:
        """Tell how it stands. A disk that takes no sign of life ends no recording: whoever asks sees an old one."""
        seen = self._seen
        beat = Heartbeat(
            pid=os.getpid(),
            started=self._started,
            beat=self._clock.now(),
            every=self._pace.interval,
            watching=self._watcher.mode,
            seq=None if seen.last is None else seen.last.seq,
            tree=None if seen.last is None else seen.last.tree,
            taken=seen.taken,
            skipped=len(seen.skipped),
            left_out=tuple(LeftOut(path=item.path, reason=item.reason) for item in seen.skipped[:LISTED]),
            halted=seen.halted,
            trouble=self._around.trouble(),
            builds=self._around.builds(),
        )
        try:
            self._around.beat(beat)
        except EnvironmentFault as error:
            if not seen.unheard:
                self._around.report(f"no sign of life: {error.message}")
            seen.unheard = True
        else:
            seen.unheard = False

    def run(self, stop: Event) -> Recording:
        """Take a snapshot now and at every interval with changes, until ``stop`` is set; then once more.

        Closes the reader.
        """
        with closing(self._reader):
            self.look(Changes(whole="start"))
            while not stop.is_set() and self._around.wish().recording:
                changes = self._watcher.wait(self._pace.interval, stop)
                if not stop.is_set():
                    self.look(changes)
            # whenever it was told to stop, in a wait or in a look: what was done until then is taken
            self.look(Changes(whole="stop"))
            self._keep_up(last=True)
        return Recording(self._workspace, self._seen.taken, self._seen.skipped)


@contextmanager
def stopped_by_signals() -> Iterator[Event]:
    """Give an event that SIGINT and SIGTERM set, for as long as the block runs; only in the main thread."""
    stop = Event()

    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, set_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
