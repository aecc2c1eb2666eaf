"""Writing a history anew, without what is to be gone."""

from collections.abc import Callable

from greenloop.records import BuildReport, InputError, Snapshot, Workspace
from greenloop.snapshots.index import Index
from greenloop.snapshots.journal import Entry, Journal, Segment

KeepSnapshot = Callable[[Snapshot], Snapshot | None]
KeepReport = Callable[[BuildReport], BuildReport | None]


def rewritten(index: Index, journal: Journal, id_: str, keep: KeepSnapshot, keep_report: KeepReport | None) -> int:
    """See ``SnapshotStore.rewrite``: for the transaction and the block that are open."""
    workspace = index.workspace(id_)
    if workspace is None:
        raise InputError(f"{id_}: no such workspace", "see `greenloop record log`")
    old = journal.tips(id_)
    read = {ref: [found.entry for found in journal.read(ref, tip)] for ref, tip in old.items()}
    kept = {entry.seq: _kept(entry, keep) for part in read.values() for entry in part if isinstance(entry, Snapshot)}
    new: dict[str, Segment] = {}
    index.drop_workspace(id_)
    index.put_workspace(workspace)
    for part in read.values():
        segment = _segment(index, journal, workspace, _left(part, kept, keep_report), kept)
        if segment is not None:
            index.put_segment(segment)
            new[segment.ref] = segment
    index.settle(id_)
    for ref in old.keys() | new.keys():
        tip = new[ref].tip if ref in new else None
        if old.get(ref) != tip:
            journal.chains.move(ref, tip, was=old.get(ref))
    before = {entry.seq: entry for part in read.values() for entry in part if isinstance(entry, Snapshot)}
    return sum(kept[seq] != entry for seq, entry in before.items())


def _kept(snapshot: Snapshot, keep: KeepSnapshot) -> Snapshot | None:
    made = keep(snapshot)
    if made is not None and (made.workspace, made.seq) != (snapshot.workspace, snapshot.seq):
        raise ValueError(f"snapshot {snapshot.seq} may not become another one")
    return made


def _left(part: list[Entry], kept: dict[int, Snapshot | None], keep_report: KeepReport | None) -> list[Entry]:
    left: list[Entry] = []
    for entry in part:
        if isinstance(entry, Snapshot):
            made: Entry | None = kept[entry.seq]
        elif entry.seq in kept and kept[entry.seq] is None:
            made = None
        else:
            made = entry if keep_report is None else keep_report(entry)
        if made is not None:
            left.append(made)
    return left


def _segment(
    index: Index, journal: Journal, workspace: Workspace, left: list[Entry], kept: dict[int, Snapshot | None]
) -> Segment | None:
    """Write a segment of what is ``left``. Reports before its first snapshot have none to follow, and go."""
    segment: Segment | None = None
    tree = ""
    for entry in left:
        told = entry if isinstance(entry, Snapshot) else kept.get(entry.seq)
        tree = told.tree if told is not None else tree
        if segment is not None:
            segment = journal.add(segment, entry, tree)
        elif isinstance(entry, Snapshot):
            segment = journal.begin(workspace, entry)
        else:
            continue
        if isinstance(entry, Snapshot):
            index.put_snapshots([(entry, segment.ref)])
        else:
            index.put_report(entry, segment.ref)
    return segment
