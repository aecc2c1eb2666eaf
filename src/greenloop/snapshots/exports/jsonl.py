"""A history as one file, to hand on or to keep in a repository: workspaces, snapshots and every byte they need.

The file is lines of JSON (``exports.journal``), xz-compressed when its name ends in ``.xz``, between these two:

    {"format": "greenloop-history", "version": 2}
    {"end": {"workspaces": n, "snapshots": n, "blobs": n, "reports": n}}

Versions of a file stand near each other, so that xz finds what they share. The same histories give the same bytes.
Version 1, which knew no build reports, is still read. Written and read a line at a time; what is kept in memory is
the names of the contents, and while reading the snapshots, which are added all or none.
"""

import lzma
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from greenloop.records import BlobId, RecordError, Workspace
from greenloop.snapshots.exports.adding import added
from greenloop.snapshots.exports.journal import (
    Line,
    Reader,
    Wrong,
    blob_line,
    line,
    parsed,
    report_line,
    snapshot_line,
    workspace_line,
)
from greenloop.snapshots.exports.seam import (
    Counter,
    Exported,
    Imported,
    Names,
    PlainNames,
    Progress,
    chosen,
    new_file,
    recorded,
    silent,
)
from greenloop.snapshots.lines import read_lines
from greenloop.snapshots.store import SnapshotStore

_FORMAT = "greenloop-history"
_VERSION = 2


def export_history(
    store: SnapshotStore,
    target: Path,
    workspaces: Sequence[str] = (),
    *,
    names: Names = PlainNames(),  # noqa: B008 - it holds nothing
    progress: Progress = silent,
) -> Exported:
    """Write the histories of ``workspaces`` (ids; none means all) to ``target``, which must not be there.

    Raises ``InputError`` when it is, when an id is unknown or a tree is not in the tree store.
    """
    picked = chosen(store, workspaces)
    writer = _Writer(store, names, Counter(store, picked, progress))
    with new_file(target) as raw, _compressed(raw, target) as file:
        for text in writer.lines(picked):
            file.write(text)
    return writer.done


def _compressed(raw: BinaryIO, target: Path) -> AbstractContextManager[BinaryIO | lzma.LZMAFile]:
    return lzma.open(raw, "wb", preset=6) if target.name.endswith(".xz") else nullcontext(raw)


class _Writer:
    """Turns histories into lines."""

    def __init__(self, store: SnapshotStore, names: Names, counter: Counter) -> None:
        self._store = store
        self._names = names
        self._counter = counter
        # twenty bytes each rather than forty letters: a long history has a million of them
        self._blobs: dict[bytes, int] = {}
        self._workspaces = 0
        self._reports = 0

    @property
    def done(self) -> Exported:
        """What was written so far."""
        return Exported(self._workspaces, self._counter.done, self._reports, len(self._blobs))

    def lines(self, workspaces: Sequence[Workspace]) -> Iterator[bytes]:
        yield line({"format": _FORMAT, "version": _VERSION})
        for workspace in workspaces:
            self._workspaces += 1
            yield workspace_line(self._names.shown(workspace))
            yield from self._history(workspace.id)
        yield line({"end": _counts(self.done)})

    def _history(self, workspace: str) -> Iterator[bytes]:
        before = self._store.trees.empty
        for snapshot in recorded(self._store, workspace):
            changes = self._store.trees.changes(before, snapshot.tree)
            for change in changes:
                if change.new is not None:
                    yield from self._blob(change.new.blob)
            yield snapshot_line(snapshot, changes, lambda blob: self._blobs[bytes.fromhex(blob)])
            self._counter.add()
            before = snapshot.tree
        for report in self._store.reports(workspace):
            self._reports += 1
            yield report_line(report)

    def _blob(self, blob: BlobId) -> Iterator[bytes]:
        key = bytes.fromhex(blob)
        if key not in self._blobs:
            self._blobs[key] = len(self._blobs)
            yield blob_line(self._store.trees.read_blob(blob))


def _counts(done: Exported | Imported) -> dict[str, int]:
    return {
        "workspaces": done.workspaces,
        "snapshots": done.snapshots,
        "blobs": done.blobs,
        "reports": done.reports,
    }


def import_history(store: SnapshotStore, path: Path) -> Imported:
    """Add the workspaces and snapshots of a file that ``export_history`` wrote; all or none of them.

    Every tree is built again and compared with the id in the file. To import a file twice does nothing.

    Raises ``RecordError``, naming file and line, when the file is foreign, damaged or cut short; ``InputError`` when
    it contradicts what the store holds.
    """
    reader = _File(Reader(store.trees))
    with store.trees.staged():
        for number, text in read_lines(path):
            try:
                reader.take(parsed(text), first=number == 1)
            except Wrong as error:
                raise RecordError(
                    f"{path}:{number}: {error}", "`greenloop record export` writes such files: export the history again"
                ) from error
        if not reader.ended:
            raise RecordError(f"{path}: the file is cut short: its last line is missing", "get the file again")
        return added(store, reader.body)


class _File:
    """Reads the first and the last line; those between are the ``body``'s."""

    def __init__(self, body: Reader) -> None:
        self.body = body
        self.ended = False
        self._version = 0

    def take(self, text: Line, *, first: bool) -> None:
        if first != (text.format is not None) or (first and text.format != _FORMAT):
            raise Wrong("no Greenloop history")
        if self.ended:
            raise Wrong("a line after the end")
        if text.format is not None:
            self._begin(text.version)
        elif text.end is not None:
            self._end(text.end)
        elif text.report is not None and self._version == 1:
            raise Wrong("a build report in a file of version 1")
        else:
            self.body.take(text)

    def _begin(self, version: int | None) -> None:
        if version not in (1, _VERSION):
            raise Wrong(f"version {version} cannot be read, this Greenloop reads 1 to {_VERSION}")
        self._version = version

    def _end(self, counts: dict[str, int]) -> None:
        body = self.body
        read = Imported(len(body.workspaces), len(body.snapshots), len(body.reports), len(body.blobs))
        expected = _counts(read)
        if self._version == 1:
            del expected["reports"]
        if expected != counts:
            raise Wrong(f"lines are missing: the file counts {counts}")
        self.ended = True
