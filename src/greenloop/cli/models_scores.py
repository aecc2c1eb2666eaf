"""From an evaluation's folder to what the book of models keeps of it."""

import time
from pathlib import Path

from pydantic import ConfigDict, ValidationError
from rich.markup import escape

from greenloop.cli.console import err
from greenloop.models.book import Book, Entry
from greenloop.models.versions import Figure, Scored
from greenloop.records import InputError, Part, RecordError
from greenloop.storage import named_io_errors

_OF_A_BOOK = "own:"


class _Loose(Part):
    """A part of a report of which only some is read: scipy, which the whole of it needs, takes seconds to import."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Interval(_Loose):
    low: float
    high: float


class _Score(_Loose):
    name: str
    value: float
    tasks: int
    interval: _Interval | None = None


class _Settings(_Loose):
    model: str
    dataset: str
    greedy: int
    sampled: int


class _Degenerate(_Loose):
    blocked: bool
    reasons: tuple[str, ...] = ()


class _Report(_Loose):
    settings: _Settings
    scores: tuple[_Score, ...]
    degenerate: _Degenerate | None = None


def attach(book: Book, folder: Path, entry: Entry | None = None) -> Entry | None:
    """Keep the report in ``folder`` with the version that it is of, say so, and return that version.

    ``None``, and nothing kept, where the report is of a model that is not of the book. Raises ``InputError`` when it is
    of another version than ``entry``, or there is no report; ``RecordError`` when it cannot be read.
    """
    report = _read(folder / "report.json")
    model = report.settings.model
    if entry is not None and model != entry.reference:
        raise InputError(
            f"{folder}: an evaluation of {model}, not of {entry.reference}",
            f"greenloop eval run --model {entry.reference}",
        )
    if not model.startswith(_OF_A_BOOK):
        return None
    kept = book.score(model, _scored(report))
    if kept.version.blocked:
        err.print(f"[bold red]{escape(kept.reference)} may not become the default[/]: {escape(kept.version.blocked)}")
    return kept


def _read(path: Path) -> _Report:
    with named_io_errors(path):
        if not path.is_file():
            raise InputError(f"{path}: no such report", "give the folder that `greenloop eval run` wrote")
        content = path.read_bytes()
    try:
        return _Report.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise RecordError(f"{path}: no report of an evaluation: {where}: {first['msg']}") from error


def _scored(report: _Report) -> Scored:
    settings, check = report.settings, report.degenerate
    return Scored(
        time=time.time(),
        dataset=settings.dataset,
        greedy=settings.greedy,
        sampled=settings.sampled,
        figures=tuple(
            Figure(
                name=one.name,
                value=one.value,
                tasks=one.tasks,
                low=one.interval.low if one.interval else None,
                high=one.interval.high if one.interval else None,
            )
            for one in report.scores
        ),
        blocked=check is not None and check.blocked,
        why="; ".join(check.reasons) if check is not None and check.blocked else "",
    )
