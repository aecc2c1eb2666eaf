"""A history as one file, to hand on or to keep in a repository: workspaces, snapshots and every byte they need.

The file is lines of JSON, xz-compressed when its name ends in ``.xz``:

    {"format": "greenloop-history", "version": 1}
    {"workspace": {…}}                                   the snapshots that follow are of this workspace
    {"blob": "text"} or {"base64": "…"}                  contents, numbered from 0 in the order of the file
    {"snapshot": {…}, "changes": [[path, mode, blob number] or [path]…]}
    {"end": {"workspaces": n, "snapshots": n, "blobs": n}}

Changes are against the workspace's snapshot before (the empty tree at first); ``[path]`` deletes. Versions of a file
stand near each other, so that xz finds what they share. The same histories give the same bytes.
"""

import base64
import binascii
import json
import lzma
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from greenloop.records import BlobId, InputError, RecordError, Snapshot, TreeId, Workspace
from greenloop.snapshots.lines import read_lines
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import write_atomically
from greenloop.workspace.store import Entry, Mode, TreeStore

_FORMAT = "greenloop-history"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class HistoryReport:
    """What a history file holds, and how many of its snapshots were new to this store."""

    workspaces: int
    snapshots: int
    blobs: int
    new: int


def export_history(store: SnapshotStore, path: Path, workspaces: Sequence[str] = ()) -> HistoryReport:
    """Write the histories of ``workspaces`` (ids; none means all) to ``path``, replaced as a whole.

    Raises ``InputError`` when an id is unknown or a tree is not in the tree store.
    """
    known = {workspace.id: workspace for workspace in store.workspaces()}
    for id_ in workspaces:
        if id_ not in known:
            raise InputError(f"{id_}: no such workspace", f"there are: {', '.join(known) or 'none yet'}")
    writer = _Writer(store)
    lines = writer.lines([known[id_] for id_ in sorted(set(workspaces) or known)])
    if path.name.endswith(".xz"):
        compressor = lzma.LZMACompressor(preset=6)
        content = b"".join([*(compressor.compress(line) for line in lines), compressor.flush()])
    else:
        content = b"".join(lines)
    write_atomically(path, content)
    return HistoryReport(writer.workspaces, writer.snapshots, len(writer.blobs), 0)


class _Writer:
    """Turns histories into lines."""

    def __init__(self, store: SnapshotStore) -> None:
        self._store = store
        self.blobs: dict[BlobId, int] = {}
        self.workspaces = 0
        self.snapshots = 0

    def lines(self, workspaces: Sequence[Workspace]) -> Iterator[bytes]:
        yield _line({"format": _FORMAT, "version": _VERSION})
        for workspace in workspaces:
            self.workspaces += 1
            yield _line({"workspace": workspace.model_dump(mode="json")})
            tree = self._store.trees.empty
            for snapshot in self._store.snapshots(workspace.id):
                self.snapshots += 1
                yield from self._snapshot(tree, snapshot)
                tree = snapshot.tree
        yield _line(_end(self.workspaces, self.snapshots, len(self.blobs)))

    def _snapshot(self, before: TreeId, snapshot: Snapshot) -> Iterator[bytes]:
        changes: list[list[str | int]] = []
        for change in self._store.trees.changes(before, snapshot.tree):
            if change.new is None:
                changes.append([change.path])
                continue
            if change.new.blob not in self.blobs:
                self.blobs[change.new.blob] = len(self.blobs)
                yield _blob(self._store.trees.read_blob(change.new.blob))
            changes.append([change.path, int(change.new.mode), self.blobs[change.new.blob]])
        fields = snapshot.model_dump(mode="json", exclude={"workspace"}, exclude_defaults=True)
        yield _line({"snapshot": fields, "changes": changes})


def _end(workspaces: int, snapshots: int, blobs: int) -> dict[str, object]:
    return {"end": {"workspaces": workspaces, "snapshots": snapshots, "blobs": blobs}}


def _blob(content: bytes) -> bytes:
    try:
        return _line({"blob": content.decode()})
    except UnicodeDecodeError:
        return _line({"base64": base64.b64encode(content).decode()})


def _line(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class _Body(BaseModel):
    """One line of a history file; exactly one of its fields (``changes`` goes with ``snapshot``) is set."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str | None = None
    version: int | None = None
    workspace: dict[str, Any] | None = None
    blob: str | None = None
    base64: str | None = None
    snapshot: dict[str, Any] | None = None
    changes: list[tuple[str] | tuple[str, int, int]] | None = None
    end: dict[str, int] | None = None


def import_history(store: SnapshotStore, path: Path) -> HistoryReport:
    """Add the workspaces and snapshots of a file that ``export_history`` wrote; all or none of them.

    Every tree is built again and compared with the id in the file. To import a file twice does nothing.

    Raises ``RecordError``, naming file and line, when the file is foreign, damaged or cut short; ``InputError`` when
    it contradicts what the store holds.
    """
    reader = _Reader(store.trees)
    for number, line in read_lines(path):
        try:
            reader.take(_Body.model_validate_json(line), first=number == 1)
        except ValidationError as error:
            what = error.errors()[0]
            where = ".".join(str(step) for step in what["loc"][:2])
            raise RecordError(
                f"{path}:{number}: no line of a Greenloop history: {where} {what['msg']}",
                "`greenloop export` writes such files; other formats have importers of their own",
            ) from error
        except _Wrong as error:
            raise RecordError(f"{path}:{number}: {error}", "export the history again") from error
    if not reader.ended:
        raise RecordError(f"{path}: the file is cut short: its last line is missing", "get the file again")
    new = store.add_history(reader.workspaces, reader.snapshots)
    return HistoryReport(len(reader.workspaces), len(reader.snapshots), len(reader.blobs), new)


class _Wrong(Exception):  # noqa: N818 - never leaves this file
    """A line that contradicts the file; the caller adds file and line."""


class _Reader:
    """Turns lines into workspaces and snapshots; contents go to the tree store at once."""

    def __init__(self, trees: TreeStore) -> None:
        self._trees = trees
        self._tree = trees.empty
        self.blobs: list[BlobId] = []
        self.workspaces: list[Workspace] = []
        self.snapshots: list[Snapshot] = []
        self.ended = False

    def take(self, body: _Body, *, first: bool) -> None:
        if first != (body.format is not None) or (first and body.format != _FORMAT):
            raise _Wrong("no Greenloop history")
        if self.ended:
            raise _Wrong("a line after the end")
        if body.format is not None:
            if body.version != _VERSION:
                raise _Wrong(f"version {body.version} cannot be read, this Greenloop reads {_VERSION}")
        elif body.workspace is not None:
            self.workspaces.append(Workspace.model_validate(body.workspace))
            self._tree = self._trees.empty
        elif body.blob is not None:
            self.blobs.append(self._trees.write_blob(body.blob.encode()))
        elif body.base64 is not None:
            self.blobs.append(self._trees.write_blob(_decoded(body.base64)))
        elif body.snapshot is not None:
            self._snapshot(body.snapshot, body.changes or [])
        elif body.end is not None:
            self._end(body.end)
        else:
            raise _Wrong("an empty line")

    def _snapshot(self, fields: dict[str, Any], changes: Sequence[tuple[str] | tuple[str, int, int]]) -> None:
        if not self.workspaces:
            raise _Wrong("a snapshot before any workspace")
        snapshot = Snapshot.model_validate({**fields, "workspace": self.workspaces[-1].id})
        entries: dict[str, Entry | None] = {}
        for change in changes:
            entries[_fit(change[0])] = self._entry(change[1], change[2]) if len(change) == 3 else None
        try:
            tree = self._trees.update(self._tree, entries) if entries else self._tree
        except InputError as error:
            raise _Wrong(error.message) from error
        if tree != snapshot.tree:
            raise _Wrong(f"snapshot {snapshot.seq} gives tree {tree}, the file says {snapshot.tree}")
        self._tree = tree
        self.snapshots.append(snapshot)

    def _entry(self, mode: int, blob: int) -> Entry:
        if mode not in tuple(Mode) or not 0 <= blob < len(self.blobs):
            raise _Wrong(f"no such mode {mode:o} or content {blob}")
        return Entry(Mode(mode), self.blobs[blob])

    def _end(self, counts: dict[str, int]) -> None:
        if _end(len(self.workspaces), len(self.snapshots), len(self.blobs))["end"] != counts:
            raise _Wrong(f"lines are missing: the file counts {counts}")
        self.ended = True


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _Wrong(f"not base64: {error}") from error


def _fit(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or str(PurePosixPath(path)) != path or path.startswith("/") or "\0" in path:
        raise _Wrong(f"not a path of a tree: {path!r}")
    if any(part == ".." or part.lower() == ".git" for part in parts):
        raise _Wrong(f"not a path of a tree: {path!r}")
    return path
