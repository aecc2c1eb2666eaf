"""The histories of workspaces, in SQLite: which tree each held at which time."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    MetaData,
    RowMapping,
    String,
    Table,
    and_,
    func,
    insert,
    select,
)

from greenloop.records import InputError, Snapshot, Status, Workspace
from greenloop.snapshots.faults import named_database_errors
from greenloop.storage import open_database
from greenloop.workspace.store import TreeStore

_TABLES = MetaData()

_WORKSPACES = Table(
    "workspaces",
    _TABLES,
    Column("id", String, primary_key=True),
    Column("author", String, nullable=False),
    Column("title", String, nullable=False),
    Column("source", String, nullable=False),
)

_SNAPSHOTS = Table(
    "snapshots",
    _TABLES,
    Column("workspace", String, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("time", Float, nullable=False),
    Column("tree", String, nullable=False),
    Column("cut", String, nullable=False),
    Column("deliberate", Boolean, nullable=False),
    Column("reported", String),
    Column("skipped", Integer, nullable=False),
    sqlite_with_rowid=False,
)


class SnapshotStore:
    """Workspaces and their snapshots at ``path`` (SQLite, created when missing); their trees are in ``trees``.

    Raises ``EnvironmentFault`` when the database cannot be opened or written.
    """

    def __init__(self, path: Path, trees: TreeStore) -> None:
        self.path = path
        self.trees = trees
        self._engine = open_database(path, _TABLES)

    def close(self) -> None:
        """Close the database; the store may be opened again."""
        self._engine.dispose()

    def add_workspace(self, workspace: Workspace) -> None:
        """Add a workspace; to add the same one again does nothing.

        Raises ``InputError`` when its id is taken by another workspace.
        """
        self.add_history([workspace], [])

    def add(self, snapshots: Iterable[Snapshot]) -> int:
        """Add snapshots, all or none, and return how many were new; those that are there already are left alone.

        Raises ``InputError`` when a workspace is unknown, or a place (workspace, seq) holds another snapshot.
        """
        return self.add_history([], snapshots)

    def add_history(self, workspaces: Iterable[Workspace], snapshots: Iterable[Snapshot]) -> int:
        """Add workspaces and snapshots in one transaction; return how many snapshots were new."""
        with named_database_errors(self.path), self._engine.begin() as connection:
            for workspace in workspaces:
                self._add_workspace(connection, workspace)
            by_workspace = groupby(sorted(snapshots, key=lambda item: (item.workspace, item.seq)), _workspace_of)
            return sum(self._add_run(connection, id_, list(run)) for id_, run in by_workspace)

    def _add_workspace(self, connection: Connection, workspace: Workspace) -> None:
        row = connection.execute(select(_WORKSPACES).where(_WORKSPACES.c.id == workspace.id)).mappings().first()
        if row is None:
            connection.execute(insert(_WORKSPACES).values(**workspace.model_dump()))
        elif (present := Workspace.model_validate(dict(row))) != workspace:
            raise InputError(
                f"workspace {workspace.id} is there already, by {present.author!r} as {present.title!r}",
                "give the new one another id",
            )

    def _add_run(self, connection: Connection, id_: str, run: list[Snapshot]) -> int:
        """Add snapshots of one workspace, sorted by ``seq``."""
        if connection.execute(select(_WORKSPACES.c.id).where(_WORKSPACES.c.id == id_)).first() is None:
            raise InputError(f"{id_}: no such workspace", "add the workspace before its snapshots")
        table = _SNAPSHOTS
        between = and_(table.c.workspace == id_, table.c.seq >= run[0].seq, table.c.seq <= run[-1].seq)
        present = {row["seq"]: dict(row) for row in connection.execute(select(table).where(between)).mappings()}
        fresh = []
        for snapshot in run:
            row = _row(snapshot)
            if snapshot.seq not in present:
                fresh.append(row)
                present[snapshot.seq] = row
            elif present[snapshot.seq] != row:
                raise InputError(
                    f"{id_}: snapshot {snapshot.seq} is there already and differs",
                    "the two histories parted: import the new one into another home",
                )
        if fresh:
            connection.execute(insert(table), fresh)
        return len(fresh)

    def next_seq(self, workspace: str) -> int:
        """Return the sequence number that the workspace's next snapshot gets: 0 for the first."""
        query = select(func.max(_SNAPSHOTS.c.seq)).where(_SNAPSHOTS.c.workspace == workspace)
        with named_database_errors(self.path), self._engine.connect() as connection:
            last = connection.execute(query).scalar()
        return 0 if last is None else int(last) + 1

    def workspaces(self) -> tuple[Workspace, ...]:
        """Return all workspaces, by id."""
        with named_database_errors(self.path), self._engine.connect() as connection:
            rows = connection.execute(select(_WORKSPACES).order_by(_WORKSPACES.c.id)).mappings()
            return tuple(Workspace.model_validate(dict(row)) for row in rows)

    def snapshots(self, workspace: str) -> Iterator[Snapshot]:
        """Yield the snapshots of one workspace in the order of ``seq``, a part at a time."""
        query = select(_SNAPSHOTS).where(_SNAPSHOTS.c.workspace == workspace).order_by(_SNAPSHOTS.c.seq)
        with named_database_errors(self.path), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query).mappings():
                yield _snapshot(row)

    def last(self, workspace: str) -> Snapshot | None:
        """Return the newest snapshot of a workspace, if it has any."""
        table = _SNAPSHOTS
        query = select(table).where(table.c.workspace == workspace).order_by(table.c.seq.desc()).limit(1)
        with named_database_errors(self.path), self._engine.connect() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _snapshot(row)

    def count(self, workspace: str) -> int:
        """Return how many snapshots a workspace has."""
        query = select(func.count()).select_from(_SNAPSHOTS).where(_SNAPSHOTS.c.workspace == workspace)
        with named_database_errors(self.path), self._engine.connect() as connection:
            return int(connection.execute(query).scalar_one())


def _workspace_of(snapshot: Snapshot) -> str:
    return snapshot.workspace


def _row(snapshot: Snapshot) -> dict[str, object]:
    return {
        "workspace": snapshot.workspace,
        "seq": snapshot.seq,
        "time": snapshot.time,
        "tree": snapshot.tree,
        "cut": snapshot.cut,
        "deliberate": snapshot.deliberate,
        "reported": None if snapshot.reported is None else snapshot.reported.value,
        "skipped": snapshot.skipped,
    }


def _snapshot(row: RowMapping) -> Snapshot:
    reported = None if row["reported"] is None else Status(row["reported"])
    return Snapshot.model_validate({**row, "reported": reported})
