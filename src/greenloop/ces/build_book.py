"""What a pool knows of its green builds, kept over a restart: one row a build, in SQLite beside the warm folders."""

from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Column, MetaData, String, Table, Text, delete, select

from greenloop.records import RecordError, TreeId, WarmBuild
from greenloop.storage.database import named_database_errors, open_database, replacing, writing

_TABLES = MetaData()
_BUILDS = Table(
    "builds",
    _TABLES,
    Column("tree", String(40), primary_key=True),
    Column("toolchain", String(64), primary_key=True),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)


class BuildBook:
    """The green builds of one toolchain. Several processes may share the file.

    Raises ``EnvironmentFault`` when the database cannot be opened, read or written.
    """

    def __init__(self, path: Path, toolchain: str) -> None:
        self._path = path
        self._toolchain = toolchain
        self._engine = open_database(path, _TABLES)

    def builds(self) -> tuple[WarmBuild, ...]:
        """Return the builds that were green when they were written; one that cannot be read is forgotten."""
        query = select(_BUILDS.c.tree, _BUILDS.c.body).where(_BUILDS.c.toolchain == self._toolchain)
        with self._named("read"), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        found = []
        for tree, body in rows:
            try:
                found.append(WarmBuild.from_json(body))
            except RecordError:
                # of a later version, say: what is not known is warmed again
                self.forget(tree)
        return tuple(found)

    def write(self, build: WarmBuild) -> None:
        """Keep a build, in place of what was known of its tree."""
        row = {"tree": build.tree, "toolchain": self._toolchain, "body": build.to_json()}
        with self._named("written"), writing(self._engine) as connection:
            connection.execute(replacing(self._engine, _BUILDS), [row])

    def forget(self, tree: TreeId) -> None:
        """Keep nothing of a tree."""
        query = delete(_BUILDS).where(_BUILDS.c.tree == tree, _BUILDS.c.toolchain == self._toolchain)
        with self._named("written"), writing(self._engine) as connection:
            connection.execute(query)

    def close(self) -> None:
        """Let go of the database file."""
        self._engine.dispose()

    def _named(self, what: str) -> AbstractContextManager[None]:
        return named_database_errors(self._path, f"warm builds cannot be {what}", "is the disk full?")
