"""The histories of workspaces: which tree each held at which time, and what builds said of it.

The journal (``snapshots.journal``) is what is kept, in the tree store; the database is an index that can be made again.
"""

import sqlite3
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from greenloop.records import BuildReport, EnvironmentFault, Snapshot, Workspace
from greenloop.snapshots import mending
from greenloop.snapshots.index import Damaged, Index, named_faults
from greenloop.snapshots.journal import Journal, Segment
from greenloop.snapshots.rewriting import KeepReport, KeepSnapshot, rewritten
from greenloop.snapshots.writing import Writer
from greenloop.workspace.store import TreeStore

Result = TypeVar("Result")


class SnapshotStore:
    """Workspaces and their snapshots: the journal in ``trees``, indexed at ``path`` (SQLite, created when missing).

    An index that is missing, damaged or not at the journal's end is made right when the store is opened, and when
    damage shows while it is read; ``report`` gets, and ``notes`` keeps, a sentence for whatever had to be done.
    ``old`` is a database of an earlier Greenloop that held both histories and verdicts: its histories move here, once.

    Raises ``EnvironmentFault`` when the disk refuses, and ``Conflict`` when another process wrote the same history.
    """

    def __init__(
        self, path: Path, trees: TreeStore, *, old: Path | None = None, report: Callable[[str], None] | None = None
    ) -> None:
        self.path = path
        self.trees = trees
        self.notes: list[str] = []
        self._report = report
        self._journal = Journal(trees)
        self._lock = threading.RLock()
        self._writer: Index | None = None
        self._writes = False
        self._stale = False
        for note in trees.durable.notes:
            self._note(note)
        self._open()
        with named_faults(path):
            mending.after_power_cut(self._reader, self._journal, trees, self._note)
        if old is not None:
            try:
                mending.migrate(old, trees, self.add_history, self._note)
            except Damaged as error:
                self._note(f"{old}: {error}; what an earlier Greenloop recorded in it, if anything, stays there")

    def _note(self, words: str) -> None:
        self.notes.append(words)
        if self._report is not None:
            self._report(words)

    def _mend(self, index: Index) -> None:
        with named_faults(self.path):
            mending.synchronise(index, self._journal, self.trees, self._note)

    def close(self) -> None:
        """Close the index; the store may be opened again."""
        with self._lock:
            self._reader.close()
            if self._writer is not None:
                self._writer.close()
                self._writer = None

    def add_workspace(self, workspace: Workspace) -> None:
        """Add a workspace; to add the same one again does nothing. It is kept for good with its first snapshot.

        Raises ``InputError`` when its id is taken by another workspace.
        """
        self.add_history([workspace], [])

    def add(self, snapshots: Iterable[Snapshot]) -> int:
        """Add snapshots, all or none, and return how many were new; those that are there already are left alone.

        When it returns, or when the block of ``trees.staged()`` around it ends, the disk has them. Raises
        ``InputError`` when a workspace or a tree is unknown, or a place (workspace, seq) holds another snapshot.
        """
        return self.add_history([], snapshots)

    def add_history(self, workspaces: Iterable[Workspace], snapshots: Iterable[Snapshot]) -> int:
        """Add workspaces and snapshots, all or none; return how many snapshots were new."""
        with self._writing() as index:
            writer = Writer(index, self._journal, self.trees)
            for workspace in workspaces:
                writer.add_workspace(workspace)
            by_workspace = groupby(sorted(snapshots, key=lambda item: (item.workspace, item.seq)), _workspace_of)
            new = sum(writer.add_run(id_, list(run)) for id_, run in by_workspace)
            writer.end()
        return new

    def add_report(self, report: BuildReport) -> None:
        """Add what a build said. Its snapshot shows it from now on, unless it is smeared.

        Raises ``InputError`` when the workspace is unknown or has no snapshot.
        """
        with self._writing() as index:
            writer = Writer(index, self._journal, self.trees)
            writer.add_report(report)
            writer.end()

    def next_seq(self, workspace: str) -> int:
        """Return the sequence number that the workspace's next snapshot gets: 0 for the first."""
        last = self.last(workspace)
        return 0 if last is None else last.seq + 1

    def workspaces(self) -> tuple[Workspace, ...]:
        """Return all workspaces, by id."""
        return self._read(Index.workspaces)

    def snapshots(self, workspace: str) -> Iterator[Snapshot]:
        """Yield the snapshots of one workspace in the order of ``seq``, a part at a time.

        ``reported`` is what the newest report that is not smeared says, the team's own build before a shadow build;
        else what was recorded with the snapshot.
        """
        after = -1
        while part := self._read(partial(Index.snapshots, workspace=workspace, after=after)):
            yield from part
            after = part[-1].seq

    def last(self, workspace: str) -> Snapshot | None:
        """Return the newest snapshot of a workspace, if it has any."""
        return self._read(lambda index: index.last(workspace))

    def count(self, workspace: str) -> int:
        """Return how many snapshots a workspace has."""
        return self._read(lambda index: index.count(workspace))

    def reports(self, workspace: str) -> Iterator[BuildReport]:
        """Yield what builds said of a workspace, smeared reports too, in the order in which they came."""
        after = -1
        while part := self._read(partial(Index.reports, workspace=workspace, after=after)):
            yield from (report for _, report in part)
            after = part[-1][0]

    def newest_reports(self, workspace: str) -> Iterator[BuildReport]:
        """Yield the same, the newest first; what is not asked for is not read."""
        before = sys.maxsize
        while part := self._read(partial(Index.reports_before, workspace=workspace, before=before)):
            yield from (report for _, report in part)
            before = part[-1][0]

    def segments(self, workspace: str) -> tuple[Segment, ...]:
        """Return the segments of a workspace's history, the oldest first."""
        return self._read(lambda index: index.segments(workspace))

    def drop_segment(self, segment: Segment) -> None:
        """Remove a segment and all that is in it; its bytes go with the next prune. Does nothing when it is gone.

        Raises ``Conflict`` when something was added to it since it was asked for.
        """
        with self._writing() as index:
            if index.drop_segment(segment.ref):
                self._journal.chains.move(segment.ref, None, was=segment.tip)

    def rewrite(self, workspace: str, keep: KeepSnapshot, keep_report: KeepReport | None = None) -> int:
        """Replace a workspace's history by what ``keep`` makes of each snapshot: ``None`` drops it, its reports too.

        ``keep`` may change all but workspace and seq. ``keep_report`` gets the reports that are left: their diagnostics
        can quote what a tree no longer holds. Readers see the old history or the new one. Returns how many snapshots
        are gone or changed; the old bytes go with the next prune.
        """
        with self._writing() as index:
            return rewritten(index, self._journal, workspace, keep, keep_report)

    def forget(self, workspace: str) -> None:
        """Remove a workspace and its history; the bytes go with the next prune."""
        with self._writing() as index:
            for ref, tip in self._journal.tips(workspace).items():
                self._journal.chains.move(ref, None, was=tip)
            index.drop_workspace(workspace)

    def check(self) -> tuple[str, ...]:
        """Return what is wrong with journal and index, a sentence each; ``Upkeep.fsck`` looks at the objects."""
        with self._lock:
            return mending.check(self.path, self._reader, self._journal)

    def _renew(self) -> None:
        """Open the index again if it was deleted or replaced: nobody else reads a file without a name."""
        if not self._writes and self._inode != _inode(self.path):
            self.close()
            self._open()

    def _open(self) -> None:
        self._reader = mending.opened(self.path, self.trees, self._note)
        try:
            self._mend(self._reader)
        except Damaged as damage:
            self._reader.close()
            self._reader = mending.replaced(self.path, self.trees, str(damage), self._note)
            self._mend(self._reader)
        self._inode = _inode(self.path)

    def _read(self, ask: Callable[[Index], Result]) -> Result:
        with self._lock:
            self._renew()
            if self._writer is not None and self._writes and self.trees.durable.active:
                with named_faults(self.path):
                    return ask(self._writer)
            try:
                if self._stale:
                    self._mend(self._reader)
                    self._stale = False
                with named_faults(self.path):
                    return ask(self._reader)
            except EnvironmentFault:
                self._inode = -1
                raise
            except Damaged as damage:
                self.close()
                mending.replaced(self.path, self.trees, str(damage), self._note).close()
                self._open()
                with named_faults(self.path):
                    return ask(self._reader)

    @contextmanager
    def _writing(self) -> Iterator[Index]:
        """Write index and journal together: the journal is durable first, then the index shows it to readers."""
        with self.trees.staged(), self._lock:
            try:
                with named_faults(self.path):
                    index = self._begun()
                    with index.saved():
                        yield index
            except EnvironmentFault:
                # where a file could not be opened for writing, SQLite reads it, and would so for ever
                self._inode = -1
                raise
            except Damaged as damage:
                raise EnvironmentFault(f"{self.path}: {damage}", "run the command again: it is made anew") from damage

    def _begun(self) -> Index:
        self._renew()
        if self._writer is None:
            self._writer = Index(self.path)
        if not self._writes:
            if self._stale:
                self._mend(self._reader)
                self._stale = False
            # one writer at a time, in all processes: the second one sees what the first one added
            self._writer.db.execute("BEGIN IMMEDIATE")
            self._writes = True
            self.trees.durable.at_end(self._ended)
        return self._writer

    def _ended(self, done: bool) -> None:
        with self._lock:
            self._writes = False
            if self._writer is None:
                return
            try:
                self._writer.db.execute("COMMIT" if done else "ROLLBACK")
            except sqlite3.Error:
                # the journal has it; the index follows when it is asked next
                self._stale = done
                with suppress(sqlite3.Error):
                    self._writer.db.execute("ROLLBACK")


def _workspace_of(snapshot: Snapshot) -> str:
    return snapshot.workspace


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
