"""Histories as Parquet tables, for DuckDB, pandas or Hugging Face ``datasets``.

    workspaces.parquet  id, author, title, source
    snapshots.parquet   workspace, seq, time, tree, cut, deliberate, reported, skipped
    reports.parquet     workspace, seq, time, source, status, smeared, suite, tool, seconds, diagnostics (list)
    files.parquet       what each snapshot changed: workspace, seq, path, mode, blob, old_mode, old_blob
    contents.parquet    blob, size, text or, where it is no UTF-8, bytes; each blob once

A tree at a time is the last line of ``files`` of each path up to it; ``blob`` is null where a path goes. Times are
Unix seconds. Rows go out a group at a time, so memory follows the group, not the history.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from greenloop.records import BuildReport, Snapshot, Workspace
from greenloop.snapshots.exports.seam import Counter, Exported, Names, PlainNames, Progress, chosen, new_folder, silent
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Change

_ROWS = 10_000
_BYTES = 16 << 20
"""When a group of rows goes out: after so many, or so many bytes of contents."""

_DIAGNOSTIC = pa.struct(
    [
        ("severity", pa.string()),
        ("category", pa.string()),
        ("message", pa.string()),
        ("path", pa.string()),
        ("line", pa.int64()),
        ("column", pa.int64()),
        ("end_line", pa.int64()),
        ("end_column", pa.int64()),
    ]
)


def _schema(columns: Sequence[tuple[str, pa.DataType]]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in columns])


SCHEMAS: dict[str, pa.Schema] = {
    "workspaces": _schema([(name, pa.string()) for name in ("id", "author", "title", "source")]),
    "snapshots": _schema(
        [
            ("workspace", pa.string()),
            ("seq", pa.int64()),
            ("time", pa.float64()),
            ("tree", pa.string()),
            ("cut", pa.string()),
            ("deliberate", pa.bool_()),
            ("reported", pa.string()),
            ("skipped", pa.int64()),
        ]
    ),
    "reports": _schema(
        [
            ("workspace", pa.string()),
            ("seq", pa.int64()),
            ("time", pa.float64()),
            ("source", pa.string()),
            ("status", pa.string()),
            ("smeared", pa.bool_()),
            ("suite", pa.string()),
            ("tool", pa.string()),
            ("seconds", pa.float64()),
            ("diagnostics", pa.list_(_DIAGNOSTIC)),
        ]
    ),
    "files": _schema(
        [
            ("workspace", pa.string()),
            ("seq", pa.int64()),
            ("path", pa.string()),
            ("mode", pa.int32()),
            ("blob", pa.string()),
            ("old_mode", pa.int32()),
            ("old_blob", pa.string()),
        ]
    ),
    "contents": _schema(
        [("blob", pa.string()), ("size", pa.int64()), ("text", pa.large_string()), ("bytes", pa.large_binary())]
    ),
}
"""The tables and their columns."""


def export_parquet(
    store: SnapshotStore,
    target: Path,
    workspaces: Sequence[str] = (),
    *,
    names: Names = PlainNames(),  # noqa: B008 - it holds nothing
    progress: Progress = silent,
) -> Exported:
    """Write the tables into the folder ``target``, which must not be there, or be empty.

    Raises ``InputError`` when it is not, or when an id is unknown.
    """
    picked = chosen(store, workspaces)
    with new_folder(target) as folder, ExitStack() as stack:
        tables = {name: stack.enter_context(_Table(folder, name)) for name in SCHEMAS}
        writer = _Writer(store, tables, Counter(store, picked, progress))
        for workspace in picked:
            writer.add(workspace, names.shown(workspace))
    return writer.done


class _Table:
    """One Parquet file that grows a group of rows at a time."""

    def __init__(self, folder: Path, name: str) -> None:
        self._schema = SCHEMAS[name]
        self._writer = pq.ParquetWriter(folder / f"{name}.parquet", self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self.count = 0

    def __enter__(self) -> "_Table":
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any], size: int = 0) -> None:
        self._rows.append(row)
        self._bytes += size
        self.count += 1
        if len(self._rows) >= _ROWS or self._bytes >= _BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
        self._rows, self._bytes = [], 0


class _Writer:
    """Turns histories into rows."""

    def __init__(self, store: SnapshotStore, tables: dict[str, _Table], counter: Counter) -> None:
        self._store = store
        self._tables = tables
        self._counter = counter
        self._seen: set[bytes] = set()

    @property
    def done(self) -> Exported:
        """What was written so far."""
        count = {name: table.count for name, table in self._tables.items()}
        return Exported(count["workspaces"], count["snapshots"], count["reports"], count["contents"])

    def add(self, workspace: Workspace, shown: Workspace) -> None:
        self._tables["workspaces"].add(shown.model_dump(mode="json"))
        before = self._store.trees.empty
        for snapshot in self._store.snapshots(workspace.id):
            fields = snapshot.model_dump(mode="json")
            self._tables["snapshots"].add({**fields, "workspace": shown.id})
            for change in self._store.trees.changes(before, snapshot.tree):
                self._change(shown.id, snapshot, change)
            before = snapshot.tree
            self._counter.add()
        for report in self._store.reports(workspace.id):
            self._tables["reports"].add({**_report(report), "workspace": shown.id})

    def _change(self, workspace: str, snapshot: Snapshot, change: Change) -> None:
        old, new = change.old, change.new
        row = {
            "workspace": workspace,
            "seq": snapshot.seq,
            # a table's text is UTF-8: bytes of a name that are none are written as Python escapes them
            "path": change.path.encode("utf-8", "backslashreplace").decode(),
            "mode": new and int(new.mode),
            "blob": new and new.blob,
            "old_mode": old and int(old.mode),
            "old_blob": old and old.blob,
        }
        self._tables["files"].add(row)
        if new is not None and bytes.fromhex(new.blob) not in self._seen:
            self._seen.add(bytes.fromhex(new.blob))
            content = self._store.trees.read_blob(new.blob)
            self._tables["contents"].add(_content(new.blob, content), len(content))


def _content(blob: str, content: bytes) -> dict[str, Any]:
    try:
        return {"blob": blob, "size": len(content), "text": content.decode(), "bytes": None}
    except UnicodeDecodeError:
        return {"blob": blob, "size": len(content), "text": None, "bytes": content}


def _report(report: BuildReport) -> dict[str, Any]:
    fields = report.model_dump(mode="json")
    for diagnostic in fields["diagnostics"]:
        span = diagnostic.pop("span") or {}
        diagnostic.update({key: span.get(key) for key in ("line", "column", "end_line", "end_column")})
    return fields
