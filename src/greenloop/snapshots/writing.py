"""Adding to journal and index at once: each snapshot goes to the segment that its number belongs to."""

from greenloop.records import BuildReport, InputError, Snapshot, Workspace
from greenloop.snapshots.index import Index
from greenloop.snapshots.journal import Journal, Segment
from greenloop.workspace.store import TreeStore

_ANY = 1 << 62
"""Larger than any snapshot's number."""


class Writer:
    """Adds to ``index`` and ``journal`` in the transaction and the block that are open; ``end`` moves the refs."""

    def __init__(self, index: Index, journal: Journal, trees: TreeStore) -> None:
        self._index = index
        self._journal = journal
        self._trees = trees
        self._was: dict[str, str | None] = {}
        self._tips: dict[str, str] = {}
        self._tree = ""

    def end(self) -> None:
        """Let the chains end where they end now."""
        for ref, tip in self._tips.items():
            self._journal.chains.move(ref, tip, was=self._was[ref])

    def add_workspace(self, workspace: Workspace) -> None:
        """See ``SnapshotStore.add_workspace``."""
        present = self._index.workspace(workspace.id)
        if present is None:
            self._index.put_workspace(workspace)
        elif present != workspace:
            raise InputError(
                f"workspace {workspace.id} is there already, by {present.author!r} as {present.title!r}",
                "give the new one another id",
            )

    def add_run(self, id_: str, run: list[Snapshot]) -> int:
        """Add snapshots of one workspace, sorted by their numbers; return how many were new."""
        workspace = self._index.workspace(id_)
        if workspace is None:
            raise InputError(f"{id_}: no such workspace", "add the workspace before its snapshots")
        segment: Segment | None = None
        until = -1
        rows: dict[int, tuple[Snapshot, str]] = {}
        for snapshot in run:
            if self._present(snapshot, rows):
                continue
            self._known(snapshot)
            if segment is None or snapshot.seq >= until:
                self._keep(segment)
                segment, until = self._index.segment_around(id_, snapshot.seq)
            if segment is not None and segment.takes(snapshot):
                before = segment
                segment = self._journal.add(segment, snapshot, snapshot.tree)
            else:
                self._keep(segment)
                before = None
                segment = self._journal.begin(workspace, snapshot)
            self._moved(segment, before)
            rows[snapshot.seq] = (snapshot, segment.ref)
        self._keep(segment)
        self._index.put_snapshots(rows.values())
        return len(rows)

    def add_report(self, report: BuildReport) -> None:
        """See ``SnapshotStore.add_report``."""
        segment, _ = self._index.segment_around(report.workspace, _ANY)
        last = self._index.last(report.workspace)
        if segment is None or last is None:
            raise InputError(f"{report.workspace}: no snapshot that a build report could speak of", "record one first")
        told = self._index.own(report.workspace, report.seq) or last
        after = self._journal.add(segment, report, told.tree)
        self._moved(after, segment)
        self._keep(after)
        self._index.put_report(report, after.ref)

    def _present(self, snapshot: Snapshot, rows: dict[int, tuple[Snapshot, str]]) -> bool:
        new = rows.get(snapshot.seq)
        present = self._index.own(snapshot.workspace, snapshot.seq) if new is None else new[0]
        if present is None or present == snapshot:
            return present is not None
        shown = self._index.snapshots(snapshot.workspace, snapshot.seq - 1, 1)
        if new is None and shown == [snapshot]:
            # as it is read: with what a report says of it
            return True
        raise InputError(
            f"{snapshot.workspace}: snapshot {snapshot.seq} is there already and differs",
            "the two histories parted: import the new one into another home",
        )

    def _known(self, snapshot: Snapshot) -> None:
        tree = snapshot.tree
        if tree not in (self._tree, self._trees.empty) and not self._trees.holds(tree) and tree not in self._trees:
            raise InputError(
                f"{snapshot.workspace}: snapshot {snapshot.seq}: its tree {tree} is not in the tree store",
                "write the tree first, or import the history that it belongs to",
            )
        self._tree = tree

    def _moved(self, segment: Segment, before: Segment | None) -> None:
        self._was.setdefault(segment.ref, None if before is None else before.tip)
        self._tips[segment.ref] = segment.tip

    def _keep(self, segment: Segment | None) -> None:
        if segment is not None:
            self._index.put_segment(segment)
