"""The audit log: who turned recording on, looked away, purged, exported and pushed, and when.

``HOME/audit.jsonl`` only ever grows, a line of JSON at a time. It says that something happened, never what was
recorded: no content, no path of a purged file.
"""

import getpass
import json
import time
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from greenloop.records import Record, RecordError
from greenloop.storage.lines import append_line, read_lines

_NAME = "audit.jsonl"


class Audited(Record):
    """One event."""

    time: float
    """Unix seconds."""
    event: str
    """``consent``, ``withdraw``, ``start``, ``end``, ``stop``, ``pause``, ``resume``, ``purge``, ``export``, ``push``,
    ``import``."""
    by: str
    """Login name."""
    facts: dict[str, str | int]


def append(home: Path, event: str, **facts: str | int) -> None:
    """Add an event that happens now. Raises ``EnvironmentFault`` when the disk refuses."""
    audited = Audited(time=time.time(), event=event, by=getpass.getuser(), facts=facts)
    append_line(home / _NAME, audited.to_json())


def read(home: Path) -> Iterator[Audited]:
    """Yield the events, the oldest first; a line that was cut off by a kill is passed by.

    Raises ``RecordError``, naming the line, when a whole one is damaged.
    """
    for number, line in read_lines(home / _NAME).whole:
        try:
            yield Audited.from_json(line)
        except (RecordError, ValidationError) as error:
            if isinstance(error.__cause__, json.JSONDecodeError):
                # the next event follows a line that a kill cut off, on a line of its own
                continue
            raise RecordError(f"{home / _NAME}:{number}: {error}", "somebody changed the audit log") from error
