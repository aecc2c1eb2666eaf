"""What was written last: durable at once in one small file, ``staging.db``, until a pack takes it.

A snapshot is some forty small objects; as files of their own they would cost ten times what one append costs. Each row
is all that one block wrote: its objects, and the refs that it moved. A row is there whole or not at all (SQLite, WAL,
synchronous), carries a digest of what is no git object in it, and git objects carry their own.
"""

import hashlib
import os
import sqlite3
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pygit2

from greenloop.records import EnvironmentFault

_TABLE = """
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, time REAL NOT NULL, size INTEGER NOT NULL,
    refs TEXT NOT NULL, contents BLOB NOT NULL, digest BLOB NOT NULL, data BLOB NOT NULL
)
"""
_PLACE = struct.Struct(">20sBII")
"""Of each object: its id, git's kind, and where in ``data`` it begins and how long it is."""
_GONE = "0" * 40

NAMES = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
"""Git's kinds of object, by its numbers."""

Objects = dict[bytes, tuple[int, bytes]]
"""Id → kind and content."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one block wrote; a ref that is ``None`` was deleted."""

    id: int
    time: float
    refs: Mapping[str, str | None]
    objects: Objects


class StagingFile:
    """The file at ``path``: made by the first append; many processes read it, and SQLite lets one write at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db: sqlite3.Connection | None = None
        self._inode = 0
        self._lock = threading.RLock()
        self._places: dict[bytes, tuple[int, int, int, int]] = {}
        self._moved: dict[str, str | None] = {}
        self._first: int | None = None
        self._last = 0

    def append(
        self,
        objects: Objects,
        refs: Mapping[str, str | None],
        time: float,
        check: Callable[[Mapping[str, str | None]], None] | None = None,
    ) -> None:
        """Add a batch; when this returns the disk has it. Raises ``EnvironmentFault``; then nothing was added.

        ``check`` is given the refs that are staged while no other process can move them; what it raises is raised.
        """
        contents, data = bytearray(), bytearray()
        for oid, (kind, content) in objects.items():
            contents += _PLACE.pack(oid, kind, len(data), len(content))
            data += content
        text = "".join(f"{target or _GONE} {name}\n" for name, target in refs.items())
        row = (time, len(data), text, contents, _digest(time, text, bytes(contents)), data)
        with self._open(create=True) as db:
            assert db is not None
            db.execute("BEGIN IMMEDIATE")
            try:
                if check is not None:
                    self._look(db)
                    check(self._moved)
                db.execute(
                    "INSERT INTO batches (time, size, refs, contents, digest, data) VALUES (?, ?, ?, ?, ?, ?)", row
                )
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    def find(self, oid: bytes) -> tuple[int, bytes] | None:
        """Return kind and content of an object, or ``None``. Its hash is for the reader to check."""
        with self._open() as db:
            place = None if db is None else self._look(db).get(oid)
            if db is None or place is None:
                return None
            batch, kind, offset, size = place
            query = "SELECT substr(data, ?, ?) FROM batches WHERE id = ?"
            row = db.execute(query, (offset + 1, size, batch)).fetchone()
            # none: moved into a pack just now, and whoever asks looks there again
            return None if row is None else (kind, row[0])

    def holds(self, oid: bytes) -> bool:
        """Say whether an object is staged."""
        with self._open() as db:
            return db is not None and oid in self._look(db)

    def _look(self, db: sqlite3.Connection) -> Mapping[bytes, tuple[int, int, int, int]]:
        """Take in the batches that are new, by whomever, and return where each object is."""
        query = "SELECT (SELECT min(id) FROM batches), (SELECT max(id) FROM batches)"
        first, last = db.execute(query).fetchone()
        if first != self._first:
            self._forget()
        if last is not None and last > self._last:
            query = "SELECT id, time, refs, contents, digest FROM batches WHERE id > ? ORDER BY id"
            for row in db.execute(query, (self._last,)).fetchall():
                self._checked(*row)
                for oid, kind, offset, size in _PLACE.iter_unpack(row[3]):
                    self._places[oid] = (row[0], kind, offset, size)
                moved = _refs(row[2])
                self._moved.update(moved)
                self._first, self._last = self._first or row[0], row[0]
        return self._places

    def _forget(self) -> None:
        self._places, self._moved, self._first, self._last = {}, {}, None, 0

    def _checked(self, batch: int, time: float, refs: str, contents: bytes, digest: bytes) -> None:
        if _digest(time, refs, contents) != digest:
            raise EnvironmentFault(
                f"{self.path}: row {batch} is damaged", "end what uses the store; the next opening saves what is whole"
            )

    def refs(self) -> dict[str, str | None]:
        """Return the refs that were moved, each where it was moved last; ``None`` where it was deleted."""
        with self._open() as db:
            if db is not None:
                self._look(db)
                return dict(self._moved)
        return {}

    def sound(self) -> None:
        """Raise ``EnvironmentFault`` when something is wrong with the file itself, or with what a row says it holds.

        SQLite would leave a row out without a word when a count in a page is wrong.
        """
        with self._open() as db:
            said = "ok" if db is None else db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if said != "ok":
                raise sqlite3.DatabaseError(said)
            if db is not None:
                self._look(db)

    def batches(self) -> Iterator[Batch]:
        """Yield what is staged, oldest first."""
        with self._open() as db:
            ids = [] if db is None else [row[0] for row in db.execute("SELECT id FROM batches ORDER BY id")]
        for id_ in ids:
            with self._open() as db:
                query = "SELECT id, time, refs, contents, digest, data FROM batches WHERE id = ?"
                row = None if db is None else db.execute(query, (id_,)).fetchone()
            if row is not None:
                self._checked(*row[:5])
                found = _PLACE.iter_unpack(row[3])
                objects = {oid: (kind, row[5][at : at + size]) for oid, kind, at, size in found}
                yield Batch(row[0], row[1], _refs(row[2]), objects)

    def size(self) -> tuple[int, float | None]:
        """Return how many bytes are staged, and when the oldest of them came."""
        with self._open() as db:
            if db is None:
                return 0, None
            size, since = db.execute("SELECT coalesce(sum(size), 0), min(time) FROM batches").fetchone()
            return int(size), since

    def drop(self, through: int) -> None:
        """Remove the batches up to the one with this id, and their bytes from the disk."""
        with self._open() as db:
            if db is not None:
                db.execute("DELETE FROM batches WHERE id <= ?", (through,))
                # what is in a pack now may be purged from it: no second copy stays behind in the log
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                self._forget()

    def verify(self) -> list[str]:
        """Return what is damaged: in SQLite's own structure, in a row, in an object."""
        try:
            with self._open() as db:
                said = [] if db is None else [row[0] for row in db.execute("PRAGMA integrity_check(5)")]
            wrong = [f"{self.path}: {words}" for words in said if words != "ok"]
            for batch in self.batches():
                for oid, (kind, content) in batch.objects.items():
                    if object_id(kind, content) != oid:
                        wrong.append(f"{self.path}: row {batch.id}: {oid.hex()} is damaged")
        except EnvironmentFault as error:
            return [str(error)]
        return wrong

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None
            self._forget()

    @contextmanager
    def _open(self, *, create: bool = False) -> Iterator[sqlite3.Connection | None]:
        with self._lock:
            try:
                yield self._connected(create=create)
            except (sqlite3.Error, OSError, struct.error, ValueError) as error:
                # where a file could not be opened for writing, SQLite reads it, and would so for ever
                with suppress(sqlite3.Error):
                    self.close()
                raise EnvironmentFault(
                    f"{self.path}: {error}", "is the disk full? nothing that was stored before is lost"
                ) from error

    def _connected(self, *, create: bool) -> sqlite3.Connection | None:
        try:
            inode = os.stat(self.path).st_ino  # noqa: PTH116 - asked for every object that is looked for
        except FileNotFoundError:
            inode = 0
        if self._db is not None and inode != self._inode:
            # somebody deleted it: what is written to a file without a name would be lost
            self.close()
        if self._db is None and (inode or create):
            self._db = connect(self.path)
            self._inode = self.path.stat().st_ino
        return self._db


def connect(path: Path) -> sqlite3.Connection:
    """Open a staging file, made when missing."""
    db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    try:
        # what was moved into packs gives its room back: must stand before the first table
        db.execute("PRAGMA auto_vacuum=FULL")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA secure_delete=ON")
        db.execute(_TABLE)
    except BaseException:
        db.close()
        raise
    return db


def object_id(kind: int, content: bytes) -> bytes:
    """Return git's id of an object."""
    return hashlib.sha1(b"%s %d\0%s" % (NAMES[kind].encode(), len(content), content), usedforsecurity=False).digest()


def _digest(time: float, refs: str, contents: bytes) -> bytes:
    return hashlib.blake2b(f"{time!r}\n{refs}\n".encode() + contents, digest_size=16).digest()


def _refs(text: str) -> dict[str, str | None]:
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return {name: None if target == _GONE else target for target, name in pairs}


class StagedObjects(pygit2.OdbBackend):
    """What libgit2 asks when its packs and files do not hold an object: blocks not yet ended, then the staging file.

    Then the ``others`` once more, after looking for new packs: libgit2 would do so, but an answer of "not here" from
    Python leaves it with an exception that stops it.
    """

    def __init__(self, pending: Objects, file: StagingFile, others: Sequence[pygit2.OdbBackend]) -> None:
        super().__init__()
        self._pending = pending
        self._file = file
        self._others = others

    def read_cb(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        """Return kind and content."""
        found = self._pending.get(oid.raw) or self._file.find(oid.raw)
        if found is not None:
            return found
        for other in self._others:
            other.refresh()
            if other.exists(oid):
                return other.read(oid)
        raise KeyError(oid)

    def read_header_cb(self, oid: pygit2.Oid) -> tuple[int, int]:
        """Return kind and size."""
        kind, content = self.read_cb(oid)
        return kind, len(content)

    def read_prefix_cb(self, oid: pygit2.Oid, length: int = 0) -> tuple[int, bytes, pygit2.Oid]:  # noqa: ARG002
        """Nothing here is asked for by a part of its name."""
        raise KeyError(oid)

    def exists_cb(self, oid: pygit2.Oid) -> bool:
        """Say whether it is here."""
        return oid.raw in self._pending or self._file.holds(oid.raw)

    def exists_prefix_cb(self, oid: pygit2.Oid, length: int = 0) -> pygit2.Oid:  # noqa: ARG002
        """Nothing here is asked for by a part of its name."""
        raise KeyError(oid)

    def refresh_cb(self) -> None:
        """Nothing to do: every question looks at the file as it is."""
