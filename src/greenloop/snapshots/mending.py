"""Opening a store whatever happened to it: the index is made right by the journal, and torn entries are cut off."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from greenloop.records import GreenloopError, Snapshot, Status, Workspace
from greenloop.snapshots.index import Damaged, Index, named_faults
from greenloop.snapshots.journal import Journal, Read, Segment, workspace_of
from greenloop.storage import named_io_errors
from greenloop.workspace.chains import Link
from greenloop.workspace.store import TreeStore

Note = Callable[[str], None]

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_CHECKED = 5
"""How many whole entries in a row end the search for torn ones: what tears in a power cut was written last."""


def opened(path: Path, trees: TreeStore, note: Note) -> Index:
    """Open the index at ``path``; what is none, or is damaged, is put aside for an empty one."""
    damage = _damage(path)
    if not damage:
        with named_faults(path):
            return Index(path)
    return replaced(path, trees, damage, note)


def _damage(path: Path) -> str:
    index = None
    try:
        with named_faults(path):
            index = Index(path)
            return index.damage()
    except Damaged as error:
        return str(error)
    finally:
        if index is not None:
            index.close()


def replaced(path: Path, trees: TreeStore, damage: str, note: Note) -> Index:
    """Put a damaged index aside, under a name that says so, and return an empty one."""
    with trees.durable.guard.upkeep(), named_faults(path):
        number = 1
        while (aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")).exists():
            number += 1
        with named_io_errors(path):
            for end in ("-wal", "-shm", ""):
                with suppress(FileNotFoundError):
                    Path(f"{path}{end}").replace(f"{aside}{end}")
        note(f"{path} was damaged ({damage}): it is made again from the journal, and the old one is {aside.name}")
        return Index(path)


def _restore_refs(index: Index, journal: Journal, trees: TreeStore, note: Note) -> None:
    """Where the file that holds the ends of all histories was lost, take them from the index, which knows them too."""
    missing = trees.durable.missing({segment.ref: segment.tip for segment in index.segments()})
    found = {ref: tip for ref, tip in missing.items() if tip in trees}
    if found:
        with trees.staged():
            for ref, tip in found.items():
                journal.chains.move(ref, tip, was=None)
        note(f"{trees.path / 'packed-refs'} was lost: the ends of {len(found)} segments are put back from the index")


def synchronise(index: Index, journal: Journal, trees: TreeStore, note: Note) -> None:
    """Let the index say what the journal says: more where it lags, less where the journal lost something."""
    # the index first: whoever writes does so to the journal first
    if {segment.ref: segment.tip for segment in index.segments()} == journal.tips():
        return
    _restore_refs(index, journal, trees, note)
    index.db.execute("BEGIN IMMEDIATE")
    try:
        known = {segment.ref: segment for segment in index.segments()}
        tips = journal.tips()
        changed = set()
        for ref in known.keys() - tips.keys():
            gone = index.drop_segment(ref)
            note(_cut(workspace_of(ref), gone))
            changed.add(workspace_of(ref))
        for ref, tip in tips.items():
            segment = known.get(ref)
            if segment is None or segment.tip != tip:
                _read_segment(index, journal, ref, tip, segment, note)
                changed.add(workspace_of(ref))
        for workspace in changed:
            index.settle(workspace)
        index.db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            index.db.execute("ROLLBACK")
        raise


def _read_segment(index: Index, journal: Journal, ref: str, tip: str, known: Segment | None, note: Note) -> None:
    try:
        entries = journal.read(ref, tip, None if known is None else known.tip)
    except GreenloopError as error:
        note(f"{ref}: {error}; what it leads to is left out")
        return
    if known is not None and entries and entries[0].workspace is not None:
        # not a longer chain but another one: shorter, or rewritten
        before = index.drop_segment(ref)
        snapshots = sum(isinstance(found.entry, Snapshot) for found in entries)
        if snapshots < before:
            note(_cut(known.workspace, before - snapshots))
        known = None
    segment = known
    for found in entries:
        segment = _take(index, ref, segment, found)
    if segment is not None:
        index.put_segment(segment)


def _cut(workspace: str, snapshots: int) -> str:
    return (
        f"{workspace}: {snapshots} snapshots that the index knew are not in the journal: "
        "somebody was removing them just before the end, or a file of the store was lost"
    )


def _take(index: Index, ref: str, segment: Segment | None, found: Read) -> Segment:
    entry = found.entry
    if segment is None:
        assert found.workspace is not None
        index.put_workspace(found.workspace)
        segment = Segment(ref, entry.workspace, entry.seq, entry.seq, entry.time, entry.time, 1, found.oid)
    else:
        segment = segment.and_then(entry, found.oid)
    if isinstance(entry, Snapshot):
        index.put_snapshots([(entry, ref)])
    else:
        index.put_report(entry, ref)
    return segment


def after_power_cut(index: Index, journal: Journal, trees: TreeStore, note: Note) -> None:
    """Once after each start of the machine: cut the newest segments back to their newest whole entry.

    A kill tears nothing, since the kernel has what was written; the end of the machine can, and looks no different
    from a proper one. So the newest entries are read, with all that they changed.
    """
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    if not boot or index.fact("boot") == boot:
        return
    newest = {segment.workspace: segment for segment in index.segments()}
    cut = {segment.ref: _newest_whole(journal, trees, segment) for segment in newest.values()}
    torn = {ref: tip for ref, tip in cut.items() if tip is not None and tip != journal.tips()[ref]}
    if torn:
        with trees.staged():
            for ref, tip in torn.items():
                journal.chains.move(ref, tip, was=journal.tips()[ref])
        for ref in torn:
            note(
                f"{workspace_of(ref)}: the newest entries were torn, as by a power cut: cut back to the last whole one"
            )
        synchronise(index, journal, trees, lambda _words: None)
    index.note("boot", boot)


def _newest_whole(journal: Journal, trees: TreeStore, segment: Segment) -> str | None:
    whole: list[str] = []
    at: str | None = segment.tip
    while at is not None and len(whole) < _CHECKED:
        try:
            link = journal.chains.link(at)
        except GreenloopError:
            break
        if _is_whole(journal, trees, link):
            whole.append(at)
        else:
            whole.clear()
        at = link.parent
    return whole[0] if whole else None


def _is_whole(journal: Journal, trees: TreeStore, link: Link) -> bool:
    try:
        before = trees.empty if link.parent is None else journal.chains.link(link.parent).tree
        for change in trees.changes(before, link.tree):
            if change.new is not None:
                trees.read_blob(change.new.blob)
    except GreenloopError:
        return False
    return True


def check(path: Path, index: Index, journal: Journal) -> tuple[str, ...]:
    """Return what is wrong with journal and index."""
    wrong: list[str] = []
    try:
        with named_faults(path):
            damage = index.damage()
            segments = {segment.ref: segment.tip for segment in index.segments()}
            for workspace in index.workspaces():
                after = -1
                while part := index.snapshots(workspace.id, after):
                    after = part[-1].seq
                after = -1
                while reports := index.reports(workspace.id, after):
                    after = reports[-1][0]
    except Damaged as error:
        damage = str(error)
        segments = {}
    if damage:
        wrong.append(f"{path}: {damage}")
    for ref, tip in journal.tips().items():
        try:
            journal.read(ref, tip)
        except GreenloopError as error:
            wrong.append(f"{ref}: {error}")
        if not damage and segments.get(ref) != tip:
            wrong.append(f"{path}: the index does not know the end of {ref}")
    return tuple(wrong)


def migrate(
    old: Path, trees: TreeStore, add: Callable[[Sequence[Workspace], Sequence[Snapshot]], int], note: Note
) -> None:
    """Move the histories out of a database of an earlier Greenloop, whole; what is there already is left alone."""
    if not old.exists():
        return
    with named_faults(old), closing(sqlite3.connect(old, timeout=30, isolation_level=None)) as db:
        names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"workspaces", "snapshots"} <= names:
            return
        workspaces = [
            Workspace(id=row[0], author=row[1], title=row[2], source=row[3])
            for row in db.execute("SELECT id, author, title, source FROM workspaces")
        ]
        columns = "workspace, seq, time, tree, cut, deliberate, reported, skipped"
        rows = db.execute(f"SELECT {columns} FROM snapshots ORDER BY workspace, seq").fetchall()  # noqa: S608
        snapshots = [_old_snapshot(row) for row in rows]
        whole = [snapshot for snapshot in snapshots if snapshot.tree in trees]
        add(workspaces, whole)
        # only now, and in one step: a kill before it repeats the move, which then finds all there
        db.executescript("BEGIN; DROP TABLE snapshots; DROP TABLE workspaces; COMMIT;")
    lost = f"; {len(snapshots) - len(whole)} had lost their trees" if len(whole) < len(snapshots) else ""
    note(f"{len(whole)} snapshots moved from {old} into the journal{lost}")


def _old_snapshot(row: tuple[str, int, float, str, str, int, str | None, int]) -> Snapshot:
    return Snapshot(
        workspace=row[0], seq=row[1], time=row[2], tree=row[3], cut=row[4], deliberate=bool(row[5]),
        reported=None if row[6] is None else Status(row[6]), skipped=row[7],
    )  # fmt: skip
