"""The index of the journal, in SQLite: it answers quickly what the chains of commits say slowly.

All of it can be made again from the journal, and is, whenever something in it is found damaged: each row carries a
checksum. So a lost write costs time, never a snapshot, and nothing here waits for the disk.
"""

import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from greenloop.records import BuildReport, EnvironmentFault, Snapshot, Status, Workspace
from greenloop.snapshots.journal import Segment, workspace_of
from greenloop.storage import named_io_errors

VERSION = 2

_TABLES = """
DROP TABLE IF EXISTS workspaces; DROP TABLE IF EXISTS segments; DROP TABLE IF EXISTS snapshots;
DROP TABLE IF EXISTS reports; DROP TABLE IF EXISTS facts;
CREATE TABLE workspaces (
    id TEXT PRIMARY KEY, author TEXT, title TEXT, source TEXT, crc INTEGER
) WITHOUT ROWID;
CREATE TABLE segments (
    ref TEXT, workspace TEXT, first_seq INTEGER, last_seq INTEGER, first_time REAL, last_time REAL, entries INTEGER,
    tip TEXT, crc INTEGER, PRIMARY KEY (workspace, first_seq)
) WITHOUT ROWID;
CREATE TABLE snapshots (
    workspace TEXT, seq INTEGER, ref TEXT, time REAL, tree TEXT, cut TEXT, deliberate INTEGER, own TEXT,
    said TEXT, said_by TEXT, skipped INTEGER, crc INTEGER, PRIMARY KEY (workspace, seq)
) WITHOUT ROWID;
CREATE TABLE reports (
    id INTEGER, workspace TEXT, seq INTEGER, ref TEXT, body TEXT, crc INTEGER, PRIMARY KEY (workspace, id)
) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
"""Each row is in one place only: a flipped bit in a second copy of its key would hide it from whoever asks."""
_SNAPSHOT = "workspace, seq, ref, time, tree, cut, deliberate, own, said, said_by, skipped"
_SEGMENT = "ref, workspace, first_seq, last_seq, first_time, last_time, entries, tip"
_PART = 1000

Row = Sequence[Any]


class Damaged(Exception):  # noqa: N818 - never leaves this room: the store makes the index again
    """A row is not what was written."""


def crc(values: Iterable[object]) -> int:
    """Return the checksum of a row."""
    return zlib.crc32(repr(tuple(values)).encode("utf-8", "surrogatepass"))


class Index:
    """The database at ``path``, through one connection: not for two threads at once. Raises what ``sqlite3`` does."""

    def __init__(self, path: Path) -> None:
        with named_io_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        self.db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        try:
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            # a snapshot writes five pages: SQLite's own limits would keep a log of 4 MiB beside an index of some KiB
            self.db.execute("PRAGMA wal_autocheckpoint=250")
            self.db.execute("PRAGMA journal_size_limit=262144")
            self._make()
        except BaseException:
            self.db.close()
            raise

    def _make(self) -> None:
        """Make the tables, empty; those of another version are made anew, and filled from the journal."""
        if self.db.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            return
        self.db.execute("BEGIN IMMEDIATE")
        # somebody else may have made them meanwhile
        if self.db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            for statement in _TABLES.split(";"):
                self.db.execute(statement)
            self.db.execute(f"PRAGMA user_version={VERSION}")
        self.db.execute("COMMIT")

    @contextmanager
    def saved(self) -> Iterator[None]:
        """Undo what the block changed when it raises, and nothing else of the transaction."""
        self.db.execute("SAVEPOINT step")
        try:
            yield
        except BaseException:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK TO step")
                self.db.execute("RELEASE step")
            raise
        self.db.execute("RELEASE step")

    def fact(self, name: str) -> str | None:
        """Return what is noted under a name."""
        row = self.db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, name: str, value: str) -> None:
        """Note something under a name."""
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def put_workspace(self, workspace: Workspace) -> None:
        """Add or replace a workspace."""
        row = (workspace.id, workspace.author, workspace.title, workspace.source)
        self.db.execute("INSERT OR REPLACE INTO workspaces VALUES (?, ?, ?, ?, ?)", (*row, crc(row)))

    def workspace(self, id_: str) -> Workspace | None:
        """Return a workspace."""
        return next(self._workspaces("WHERE id = ?", id_), None)

    def workspaces(self) -> tuple[Workspace, ...]:
        """Return all workspaces, by id."""
        return tuple(self._workspaces("ORDER BY id"))

    def _workspaces(self, rest: str, *given: object) -> Iterator[Workspace]:
        query = f"SELECT id, author, title, source, crc FROM workspaces {rest}"  # noqa: S608 - only the words above
        for row in _whole(self.db.execute(query, given)):
            yield Workspace.model_validate(dict(zip(("id", "author", "title", "source"), row, strict=True)))

    def put_segment(self, segment: Segment) -> None:
        """Add or replace a segment."""
        row = tuple(getattr(segment, name) for name in _SEGMENT.split(", "))
        self.db.execute("INSERT OR REPLACE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", (*row, crc(row)))

    def segments(self, workspace: str | None = None) -> tuple[Segment, ...]:
        """Return all segments, or those of a workspace, in the order of their first snapshots."""
        if workspace is None:
            return tuple(self._segments("ORDER BY workspace, first_seq"))
        return tuple(self._segments("WHERE workspace = ? ORDER BY first_seq", workspace))

    def segment_around(self, workspace: str, seq: int) -> tuple[Segment | None, int]:
        """Return the segment to which a snapshot with this number belongs, and the number at which the next begins."""
        rest = "WHERE workspace = ? AND first_seq <= ? ORDER BY first_seq DESC LIMIT 1"
        found = next(self._segments(rest, workspace, seq), None)
        query = "SELECT min(first_seq) FROM segments WHERE workspace = ? AND first_seq > ?"
        following = self.db.execute(query, (workspace, seq)).fetchone()[0]
        return found, 1 << 62 if following is None else following

    def _segments(self, rest: str, *given: object) -> Iterator[Segment]:
        for row in _whole(self.db.execute(f"SELECT {_SEGMENT}, crc FROM segments {rest}", given)):  # noqa: S608
            yield Segment(*row)

    def put_snapshots(self, snapshots: Iterable[tuple[Snapshot, str]]) -> None:
        """Add snapshots, each with the ref of its segment."""
        rows = ((*row, crc(row)) for row in (_row(snapshot, ref, None, None) for snapshot, ref in snapshots))
        self.db.executemany("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def own(self, workspace: str, seq: int) -> Snapshot | None:
        """Return a snapshot as it was recorded, whatever builds said of it later."""
        query = f"SELECT {_SNAPSHOT}, crc FROM snapshots WHERE workspace = ? AND seq = ?"  # noqa: S608
        row = next(_whole(self.db.execute(query, (workspace, seq))), None)
        return None if row is None else _snapshot([*row[:8], None, *row[9:]])

    def snapshots(self, workspace: str, after: int = -1, limit: int = _PART) -> list[Snapshot]:
        """Return some snapshots that follow ``after``, in their order."""
        rest = "WHERE workspace = ? AND seq > ? ORDER BY seq LIMIT ?"
        query = f"SELECT {_SNAPSHOT}, crc FROM snapshots {rest}"  # noqa: S608
        found = [_snapshot(row) for row in _whole(self.db.execute(query, (workspace, after, limit)))]
        _in_order([after, *(snapshot.seq for snapshot in found)])
        return found

    def last(self, workspace: str) -> Snapshot | None:
        """Return the newest snapshot of a workspace."""
        rest = "WHERE workspace = ? ORDER BY seq DESC LIMIT 1"
        query = f"SELECT {_SNAPSHOT}, crc FROM snapshots {rest}"  # noqa: S608
        return next((_snapshot(row) for row in _whole(self.db.execute(query, (workspace,)))), None)

    def count(self, workspace: str) -> int:
        """Return how many snapshots a workspace has."""
        return int(self.db.execute("SELECT count(*) FROM snapshots WHERE workspace = ?", (workspace,)).fetchone()[0])

    def put_report(self, report: BuildReport, ref: str) -> None:
        """Add a report; if it speaks of one tree, its snapshot shows what it said."""
        query = "SELECT coalesce(max(id), 0) + 1 FROM reports WHERE workspace = ?"
        following = self.db.execute(query, (report.workspace,)).fetchone()[0]
        row = (following, report.workspace, report.seq, ref, report.to_json())
        self.db.execute("INSERT INTO reports VALUES (?, ?, ?, ?, ?, ?)", (*row, crc(row)))
        self._settle(report)

    def _settle(self, report: BuildReport) -> None:
        if report.smeared:
            return
        query = f"SELECT {_SNAPSHOT}, crc FROM snapshots WHERE workspace = ? AND seq = ?"  # noqa: S608
        for found in _whole(self.db.execute(query, (report.workspace, report.seq))):
            if report.source == "shadow" and found[9] == "reported":
                return
            row = (*found[:8], report.status.value, report.source, found[10])
            self.db.execute(
                "UPDATE snapshots SET said = ?, said_by = ?, crc = ? WHERE workspace = ? AND seq = ?",
                (row[8], row[9], crc(row), report.workspace, report.seq),
            )

    def reports(self, workspace: str, after: int = -1) -> list[tuple[int, BuildReport]]:
        """Return some reports that came after the one with this key, in the order in which they came."""
        query = "SELECT * FROM reports WHERE workspace = ? AND id > ? ORDER BY id LIMIT ?"
        found = self._reports(query, workspace, after)
        _in_order([after, *(key for key, _ in found)])
        return found

    def reports_before(self, workspace: str, before: int) -> list[tuple[int, BuildReport]]:
        """Return some reports that came before the one with this key, the newest first."""
        query = "SELECT * FROM reports WHERE workspace = ? AND id < ? ORDER BY id DESC LIMIT ?"
        found = self._reports(query, workspace, before)
        _in_order([*(key for key, _ in reversed(found)), before])
        return found

    def _reports(self, query: str, workspace: str, key: int) -> list[tuple[int, BuildReport]]:
        rows = self.db.execute(query, (workspace, key, _PART)).fetchall()
        return [(row[0], BuildReport.from_json(row[4])) for row in rows if _checked(row)]

    def settle(self, workspace: str) -> None:
        """Let every snapshot of a workspace show anew what reports say of it."""
        after = -1
        while part := self.reports(workspace, after):
            for _, report in part:
                self._settle(report)
            after = part[-1][0]

    def drop_segment(self, ref: str) -> int:
        """Remove a segment; return how many snapshots it had."""
        place = (workspace_of(ref), ref)
        gone = self.db.execute("DELETE FROM snapshots WHERE workspace = ? AND ref = ?", place).rowcount
        self.db.execute("DELETE FROM reports WHERE workspace = ? AND ref = ?", place)
        self.db.execute("DELETE FROM segments WHERE workspace = ? AND ref = ?", place)
        return gone

    def drop_workspace(self, id_: str) -> None:
        """Remove a workspace and all of it."""
        for table, column in (("snapshots", "workspace"), ("reports", "workspace"), ("segments", "workspace")):
            self.db.execute(f"DELETE FROM {table} WHERE {column} = ?", (id_,))  # noqa: S608 - names from above
        self.db.execute("DELETE FROM workspaces WHERE id = ?", (id_,))

    def damage(self) -> str:
        """Say what SQLite finds wrong with the file, or ``""``."""
        said = [row[0] for row in self.db.execute("PRAGMA quick_check(1)")]
        if said != ["ok"]:
            return "; ".join(map(str, said))
        held: Counter[str] = Counter()
        # one look at it all, whatever is written meanwhile
        self.db.execute("BEGIN")
        try:
            told = dict(self.db.execute("SELECT workspace, sum(entries) FROM segments GROUP BY workspace"))
            for table in ("snapshots", "reports"):
                query = f"SELECT workspace, count(*) FROM {table} GROUP BY workspace"  # noqa: S608
                held.update(dict(self.db.execute(query)))
        finally:
            self.db.execute("COMMIT")
        return "" if told == held else "rows are missing"

    def close(self) -> None:
        """Close the connection."""
        self.db.close()


@contextmanager
def named_faults(path: Path) -> Iterator[None]:
    """Turn what SQLite refuses into an ``EnvironmentFault``; damage stays what it is."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "decode" in str(error):
            raise Damaged(str(error)) from error
        raise EnvironmentFault(f"{path}: {error}", "is the disk full or read-only?") from error
    except sqlite3.DatabaseError as error:
        raise Damaged(str(error)) from error


def _whole(cursor: sqlite3.Cursor) -> Iterator[list[Any]]:
    """Yield rows whose checksum is right, without it."""
    for row in cursor.fetchall():
        _checked(row)
        yield list(row[:-1])


def _checked(row: Row) -> bool:
    if crc(row[:-1]) != row[-1]:
        raise Damaged("a row is not what was written")
    return True


def _in_order(keys: list[int]) -> None:
    """Whoever asks for what follows the last key would ask for ever in a tree whose keys are out of order."""
    if any(before >= after for before, after in pairwise(keys)):
        raise Damaged("rows are out of order")


def _row(snapshot: Snapshot, ref: str, said: str | None, by: str | None) -> tuple[object, ...]:
    own = None if snapshot.reported is None else snapshot.reported.value
    body = (snapshot.time, snapshot.tree, snapshot.cut, int(snapshot.deliberate), own)
    return (snapshot.workspace, snapshot.seq, ref, *body, said, by, snapshot.skipped)


_STATUS = {status.value: status for status in Status}


def _snapshot(row: Row) -> Snapshot:
    workspace, seq, _, time, tree, cut, deliberate, own, said, _, skipped = row
    status = said or own
    # the checksum says that this is what was written, and what was written had been checked: no need to do it again
    return Snapshot.model_construct(
        workspace=workspace, seq=seq, time=time, tree=tree, cut=cut, deliberate=bool(deliberate),
        reported=None if status is None else _STATUS[status], skipped=skipped,
    )  # fmt: skip
