"""What the team's own builds tell, and to which snapshot it belongs.

A build reads its files while it runs, so what it says is true of one tree only where the tree was the same before it
began and after it ended. Then it belongs to the snapshot of that tree: the newest one, or the next one where the
recorder has not yet looked. Everything else is kept as smeared. Equal trees at both ends are taken to have been equal
in between: whoever changes a file and changes it back while a build runs misleads it.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from greenloop.builds.locks import locked
from greenloop.records import BuildReport, Diagnostic, InputError, Part, Snapshot, Status, Suite, TreeId
from greenloop.snapshots.clock import Clock, SystemClock
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import named_io_errors, write_atomically

UNKNOWN_START = "nobody said when the build began"
CHANGED = "files changed while it ran"
NOT_SEEN = "no snapshot was taken before it began"
NOT_LOOKED = "nobody looked at the files between your last edit and the build"
PASSED = "files changed before the recorder looked"


class Told(Part):
    """What a build that ended says."""

    status: Status
    suite: Suite | None = None
    tool: str = ""
    seconds: float | None = None
    diagnostics: tuple[Diagnostic, ...] = ()


class Mark(Part):
    """Where a build began: Unix seconds, and the tree at that time where somebody looked."""

    time: float
    tree: TreeId | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a report: stored for ``seq``, or waiting for the snapshot of its tree."""

    seq: int
    waiting: bool = False
    smeared: str = ""
    """Why it says nothing of any one tree; empty if it does."""


class _Waiting(Part):
    """A report of a tree that no snapshot holds yet; ``report.seq`` is the newest snapshot when it came in."""

    tree: TreeId
    report: BuildReport


_QUEUED = 100
"""Reports that wait, the newest: without a recorder nobody takes them."""
_WAITING = "waiting.json"
_QUEUE = TypeAdapter(tuple[_Waiting, ...])


class TeamBuilds:
    """The reports of one workspace's builds. ``folder`` is Greenloop's own: it keeps marks and what waits.

    ``read`` reads the tree of the folder as it is now.
    """

    def __init__(
        self,
        snapshots: SnapshotStore,
        workspace: str,
        folder: Path,
        read: Callable[[], TreeId],
        *,
        clock: Clock | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._workspace = workspace
        self._folder = folder
        self._read = read
        self._clock = clock or SystemClock()

    def begin(self) -> Mark:
        """Return the mark of a build that begins now."""
        tree = self._read()
        return Mark(time=self._clock.now(), tree=tree)

    def keep(self, mark: Mark) -> None:
        """Keep a mark for a report that another process makes."""
        write_atomically(self._folder / "begun.json", mark.model_dump_json().encode())

    def kept(self) -> Mark | None:
        """Return the mark that was kept, once."""
        path = self._folder / "begun.json"
        try:
            mark = Mark.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            return None
        path.unlink(missing_ok=True)
        return mark

    def finish(self, told: Told, mark: Mark | None) -> Outcome:
        """Store what a build that ended just now said; without a ``mark`` it is smeared.

        Raises ``InputError`` when the workspace has no snapshot at all.
        """
        self.settle()
        newest = self._snapshots.last(self._workspace)
        if newest is None:
            raise InputError(
                f"{self._workspace} holds no snapshot that a build could belong to", "start the recorder first"
            )
        report = BuildReport(
            workspace=self._workspace, seq=newest.seq, time=self._clock.now(), source="reported", **dict(told)
        )
        if mark is None:
            return self._smear(report, UNKNOWN_START)
        tree = self._read()
        before = mark.tree or (newest.tree if newest.time <= mark.time else None)
        if before is None:
            return self._smear(report, NOT_SEEN)
        if before != tree:
            # without a tree of its own the mark stands for the newest snapshot, which may just be older than an edit
            return self._smear(report, NOT_LOOKED if mark.tree is None else CHANGED)
        if tree == newest.tree:
            self._snapshots.add_report(report)
            return Outcome(newest.seq)
        return self._wait(report, tree)

    def settle(self) -> int:
        """Store what waited for a snapshot, as ``settle_reports`` does."""
        return settle_reports(self._snapshots, self._folder)

    def _wait(self, report: BuildReport, tree: TreeId) -> Outcome:
        _change(self._folder, lambda queue: (*queue[1 - _QUEUED :], _Waiting(tree=tree, report=report)))
        if not self.settle():
            return Outcome(report.seq, waiting=True)
        # the recorder looked while this read the tree
        following = _after(self._snapshots, report)
        if following is None or following.tree != tree:
            return Outcome(report.seq, smeared=PASSED)
        return Outcome(following.seq)

    def _smear(self, report: BuildReport, why: str) -> Outcome:
        self._snapshots.add_report(report.model_copy(update={"smeared": True}))
        return Outcome(report.seq, smeared=why)


def settle_reports(snapshots: SnapshotStore, folder: Path) -> int:
    """Store the reports that waited for a snapshot which is there by now, or never will be; return how many did.

    ``folder`` is that of a ``TeamBuilds``. Where nothing waits this is one look at one file's name, so
    the recorder may call it after every snapshot. Raises ``EnvironmentFault`` where the folder cannot be written.
    """
    if not (folder / _WAITING).exists():
        return 0
    done = 0

    def sort(queue: tuple[_Waiting, ...]) -> tuple[_Waiting, ...]:
        nonlocal done
        left = []
        for waiting in queue:
            following = _after(snapshots, waiting.report)
            if following is None:
                left.append(waiting)
                continue
            same = following.tree == waiting.tree
            # else it was edited before the recorder looked: nobody knows that tree any more
            update = {"seq": following.seq} if same else {"smeared": True}
            with suppress(InputError):  # the history was purged meanwhile
                snapshots.add_report(waiting.report.model_copy(update=update))
            done += 1
        return tuple(left)

    _change(folder, sort)
    return done


def _after(snapshots: SnapshotStore, report: BuildReport) -> Snapshot | None:
    last = snapshots.last(report.workspace)
    if last is None or last.seq <= report.seq:
        return None
    if last.seq == report.seq + 1:
        return last
    return next((one for one in snapshots.snapshots(report.workspace) if one.seq > report.seq), None)


def _change(folder: Path, change: Callable[[tuple[_Waiting, ...]], tuple[_Waiting, ...]]) -> None:
    path = folder / _WAITING
    with named_io_errors(folder), locked(folder / "waiting.lock"):
        try:
            queue = _QUEUE.validate_json(path.read_bytes())
        except (FileNotFoundError, ValueError):
            queue = ()
        left = change(queue)
        if left:
            write_atomically(path, _QUEUE.dump_json(left))
        else:
            path.unlink(missing_ok=True)
