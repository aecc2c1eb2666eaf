"""Histories in pieces: what a pack holds, and what a shared store is sent.

A history is cut into segments, runs of snapshots one after the other. Of each there is a journal, the lines of
``exports.journal`` with contents named by their ids, xz-compressed, and git packs of the contents that are new in it.
Trees are not sent: they are built again from the journal and compared with their ids. Every piece is named by the
SHA-256 of its bytes and never changes; the same segment gives the same pieces, with the same git and liblzma.

The first snapshot is a segment of its own, and its contents are shared out to packs by the first bits of their ids:
two machines that begin with nearly the same files make nearly the same packs.
"""

import hashlib
import lzma
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints

from greenloop.records import BlobId, BuildReport, EnvironmentFault, RecordError, Snapshot, TreeId, Workspace
from greenloop.records.base import Part, Record
from greenloop.snapshots.exports.adding import added
from greenloop.snapshots.exports.journal import Reader, Wrong, line, lines_of, parsed, report_line, workspace_line
from greenloop.snapshots.exports.seam import Imported, recorded
from greenloop.snapshots.lines import read_lines
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import named_io_errors
from greenloop.workspace import own_git
from greenloop.workspace.packs import read_pack
from greenloop.workspace.store import TreeStore

PACK_BYTES = 8 << 20
"""Of contents that a pack holds, about; a larger content has a pack of its own size."""
MAX_SNAPSHOTS = 2000
"""Of a segment."""
_JOURNAL = "greenloop-journal"
_CHUNK = 1 << 20

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Piece(Part):
    """A file that never changes, named by its bytes."""

    name: Digest
    size: int = Field(ge=0)


class Segment(Part):
    """A run of snapshots of one workspace."""

    first: int = Field(ge=0)
    last: int = Field(ge=0)
    base: TreeId
    """The tree that it begins from."""
    tree: TreeId
    """The tree that it ends with."""
    snapshots: int = Field(ge=1)
    reports: int = Field(ge=0)
    history: Digest
    """Of its snapshots, however they are compressed."""
    digest: Digest
    """Of all that it tells: the reports as well, which may come later."""
    journal: Piece
    packs: tuple[Piece, ...]

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All its files."""
        return (self.journal, *self.packs)

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(piece.size for piece in self.pieces)


class History(Record):
    """The history of one workspace as one writer tells it, in segments."""

    writer: str
    workspace: Workspace
    segments: tuple[Segment, ...] = ()
    rewritten: int = 0
    """How often what was told before was changed or taken back, as a purge does."""
    purged: bool = False
    """The writer purged the whole workspace: nothing of it is here any more."""


class Run(Part):
    """Snapshots that follow each other, with the reports on them, as they are to be told."""

    base: TreeId
    snapshots: tuple[Snapshot, ...]
    reports: tuple[BuildReport, ...]

    def digests(self, shown: Workspace) -> tuple[str, str]:
        """Return ``Segment.history`` and ``Segment.digest``; trees stand for their files."""
        told = hashlib.sha256(workspace_line(shown) + self.base.encode())
        for snapshot in self.snapshots:
            told.update(line(snapshot.model_dump(mode="json", exclude={"workspace"})))
        history = told.hexdigest()
        for report in self.reports:
            told.update(report_line(report))
        return history, told.hexdigest()


def runs(store: SnapshotStore, workspace: str, ends: Sequence[int] = ()) -> Iterator[Run]:
    """Yield a workspace's history as runs that end with the sequence numbers ``ends``, growing.

    After the last of these, runs are as long as they may be; the first snapshot is one of its own.
    """
    waiting: dict[int, list[BuildReport]] = {}
    for report in store.reports(workspace):
        waiting.setdefault(report.seq, []).append(report)
    bounds = list(ends)
    base = before = store.trees.empty
    taken: list[Snapshot] = []
    first = True
    for snapshot in recorded(store, workspace):
        while bounds and snapshot.seq > bounds[0]:
            bounds.pop(0)
            if taken:
                yield _run(base, taken, waiting)
                taken, base = [], before
        taken.append(snapshot)
        before = snapshot.tree
        if not bounds and (first or len(taken) >= MAX_SNAPSHOTS):
            yield _run(base, taken, waiting)
            taken, base = [], before
        first = False
    if taken:
        yield _run(base, taken, waiting)


def _run(base: TreeId, taken: Sequence[Snapshot], waiting: dict[int, list[BuildReport]]) -> Run:
    reports = [report for seq in range(taken[0].seq, taken[-1].seq + 1) for report in waiting.pop(seq, ())]
    reports.sort(key=lambda report: (report.seq, report.time, report.to_json()))
    return Run(base=base, snapshots=tuple(taken), reports=tuple(reports))


def cut(store: SnapshotStore, run: Run, shown: Workspace, folder: Path) -> Segment:
    """Write the pieces of a run into ``folder``, each under its name. What is staged must be flushed before.

    Raises ``EnvironmentFault`` when git or the disk refuses.
    """
    blobs: dict[BlobId, int] = {}

    def named(blob: BlobId) -> BlobId:
        if blob not in blobs:
            blobs[blob] = len(store.trees.read_blob(blob))
        return blob

    made = folder / "journal"
    with named_io_errors(folder), lzma.open(made, "wb", preset=6) as file:
        file.write(line({"format": _JOURNAL, "version": 1}))
        file.write(workspace_line(shown))
        for text in lines_of(run.base, run.snapshots, store.trees, named):
            file.write(text)
        for report in run.reports:
            file.write(report_line(report))
    history, digest = run.digests(shown)
    return Segment(
        first=run.snapshots[0].seq,
        last=run.snapshots[-1].seq,
        base=run.base,
        tree=run.snapshots[-1].tree,
        snapshots=len(run.snapshots),
        reports=len(run.reports),
        history=history,
        digest=digest,
        journal=_settled(made),
        packs=tuple(_settled(pack) for pack in _packed(store.trees, blobs, folder)),
    )


def _settled(path: Path) -> Piece:
    with named_io_errors(path):
        piece = piece_of(path)
        path.replace(path.with_name(piece.name))
    return piece


def piece_of(path: Path) -> Piece:
    """Return what names a file."""
    with path.open("rb") as file:
        name = hashlib.file_digest(file, "sha256").hexdigest()
    return Piece(name=name, size=path.stat().st_size)


def _packed(trees: TreeStore, blobs: dict[BlobId, int], folder: Path) -> Iterator[Path]:
    bits = max(0, (sum(blobs.values()) // PACK_BYTES).bit_length())
    shares: dict[int, list[BlobId]] = {}
    for blob in sorted(blobs):
        shares.setdefault(int(blob[:8], 16) >> (32 - bits), []).append(blob)
    for _, share in sorted(shares.items()):
        path = folder / "pack"
        with named_io_errors(path), path.open("wb") as file:
            # nothing is taken over from how the objects lie here: the same contents give the same pack
            done = subprocess.run(
                ["git", "pack-objects", "--quiet", "--stdout", "--threads=1", "--window=10", "--depth=50",
                 "--no-reuse-delta", "--no-reuse-object", "--compression=6"],
                input="".join(f"{blob}\n" for blob in share).encode(), stdout=file, stderr=subprocess.PIPE, check=False,
                env=own_git.environment(trees.path),
            )  # fmt: skip
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace").strip()[-300:]
            raise EnvironmentFault(f"{trees.path}: git cannot pack: {said}", "is the disk full?")
        yield path


@dataclass(frozen=True, slots=True)
class Compared:
    """What a store holds of a history that was told: how many segments, from the first on, are just so."""

    same: int
    rewritten: bool
    """Snapshots that were told of are not there any more, or are other ones."""


def compared(store: SnapshotStore, history: History, whose: str) -> Compared:
    """Compare ``history`` with the workspace ``whose``. Reads no files."""
    told = history.segments
    found = [
        run.digests(history.workspace)
        for run, _ in zip(runs(store, whose, [segment.last for segment in told]), told, strict=False)
    ]
    same = 0
    for (_, digest), segment in zip(found, told, strict=False):
        if digest != segment.digest:
            break
        same += 1
    rewritten = [history for history, _ in found] != [segment.history for segment in told]
    return Compared(same, rewritten)


Fetch = Callable[[Piece, Path], None]
"""Writes a piece to a path."""


def take(store: SnapshotStore, history: History, fetch: Fetch, folder: Path, *, max_mib: int) -> Imported:
    """Add the segments of a history that the store does not hold; each comes whole or not at all.

    Raises ``RecordError`` when a piece is not what its name says, is larger than ``max_mib`` MiB, or does not add up;
    ``InputError`` when a pack is hostile, or the history contradicts what the store holds.
    """
    total = Imported(workspaces=1)
    before = store.trees.empty
    skip = compared(store, history, history.workspace.id).same
    store.add_workspace(history.workspace)
    for number, segment in enumerate(history.segments):
        if segment.base != before:
            raise RecordError(f"segment {segment.first}: does not begin where the one before it ends", _AGAIN)
        before = segment.tree
        if number >= skip:
            total = _sum(total, _take_one(store, history.workspace, segment, fetch, folder, max_mib))
    return total


def _take_one(
    store: SnapshotStore, workspace: Workspace, segment: Segment, fetch: Fetch, folder: Path, max_mib: int
) -> Imported:
    reader = Reader(store.trees, base=segment.base, named=True)
    # one block: nobody may take what came for garbage before the history leads to it
    with store.trees.staged():
        for pack in segment.packs:
            read_pack(store.trees, _checked(pack, fetch, folder, max_mib), max_mib=max_mib)
            (folder / pack.name).unlink()
        path = _checked(segment.journal, fetch, folder, max_mib)
        for number, text in read_lines(path):
            try:
                body = parsed(text)
                if number == 1:
                    _expect(body.format == _JOURNAL and body.version == 1, "no journal of this version")
                else:
                    reader.take(body)
                _expect(number <= segment.snapshots + segment.reports + 2, "a line too many")
            except Wrong as error:
                raise RecordError(f"segment {segment.first}, line {number}: {error}", _AGAIN) from error
        if not _agrees(reader, workspace, segment):
            raise RecordError(f"segment {segment.first}: its journal does not hold what it should", _AGAIN)
        path.unlink()
        return added(store, reader)


def _expect(holds: bool, words: str) -> None:
    if not holds:
        raise Wrong(words)


def _agrees(reader: Reader, workspace: Workspace, segment: Segment) -> bool:
    if reader.workspaces != [workspace] or not reader.snapshots:
        return False
    run = Run(base=segment.base, snapshots=tuple(reader.snapshots), reports=tuple(reader.reports))
    ends = (reader.snapshots[0].seq, reader.snapshots[-1].seq, reader.snapshots[-1].tree)
    return run.digests(workspace) == (segment.history, segment.digest) and ends == (
        segment.first,
        segment.last,
        segment.tree,
    )


def _checked(piece: Piece, fetch: Fetch, folder: Path, max_mib: int) -> Path:
    if piece.size > max_mib << 20:
        raise RecordError(f"{piece.name[:12]}: larger than {max_mib} MiB", "allow more")
    path = folder / piece.name
    fetch(piece, path)
    with named_io_errors(path):
        if piece_of(path) != piece:
            path.unlink()
            raise RecordError(f"{piece.name[:12]}: not the bytes that were written", _AGAIN)
    return path


def _sum(one: Imported, other: Imported) -> Imported:
    return Imported(
        one.workspaces,
        one.snapshots + other.snapshots,
        one.reports + other.reports,
        one.blobs + other.blobs,
        one.new + other.new,
        one.new_reports + other.new_reports,
    )


def copied(source: Iterable[bytes], path: Path) -> None:
    """Write ``source``, which comes in parts, to a file."""
    with named_io_errors(path), path.open("wb") as file:
        for part in source:
            file.write(part)


_AGAIN = "do not trust where it came from, or have it written again"
