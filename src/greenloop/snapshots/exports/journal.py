"""A history as lines of JSON: what all exports are made of that another Greenloop reads.

    {"workspace": {…}}                                   what follows is of this workspace
    {"blob": "text"} or {"base64": "…"}                  contents, numbered from 0 in the order of the file
    {"snapshot": {…}, "changes": [[path, mode, content] or [path]…]}
    {"report": {…}}                                      a build report

Changes are against the workspace's snapshot before; ``[path]`` deletes. A content is the number of one that stands
in the file, or the id of one that came another way. A path that is no UTF-8 stands as ``{"base64": "…"}``. The same
histories give the same lines.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from greenloop.records import BlobId, BuildReport, InputError, Snapshot, TreeId, Workspace
from greenloop.workspace.folders import Entry, Mode
from greenloop.workspace.store import Change, TreeStore

Content = int | BlobId


class Wrong(Exception):  # noqa: N818 - the readers turn it into a RecordError that names file and line
    """A line that is none, or contradicts the lines before it."""


def line(body: dict[str, Any]) -> bytes:
    """Return one line, its end included."""
    return json.dumps(body, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def workspace_line(workspace: Workspace) -> bytes:
    """Return the line that names a workspace."""
    return line({"workspace": workspace.model_dump(mode="json")})


def blob_line(content: bytes) -> bytes:
    """Return the line that holds a content."""
    try:
        return line({"blob": content.decode()})
    except UnicodeDecodeError:
        return line({"base64": base64.b64encode(content).decode()})


def snapshot_line(snapshot: Snapshot, changes: Iterable[Change], content: Callable[[BlobId], Content]) -> bytes:
    """Return the line of a snapshot; ``content`` says how to name a blob."""
    listed: list[list[Any]] = []
    for change in changes:
        path = _written(change.path)
        listed.append([path] if change.new is None else [path, int(change.new.mode), content(change.new.blob)])
    fields = snapshot.model_dump(mode="json", exclude={"workspace"}, exclude_defaults=True)
    return line({"snapshot": fields, "changes": listed})


def report_line(report: BuildReport) -> bytes:
    """Return the line of a build report."""
    return line({"report": report.model_dump(mode="json", exclude={"workspace"}, exclude_defaults=True)})


def _written(path: str) -> str | dict[str, str]:
    try:
        path.encode()
    except UnicodeEncodeError:
        return {"base64": base64.b64encode(path.encode("utf-8", "surrogateescape")).decode()}
    return path


class _RawPath(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    base64: str


class Line(BaseModel):
    """One line; exactly one of its fields (``changes`` goes with ``snapshot``) is set."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: str | None = None
    version: int | None = None
    workspace: dict[str, Any] | None = None
    blob: str | None = None
    base64: str | None = None
    snapshot: dict[str, Any] | None = None
    changes: list[tuple[str | _RawPath] | tuple[str | _RawPath, int, int | str]] | None = None
    report: dict[str, Any] | None = None
    end: dict[str, int] | None = None


def parsed(text: bytes) -> Line:
    """Read a line. Raises ``Wrong``."""
    try:
        return Line.model_validate_json(text)
    except ValidationError as error:
        _refuse(error)


def _refuse(error: ValidationError) -> NoReturn:
    what = error.errors()[0]
    where = ".".join(str(step) for step in what["loc"][:2])
    raise Wrong(f"no line of a Greenloop history: {where} {what['msg']}") from error


class Reader:
    """Turns lines into workspaces, snapshots and reports. Contents go to the tree store at once.

    With ``named`` contents came another way and are named by their ids; else they stand in the lines. Every tree is
    built again, from ``base`` on, and compared with its id: what a line says is true, or it is refused.
    """

    def __init__(self, trees: TreeStore, *, base: TreeId | None = None, named: bool = False) -> None:
        self._trees = trees
        self._base = trees.empty if base is None else base
        self._tree = self._base
        self._named = named
        self.blobs: list[BlobId] = []
        self.workspaces: list[Workspace] = []
        self.snapshots: list[Snapshot] = []
        self.reports: list[BuildReport] = []

    def take(self, body: Line) -> None:
        """Take in one line that is neither the first nor the last. Raises ``Wrong``."""
        try:
            self._take(body)
        except ValidationError as error:
            _refuse(error)

    def _take(self, body: Line) -> None:
        if body.workspace is not None:
            self.workspaces.append(Workspace.model_validate(body.workspace))
            self._tree = self._base
        elif self._named and (body.blob is not None or body.base64 is not None):
            raise Wrong("a content, where contents are named")
        elif body.blob is not None:
            self.blobs.append(self._trees.write_blob(body.blob.encode()))
        elif body.base64 is not None:
            self.blobs.append(self._trees.write_blob(_decoded(body.base64)))
        elif body.snapshot is not None:
            self._snapshot(body.snapshot, body.changes or [])
        elif body.report is not None:
            self.reports.append(BuildReport.model_validate_json(json.dumps({**body.report, **self._whose()})))
        else:
            raise Wrong("an empty line")

    def _whose(self) -> dict[str, str]:
        if not self.workspaces:
            raise Wrong("a snapshot before any workspace")
        return {"workspace": self.workspaces[-1].id}

    def _snapshot(self, fields: dict[str, Any], changes: Sequence[tuple[Any, ...]]) -> None:
        snapshot = Snapshot.model_validate({**fields, **self._whose()})
        entries: dict[str, Entry | None] = {}
        for change in changes:
            entries[_fit(change[0])] = self._entry(change[1], change[2]) if len(change) == 3 else None
        try:
            tree = self._trees.update(self._tree, entries) if entries else self._tree
        except InputError as error:
            raise Wrong(error.message) from error
        if tree != snapshot.tree:
            raise Wrong(f"snapshot {snapshot.seq} gives tree {tree}, the file says {snapshot.tree}")
        self._tree = tree
        self.snapshots.append(snapshot)

    def _entry(self, mode: int, content: Content) -> Entry:
        if mode not in tuple(Mode):
            raise Wrong(f"no such mode {mode:o} or content {content}")
        if isinstance(content, str):
            if not self._named or len(content) != 40 or content not in self._trees:
                raise Wrong(f"no such mode {mode:o} or content {content}")
            return Entry(Mode(mode), content)
        if not 0 <= content < len(self.blobs):
            raise Wrong(f"no such mode {mode:o} or content {content}")
        return Entry(Mode(mode), self.blobs[content])


def lines_of(
    before: TreeId, snapshots: Iterable[Snapshot], trees: TreeStore, content: Callable[[BlobId], Content]
) -> Iterator[bytes]:
    """Yield the lines of snapshots whose first follows the tree ``before``."""
    for snapshot in snapshots:
        yield snapshot_line(snapshot, trees.changes(before, snapshot.tree), content)
        before = snapshot.tree


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Wrong(f"not base64: {error}") from error


def _fit(given: str | _RawPath) -> str:
    path = given if isinstance(given, str) else _decoded(given.base64).decode("utf-8", "surrogateescape")
    parts = PurePosixPath(path).parts
    if not parts or str(PurePosixPath(path)) != path or path.startswith("/") or "\0" in path:
        raise Wrong(f"not a path of a tree: {path!r}")
    if any(part == ".." or part.lower() == ".git" for part in parts):
        raise Wrong(f"not a path of a tree: {path!r}")
    return path
