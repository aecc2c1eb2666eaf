"""The books: every finished evaluation with its log, whole or not at all, found again by what was asked.

Facts only: no reward is ever written here. ``infra_error`` says nothing about the code and is refused. An evaluation
and its log go in by one transaction, so that a process killed at any moment leaves all that was finished, and
nothing half. Several processes may write at once.
"""

import hashlib
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    func,
    select,
    update,
)

from greenloop.records import Conflict, Evaluation, RecordError, Status, TestStatus
from greenloop.storage.database import named_database_errors, open_database, replacing, writing

MAX_LOG_BYTES = 256 << 10
"""Bytes of UTF-8 kept of a log, before they are compressed; of a longer one both ends."""

_TABLES = MetaData()
_EVALUATIONS = Table(
    "evaluations",
    _TABLES,
    Column("id", String(64), primary_key=True),
    # the order of commits: writers come one after the other, so that nobody who reads on from a number misses one
    Column("seq", BigInteger, nullable=False, index=True),
    Column("base", String(40)),
    Column("result", String(40)),
    Column("toolchain", String(64), nullable=False),
    Column("suite", String(8), nullable=False),
    Column("status", String(16), nullable=False, index=True),
    Column("created", Float(53), nullable=False),
    # a red one whose failing tests were found to be flaky since: kept, exported, no longer an answer
    Column("outdated", Boolean, nullable=False),
    Column("body", Text, nullable=False),
)
_LOGS = Table("logs", _TABLES, Column("id", String(64), primary_key=True), Column("body", LargeBinary, nullable=False))
_IDEMPOTENCY = Table(
    "idempotency",
    _TABLES,
    # digests: a key may hold any character, and need not be readable here
    Column("key", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("evaluation", String(64), nullable=False),
    Column("created", Float(53), nullable=False),
)
_QUARANTINE = Table(
    "quarantine",
    _TABLES,
    Column("toolchain", String(64), primary_key=True),
    Column("project", String(255), primary_key=True),
    Column("digest", String(64), primary_key=True),
    # as JSON: a program under test may print any character as a name, and PostgreSQL takes no NUL
    Column("test", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created", Float(53), nullable=False),
)
_LAST = select(func.coalesce(func.max(_EVALUATIONS.c.seq), 0))
_GET = select(_EVALUATIONS.c.body).where(_EVALUATIONS.c.id == bindparam("wanted"), ~_EVALUATIONS.c.outdated)
_PAGE = 200
"""Rows read by one statement of an export."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored evaluation and its place in the order of the books."""

    seq: int
    created: float
    """Unix seconds."""
    evaluation: Evaluation

    def to_json(self) -> str:
        """Return one line of JSON with sorted keys."""
        body = json.loads(self.evaluation.to_json())
        return json.dumps(
            {"created": self.created, "evaluation": body, "seq": self.seq},
            sort_keys=True, ensure_ascii=False, separators=(",", ":"),
        )  # fmt: skip


class Ledger:
    """The books at ``url``: a path, ``sqlite:///PATH`` or ``postgresql://…`` (see ``storage.open_database``).

    Every method raises ``EnvironmentFault`` when the database cannot be read or written.
    """

    def __init__(self, url: Path | str, *, now: Callable[[], float] = time.time) -> None:
        """``now`` tells Unix seconds."""
        self.url = url
        self._now = now
        self._engine = open_database(url, _TABLES)
        # built once: that takes SQLAlchemy longer than SQLite takes to answer
        self._put = replacing(self._engine, _EVALUATIONS)
        self._put_log = replacing(self._engine, _LOGS)
        self._put_key = replacing(self._engine, _IDEMPOTENCY, keep=("created",))

    def get(self, evaluation_id: str) -> Evaluation | None:
        """Return a stored evaluation, or ``None``; also where quarantine has overtaken it: it is to be judged anew."""
        with self._named("read"), self._engine.connect() as connection:
            body = connection.execute(_GET, {"wanted": evaluation_id}).scalar()
        return None if body is None else Evaluation.from_json(body)

    def stored(self, evaluation_id: str) -> str | None:
        """Return an evaluation's JSON as it was stored, overtaken or not, or ``None``."""
        query = select(_EVALUATIONS.c.body).where(_EVALUATIONS.c.id == evaluation_id)
        with self._named("read"), self._engine.connect() as connection:
            body: str | None = connection.execute(query).scalar()
        return body

    def put(self, evaluation: Evaluation, log: str = "", *, key: str | None = None, request: str = "") -> None:
        """Store an evaluation and its log; one of the same id is replaced.

        With an idempotency ``key`` that is bound to it too: see ``bind``. Raises ``RecordError`` for
        ``Status.INFRA_ERROR`` and ``Conflict`` for a key of another request; then nothing is stored.
        """
        if evaluation.status is Status.INFRA_ERROR:
            raise RecordError(f"{evaluation.id}: an infrastructure error is no evaluation and is never stored")
        row = {
            "id": evaluation.id,
            "base": evaluation.base,
            "result": evaluation.result,
            "toolchain": evaluation.toolchain,
            "suite": evaluation.suite.value,
            "status": evaluation.status.value,
            "created": self._now(),
            "outdated": False,
            "body": evaluation.to_json(),
        }
        packed = zlib.compress(_capped(log))
        with self._named("written"), writing(self._engine) as connection:
            if key is not None:
                self._bind(connection, key, request, evaluation.id)
            seq = connection.execute(_LAST).scalar_one() + 1
            connection.execute(self._put, [row | {"seq": seq}])
            connection.execute(self._put_log, [{"id": evaluation.id, "body": packed}])

    def log(self, evaluation_id: str) -> str | None:
        """Return what the tools printed, cut where it was long, or ``None`` when there is no such evaluation."""
        query = select(_LOGS.c.body).where(_LOGS.c.id == evaluation_id)
        with self._named("read"), self._engine.connect() as connection:
            packed = connection.execute(query).scalar()
        return None if packed is None else zlib.decompress(packed).decode("utf-8", "replace")

    def by_key(self, key: str) -> tuple[str, str] | None:
        """Return (digest of the request, id of the evaluation) to which an idempotency key is bound."""
        query = select(_IDEMPOTENCY.c.request, _IDEMPOTENCY.c.evaluation).where(_IDEMPOTENCY.c.key == _digest(key))
        with self._named("read"), self._engine.connect() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.request, row.evaluation)

    def bind(self, key: str, request: str, evaluation_id: str) -> None:
        """Bind an idempotency key to the digest of a request and to the evaluation that answers it.

        Again with the same request is no change. Raises ``Conflict`` when it is bound to another request.
        """
        with self._named("written"), writing(self._engine) as connection:
            self._bind(connection, key, request, evaluation_id)

    def _bind(self, connection: Connection, key: str, request: str, evaluation_id: str) -> None:
        query = select(_IDEMPOTENCY.c.request).where(_IDEMPOTENCY.c.key == _digest(key))
        bound = connection.execute(query).scalar()
        if bound is not None and bound != request:
            raise Conflict(
                f"the idempotency key {key[:80]!r} was used for another request", "choose a new key for a new request"
            )
        row = {"key": _digest(key), "request": request, "evaluation": evaluation_id, "created": self._now()}
        connection.execute(self._put_key, [row])

    def quarantine(self, toolchain: str, project: str) -> frozenset[str]:
        """See ``Quarantine.quarantine``."""
        query = select(_QUARANTINE.c.test).where(
            _QUARANTINE.c.toolchain == toolchain, _QUARANTINE.c.project == project[:255]
        )
        with self._named("read"), self._engine.connect() as connection:
            return frozenset(json.loads(test) for test in connection.execute(query).scalars())

    def add_quarantine(self, toolchain: str, project: str, tests: Iterable[str], note: str = "") -> None:
        """See ``Quarantine.add_quarantine``. What is red because of one of these tests is judged anew when asked."""
        names = sorted(set(tests) - self.quarantine(toolchain, project))
        if not names:
            return
        rows = [
            {"toolchain": toolchain, "project": project[:255], "digest": _digest(name), "test": json.dumps(name),
             "note": note.replace("\0", "?"), "created": self._now()}
            for name in names
        ]  # fmt: skip
        with self._named("written"), writing(self._engine) as connection:
            connection.execute(replacing(self._engine, _QUARANTINE, keep=("created", "note")), rows)
        outdated = [evaluation_id for name in names for evaluation_id in self._reds_by(name)]
        with self._named("written"), writing(self._engine) as connection:
            for start in range(0, len(outdated), _PAGE):
                some = _EVALUATIONS.c.id.in_(outdated[start : start + _PAGE])
                connection.execute(update(_EVALUATIONS).where(some).values(outdated=True))

    def _reds_by(self, test: str) -> list[str]:
        """Return the ids of the red evaluations in which a test did not pass."""
        spelled = json.dumps(test, ensure_ascii=False)[1:-1]
        query = select(_EVALUATIONS.c.body).where(
            # the database finds those that name it at all, which leaves few to be read
            _EVALUATIONS.c.status == Status.RED.value, _EVALUATIONS.c.body.contains(spelled, autoescape=True)
        )  # fmt: skip
        with self._named("read"), self._engine.connect() as connection:
            found = map(Evaluation.from_json, connection.execute(query).scalars())
            return [evaluation.id for evaluation in found if _blames(evaluation, test)]

    def entries(self, *, since: int = 0) -> Iterator[Entry]:
        """Yield what was stored after the place ``since``, in the order in which it was; memory stays flat.

        Whoever remembers the last ``seq`` goes on from there and misses nothing. An evaluation that was judged anew
        shows up again at its new place.
        """
        while True:
            query = (
                select(_EVALUATIONS.c.seq, _EVALUATIONS.c.created, _EVALUATIONS.c.body)
                .where(_EVALUATIONS.c.seq > since)
                .order_by(_EVALUATIONS.c.seq)
                .limit(_PAGE)
            )
            with self._named("read"), self._engine.connect() as connection:
                rows = connection.execute(query).all()
            for row in rows:
                since = row.seq
                yield Entry(row.seq, row.created, Evaluation.from_json(row.body))
            if len(rows) < _PAGE:
                return

    def export(self, *, since: int = 0) -> Iterator[str]:
        """Yield one line of JSON an evaluation, ``{"created": …, "evaluation": {…}, "seq": …}``: see ``entries``."""
        return (entry.to_json() for entry in self.entries(since=since))

    def rescore(
        self, policy: Callable[[Evaluation], float | None], *, since: int = 0
    ) -> Iterator[tuple[Entry, float | None]]:
        """Yield every stored evaluation with what ``policy`` gives for it. Nothing is judged, nothing is stored."""
        return ((entry, policy(entry.evaluation)) for entry in self.entries(since=since))

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def _named(self, what: str) -> AbstractContextManager[None]:
        return named_database_errors(
            self.url, f"evaluations cannot be {what}", "is the disk full? those that were stored before are kept"
        )


def _capped(log: str) -> bytes:
    raw = log.encode("utf-8", "replace")
    if len(raw) <= MAX_LOG_BYTES:
        return raw
    half = MAX_LOG_BYTES // 2
    return raw[:half] + f"\n… {len(raw) - 2 * half} bytes left out …\n".encode() + raw[-half:]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _blames(evaluation: Evaluation, test: str) -> bool:
    """Whether a red evaluation may be red because of this test: it did not pass, or was missed."""
    ends = [seen.status for seen in evaluation.tests if seen.name == test]
    return TestStatus.PASSED not in ends and (bool(ends) or "tests-missing" in evaluation.flags)
