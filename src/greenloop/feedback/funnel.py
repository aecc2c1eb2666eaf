"""The funnel: every step of every turn, in SQLite, beside the log of feedback.

Two files, and no truth in both: ``feedback.jsonl`` has what training must know (what was asked in words, and which
trees a person accepted), for ever; here stand steps, times and labels, without a word of anybody's, and may be deleted.
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Column, Float, Index, Integer, MetaData, String, Table, Text, insert, select

from greenloop.records.funnel import FunnelEvent, Retained
from greenloop.storage.database import named_database_errors, open_database, replacing, writing

_TABLES = MetaData()
_EVENTS = Table(
    "funnel_events",
    _TABLES,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", Float, nullable=False),
    Column("step", String(16), nullable=False),
    Column("turn", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Index("funnel_events_time", "time"),
)
_RETAINED = Table(
    "funnel_retained",
    _TABLES,
    Column("acceptance", String(64), primary_key=True),
    Column("horizon", String(16), primary_key=True),
    Column("kept", Integer, nullable=False),
    Column("of", Integer, nullable=False),
)
_PART = 2000
_WAY_OUT = "move the file away: it holds statistics only"


class Funnel:
    """The database at ``path``, created when missing. Any number of processes may write at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = open_database(path, _TABLES)

    def __enter__(self) -> "Funnel":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def add(self, event: FunnelEvent) -> None:
        """Add an event. Raises ``EnvironmentFault`` when the disk refuses."""
        row = {"time": event.time, "step": event.step.value, "turn": event.turn, "body": event.to_json()}
        with named_database_errors(self._path, "the event cannot be kept", _WAY_OUT), writing(self._engine) as begun:
            begun.execute(insert(_EVENTS), row)

    def events(self, since: float = 0.0) -> Iterator[FunnelEvent]:
        """Yield the events from a moment (Unix seconds) on, in the order of their writing.

        Raises ``RecordError`` for an event of a later Greenloop.
        """
        after = 0
        while True:
            query = select(_EVENTS.c.id, _EVENTS.c.body).where(_EVENTS.c.id > after, _EVENTS.c.time >= since)
            with (
                named_database_errors(self._path, "the events cannot be read", _WAY_OUT),
                self._engine.begin() as begun,
            ):
                rows = begun.execute(query.order_by(_EVENTS.c.id).limit(_PART)).all()
            for row in rows:
                yield FunnelEvent.from_json(row.body)
            if len(rows) < _PART:
                return
            after = rows[-1].id

    def keep(self, found: Retained) -> None:
        """Keep what was found of an acceptance at a horizon; found again, it is replaced."""
        with named_database_errors(self._path, "it cannot be kept", _WAY_OUT), writing(self._engine) as begun:
            begun.execute(replacing(self._engine, _RETAINED), found.model_dump())

    def retained(self) -> tuple[Retained, ...]:
        """Return all that was found of acceptances."""
        with named_database_errors(self._path, "it cannot be read", _WAY_OUT), self._engine.begin() as begun:
            rows = begun.execute(select(_RETAINED).order_by(_RETAINED.c.acceptance, _RETAINED.c.horizon)).all()
        return tuple(Retained(acceptance=row.acceptance, horizon=row.horizon, kept=row.kept, of=row.of) for row in rows)
