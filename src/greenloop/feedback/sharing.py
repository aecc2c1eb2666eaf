"""The funnel of several people as one: written to files by each, and read together.

A file holds what the funnel holds, a record a line: labels and numbers, no prompt, no code, no path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop.feedback.funnel import Funnel
from greenloop.records import InputError, RecordError
from greenloop.records.funnel import FunnelEvent, Retained
from greenloop.storage import replacing
from greenloop.storage.lines import read_lines


@dataclass(frozen=True, slots=True)
class Told:
    """Events, in the order of their writing in each file, and what was found of acceptances."""

    events: tuple[FunnelEvent, ...]
    retained: tuple[Retained, ...]


def write(funnel: Funnel, path: Path, since: float = 0.0) -> int:
    """Write a funnel's events from a moment on, and what was found of acceptances; return how many lines."""
    count = 0
    with replacing(path) as file:
        for record in (*funnel.events(since), *funnel.retained()):
            file.write(f"{record.to_json()}\n".encode())
            count += 1
    return count


def read(funnel: Funnel, paths: Sequence[Path]) -> Told:
    """Return what a funnel and files of others' hold together; what stands in several of them counts once.

    Raises ``InputError`` for a missing file, ``RecordError`` that names the line for one that cannot be read.
    """
    # dictionaries, since somebody may well hand in a file twice, or their own
    events = {event.to_json(): event for event in funnel.events()}
    retained = {(one.acceptance, one.horizon): one for one in funnel.retained()}
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file", "name a file that `greenloop experiments export` wrote")
        lines = read_lines(path)
        if lines.torn is not None:
            raise RecordError(f"{path}:{lines.torn[0]}: the last line is cut short", "get the file again")
        for number, text in lines.whole:
            record = _record(path, number, text)
            if isinstance(record, Retained):
                retained.setdefault((record.acceptance, record.horizon), record)
            else:
                events.setdefault(record.to_json(), record)
    return Told(tuple(events.values()), tuple(retained.values()))


def _record(path: Path, number: int, text: str) -> FunnelEvent | Retained:
    kind: type[FunnelEvent] | type[Retained] = Retained if '"record":"Retained"' in text else FunnelEvent
    try:
        return kind.from_json(text)
    except RecordError as error:
        raise RecordError(f"{path}:{number}: {error.message}", error.way_out) from error
