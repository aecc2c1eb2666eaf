"""The log of feedback: one JSON line an event."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import Feedback, FeedbackKind, RecordError, TreeId
from greenloop.storage.lines import append_line, read_lines


@dataclass(frozen=True, slots=True)
class Reading:
    """What a log holds. ``torn`` are the numbers (from 1) of the lines that a crash cut off: their events are lost."""

    events: tuple[Feedback, ...]
    torn: tuple[int, ...]


class FeedbackLog:
    """The log at ``path``, which is created with its first event. Any number of processes may append at once."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: Feedback) -> None:
        """Add one event; it is on the disk when this returns. Raises ``EnvironmentFault`` when the disk refuses."""
        append_line(self.path, event.to_json())

    def scan(self) -> Reading:
        """Return all events in the order of their writing, and which lines were torn.

        Raises ``RecordError`` when a line is whole but no event of this Greenloop: damage or a later version is
        never taken for a tear.
        """
        lines = read_lines(self.path)
        events: list[Feedback] = []
        torn: list[int] = []
        # an event that lacks nothing but its line end is whole: the next append will end it
        for number, text in (*lines.whole, *([] if lines.torn is None else [lines.torn])):
            if _cut_off(text):
                torn.append(number)
                continue
            try:
                events.append(Feedback.from_json(text))
            except RecordError as error:
                raise RecordError(f"{self.path}:{number}: {error.message}", error.way_out) from error
        return Reading(tuple(events), tuple(torn))

    def read(self) -> Iterator[Feedback]:
        """Yield the whole events in the order of their writing; ``scan`` also tells which lines were torn."""
        yield from self.scan().events

    def accepted(self) -> tuple[tuple[TreeId, TreeId], ...]:
        """Return the trees before and after each suggestion that was accepted, each pair once, in order.

        What lies between them is never to be trained on as a person's work.
        """
        events = (event for event in self.read() if event.kind is FeedbackKind.ACCEPTED)
        return tuple(dict.fromkeys((event.base, event.result) for event in events))

    def requests(self) -> tuple[str, ...]:
        """Return what people typed, in the order of writing; what was typed twice stands there twice."""
        return tuple(event.words for event in self.read() if event.kind is FeedbackKind.REQUESTED and event.words)


def _cut_off(text: str) -> bool:
    """Whether ``text`` is an event that was cut short: no proper beginning of a JSON object is JSON itself."""
    try:
        json.loads(text)
    except json.JSONDecodeError:
        return text.startswith("{")
    return False
