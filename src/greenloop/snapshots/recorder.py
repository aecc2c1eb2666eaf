"""The recorder: takes a snapshot of a folder at an interval, whenever its tree has changed.

It runs in the foreground, needs no server, and touches nothing in the folder. A file named
``.greenloop-no-record`` at the root of the folder or of its repository forbids recording.
"""

import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from types import FrameType

from greenloop.records import InputError, Snapshot, Workspace
from greenloop.snapshots.clock import Clock, FileWatcher, SystemClock, Watcher
from greenloop.snapshots.secrets import Screen
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.vcs.checkout import Checkout, CheckoutReader
from greenloop.workspace.vcs.listing import Skipped

NO_RECORD = ".greenloop-no-record"
"""A file of this name at a repository's root forbids recording it."""

FULL_PASS_SECONDS = 300.0
"""Even without any event the folder is read this often: a watcher can miss folders made while it looks away."""


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


class Recorder:
    """Records the folder ``root`` as ``workspace`` into ``snapshots``, looking every ``interval`` seconds.

    ``on_snapshot`` gets every snapshot just stored, with what was read; ``report`` gets what a person should know.

    Raises ``InputError`` when ``root`` is no folder, forbids recording, or holds the store itself.
    """

    def __init__(
        self,
        snapshots: SnapshotStore,
        workspace: Workspace,
        root: Path,
        *,
        interval: float = 20.0,
        max_file_bytes: int = 1_000_000,
        watcher: Watcher | None = None,
        clock: Clock | None = None,
        on_snapshot: Callable[[Snapshot, Checkout], None] | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self._screen = Screen()
        self._reader = CheckoutReader(root, snapshots.trees, max_file_bytes=max_file_bytes, screen=self._screen)
        for place in (self._reader.root, self._reader.place.root):
            if (place / NO_RECORD).exists():
                raise InputError(f"{place / NO_RECORD} forbids recording", "delete that file to allow it")
        if _holds(self._reader.root, snapshots.path) or _holds(self._reader.root, snapshots.trees.path):
            raise InputError(
                f"{snapshots.path.parent} lies in {root}, so the recorder would record itself",
                "choose a home outside the recorded folder, or a folder .greenloop in it",
            )
        self._snapshots = snapshots
        self._workspace = workspace
        self._interval = interval
        self._report = report or _ignore
        self._watcher = watcher or FileWatcher(self._reader.root, self._report)
        self._clock = clock or SystemClock()
        self._on_snapshot = on_snapshot
        snapshots.add_workspace(workspace)
        last = snapshots.last(workspace.id)
        self._seq = 0 if last is None else last.seq + 1
        self._tree = None if last is None else last.tree
        self._cut = "start"
        self._head: str | None = None
        self._skipped: tuple[Skipped, ...] = ()

    def take(self) -> Snapshot | None:
        """Read the folder, and store a snapshot if its tree differs from the last one's."""
        checkout = self._reader.read()
        if self._head is not None and checkout.head != self._head:
            move = self._reader.move(self._head)
            # a move that nothing is known of, with the same files as before, was a commit: pairs may reach across it
            if move != "head-moved" or checkout.tree != self._tree:
                self._cut = self._cut or move
        self._head = checkout.head
        self._tell_skipped(checkout.skipped)
        if checkout.tree == self._tree:
            return None
        snapshot = Snapshot(
            workspace=self._workspace.id,
            seq=self._seq,
            time=self._clock.now(),
            tree=checkout.tree,
            cut=self._cut,
            skipped=len(checkout.skipped),
        )
        self._snapshots.add([snapshot])
        self._seq, self._tree, self._cut = self._seq + 1, checkout.tree, ""
        if self._on_snapshot is not None:
            self._on_snapshot(snapshot, checkout)
        return snapshot

    def _tell_skipped(self, skipped: tuple[Skipped, ...]) -> None:
        before = set(self._skipped)
        for item in skipped:
            if item not in before:
                self._report(f"not recorded: {item.path}: {item.reason}")
        self._skipped = skipped

    def _due(self, waited: float) -> bool:
        return waited >= FULL_PASS_SECONDS or self._reader.head() != self._head

    def run(self, stop: Event) -> Recording:
        """Take a snapshot now and at every interval with changes, until ``stop`` is set; then once more."""
        taken = int(self.take() is not None)
        waited = 0.0
        while not stop.is_set():
            changed = self._watcher.wait(self._interval, stop)
            waited += self._interval
            if changed or stop.is_set() or self._due(waited):
                taken += self.take() is not None
                waited = 0.0
        return Recording(self._workspace, taken, self._skipped)


def run(recorder: Recorder) -> Recording:
    """Run ``recorder`` in the foreground until SIGINT or SIGTERM; must be called from the main thread."""
    stop = Event()
    with _stopped_by_signals(stop):
        return recorder.run(stop)


@contextmanager
def _stopped_by_signals(stop: Event) -> Iterator[None]:
    def set_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, set_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _holds(root: Path, path: Path) -> bool:
    resolved = path.resolve()
    return resolved.is_relative_to(root) and ".greenloop" not in resolved.relative_to(root).parts


def _ignore(_message: str) -> None:
    return None
