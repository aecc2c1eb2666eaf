"""Where behaviours are kept, found again by (tree, what ran it, which run)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, select

from greenloop.builds.behaviour import Behaviour, Programs
from greenloop.records import TreeId
from greenloop.storage.database import named_database_errors, open_database, replacing

_TABLES = MetaData()
_BEHAVIOURS = Table(
    "behaviours",
    _TABLES,
    Column("tree", String(40), primary_key=True),
    Column("runner", String(64), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)


class BehaviourStore:
    """Behaviours in a database (see ``storage.open_database``): digests only, never what a program printed.

    Raises ``EnvironmentFault`` when it cannot be opened, read or written.
    """

    def __init__(self, where: Path | str) -> None:
        self._where = where
        self._engine = open_database(where, _TABLES)

    def get(self, trees: Iterable[TreeId], runner: str, number: int) -> dict[TreeId, Behaviour]:
        """Return what is known of ``trees``: their ``number``-th run, from 0."""
        found: dict[TreeId, Behaviour] = {}
        with self._named("read"), self._engine.connect() as connection:
            for tree in trees:
                query = select(_BEHAVIOURS.c.body).where(
                    _BEHAVIOURS.c.tree == tree, _BEHAVIOURS.c.runner == runner, _BEHAVIOURS.c.number == number
                )
                body = connection.execute(query).scalar()
                if body is not None:
                    found[tree] = Behaviour.from_json(body)
        return found

    def put(self, behaviours: Mapping[TreeId, Behaviour], runner: str, number: int) -> None:
        """Keep behaviours, all or none."""
        rows = [
            {"tree": tree, "runner": runner, "number": number, "body": one.to_json()}
            for tree, one in sorted(behaviours.items())
        ]
        if rows:
            with self._named("written"), self._engine.begin() as connection:
                connection.execute(replacing(self._engine, _BEHAVIOURS), rows)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        way_out = "is the disk full? what was stored before is kept"
        with named_database_errors(self._where, f"behaviours cannot be {what}", way_out):
            yield


class Behaviours:
    """Behaviours by tree: what was run once is not run again. ``known`` keeps them (see ``BehaviourStore``)."""

    def __init__(self, programs: Programs, known: BehaviourStore) -> None:
        self._programs = programs
        self._known = known
        self.fingerprint = programs.fingerprint()

    def of(self, trees: Iterable[TreeId]) -> dict[TreeId, Behaviour]:
        """Return the behaviour of each tree. Raises what ``Programs.run`` raises."""
        return self._of(trees, 0)

    def repeatable(self, tree: TreeId) -> bool:
        """Whether a second run of the tree's program behaves as the first did."""
        return self._of((tree,), 0) == self._of((tree,), 1)

    def _of(self, trees: Iterable[TreeId], number: int) -> dict[TreeId, Behaviour]:
        distinct = tuple(dict.fromkeys(trees))
        found = self._known.get(distinct, self.fingerprint, number)
        missing = [tree for tree in distinct if tree not in found]
        if missing:
            fresh = dict(zip(missing, self._programs.run(missing), strict=True))
            self._known.put(fresh, self.fingerprint, number)
            found |= fresh
        return {tree: found[tree] for tree in distinct}
