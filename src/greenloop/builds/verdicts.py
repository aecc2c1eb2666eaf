"""The verdict store: what is once known of a tree, found again by (tree, toolchain, suite)."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Column, Integer, MetaData, String, Table, Text, delete, select

from greenloop.records import RecordError, Severity, Status, Suite, TreeId, Verdict
from greenloop.storage.database import named_database_errors, open_database, replacing

_TABLES = MetaData()
_VERDICTS = Table(
    "verdicts",
    _TABLES,
    Column("tree", String(40), primary_key=True),
    Column("toolchain", String(64), primary_key=True),
    Column("suite", String(8), primary_key=True),
    Column("body", Text, nullable=False),
    sqlite_with_rowid=False,
)
_REPEATS = Table(
    "repeats",
    _TABLES,
    Column("tree", String(40), primary_key=True),
    Column("toolchain", String(64), primary_key=True),
    Column("suite", String(8), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("status", String(16), nullable=False),
    sqlite_with_rowid=False,
)
"""What came out when a tree was judged again to see whether it comes out alike."""
_CHUNK = 500
"""Trees asked for in one statement; SQLite's oldest limit is 999 variables."""


class VerdictStore:
    """Verdicts in a SQLite database at a path, or in whatever ``storage.open_database`` finds under a URL.

    Several processes may read and write it at once.

    One suite's verdict answers for another where its stages say what the other would have come to: see ``transfer``.
    Raises ``EnvironmentFault`` when the database cannot be opened, read or written.
    """

    def __init__(self, where: Path | str) -> None:
        self.where = where
        self._engine = open_database(where, _TABLES)

    def get(self, tree: TreeId, toolchain: str, suite: Suite) -> Verdict | None:
        """Return the verdict, or ``None`` when it is not known."""
        return self.get_many((tree,), toolchain, suite).get(tree)

    def get_many(self, trees: Iterable[TreeId], toolchain: str, suite: Suite) -> dict[TreeId, Verdict]:
        """Return the verdicts that are known, in the order of ``trees``."""
        distinct = tuple(dict.fromkeys(trees))
        # the exact suite goes first, then the others for what is still missing
        suites = sorted(Suite, key=lambda other: other is not suite)
        found: dict[TreeId, Verdict] = {}
        with self._named("read"), self._engine.connect() as connection:
            for other in suites:
                missing = [tree for tree in distinct if tree not in found]
                for start in range(0, len(missing), _CHUNK):
                    query = select(_VERDICTS.c.body).where(
                        _VERDICTS.c.tree.in_(missing[start : start + _CHUNK]),
                        _VERDICTS.c.toolchain == toolchain,
                        _VERDICTS.c.suite == other.value,
                    )
                    for body in connection.execute(query).scalars():
                        verdict = transfer(Verdict.from_json(body), suite)
                        if verdict is not None:
                            found[verdict.tree] = verdict
        return {tree: found[tree] for tree in distinct if tree in found}

    def put(self, verdicts: Iterable[Verdict]) -> None:
        """Store verdicts in one transaction; one that is there is replaced.

        Raises ``RecordError`` for ``Status.INFRA_ERROR``, which says nothing about a tree; then none is stored.
        """
        rows = [
            {"tree": v.tree, "toolchain": v.toolchain, "suite": v.suite.value, "body": _storable(v).to_json()}
            # in one order everywhere, so that two writers never wait for each other
            for v in sorted(verdicts, key=lambda v: (v.tree, v.toolchain, v.suite))
        ]
        if not rows:
            return
        with self._named("written"), self._engine.begin() as connection:
            connection.execute(replacing(self._engine, _VERDICTS), rows)

    def repeats(self, trees: Iterable[TreeId], toolchain: str, suite: Suite) -> dict[TreeId, tuple[Status, ...]]:
        """Return how each tree came out when it was judged again, where it was."""
        distinct = tuple(dict.fromkeys(trees))
        found: dict[TreeId, tuple[Status, ...]] = {}
        with self._named("read"), self._engine.connect() as connection:
            for start in range(0, len(distinct), _CHUNK):
                query = (
                    select(_REPEATS.c.tree, _REPEATS.c.status)
                    .where(
                        _REPEATS.c.tree.in_(distinct[start : start + _CHUNK]),
                        _REPEATS.c.toolchain == toolchain,
                        _REPEATS.c.suite == suite.value,
                    )
                    .order_by(_REPEATS.c.number)
                )
                for tree, status in connection.execute(query):
                    found[tree] = (*found.get(tree, ()), Status(status))
        return found

    def add_repeats(self, statuses: Mapping[TreeId, Status], toolchain: str, suite: Suite, number: int) -> None:
        """Note how trees came out the ``number``-th time after their verdict."""
        rows = [
            {"tree": tree, "toolchain": toolchain, "suite": suite.value, "number": number, "status": status.value}
            for tree, status in sorted(statuses.items())
        ]
        if rows:
            with self._named("written"), self._engine.begin() as connection:
                connection.execute(replacing(self._engine, _REPEATS), rows)

    def forget(self, gone: Callable[[TreeId], bool]) -> int:
        """Remove the verdicts on trees of which ``gone`` is true, and return how many those were."""
        with self._named("removed"), self._engine.begin() as connection:
            known = connection.execute(select(_VERDICTS.c.tree).distinct()).scalars().all()
            lost = [tree for tree in known if gone(tree)]
            removed = 0
            for start in range(0, len(lost), _CHUNK):
                part = lost[start : start + _CHUNK]
                removed += connection.execute(delete(_VERDICTS).where(_VERDICTS.c.tree.in_(part))).rowcount
                connection.execute(delete(_REPEATS).where(_REPEATS.c.tree.in_(part)))
        return removed

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        way_out = "is the disk full? verdicts that were stored before are kept"
        with named_database_errors(self.where, f"verdicts cannot be {what}", way_out):
            yield


def transfer(verdict: Verdict, suite: Suite) -> Verdict | None:
    """Return what a verdict for one suite says about another, or ``None`` when it says nothing.

    Suites run the same stages in the same order and stop at the first that is not green. So what ended within the
    smaller suite ended both alike, and what passed the smaller one's last stage passed the smaller one.
    """
    if verdict.suite is suite:
        return verdict
    stages = tuple(result for result in verdict.stages if result.stage in suite.stages)
    if stages and stages == verdict.stages and stages[-1].status is not Status.GREEN:
        return verdict.model_copy(update={"suite": suite})
    if tuple(result.stage for result in stages) != suite.stages:
        return None
    # errors, tests and the note belong to the later stage that this suite does not have
    kept = tuple(d for d in verdict.diagnostics if d.severity is not Severity.ERROR)
    update = {"suite": suite, "stages": stages, "status": Status.GREEN, "tests": (), "diagnostics": kept, "note": ""}
    return verdict.model_copy(update=update)


def _storable(verdict: Verdict) -> Verdict:
    if verdict.status is Status.INFRA_ERROR:
        raise RecordError(f"{verdict.tree}: an infrastructure error is no verdict and is never stored", verdict.note)
    return verdict
