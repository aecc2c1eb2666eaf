"""The one writer of what becomes of suggestions: the log of feedback, the funnel, and whoever else counts.

``feedback.jsonl`` is what mining reads: the words of requests and the trees of acceptances. It is written first, so
that nothing a person accepted is ever taken for their own work. ``funnel.db`` is what statistics read.
"""

from collections.abc import Sequence
from typing import Protocol

from greenloop.aid.metrics.sink import Sink
from greenloop.feedback.log import FeedbackLog
from greenloop.records import Feedback, FeedbackKind, TreeId
from greenloop.records.funnel import FunnelEvent, Step

_LOGGED = {
    Step.REQUESTED: FeedbackKind.REQUESTED,
    Step.SHOWN: FeedbackKind.SHOWN,
    Step.ACCEPTED: FeedbackKind.ACCEPTED,
    Step.REFUSED: FeedbackKind.REFUSED,
}


class Keeping(Protocol):
    """What keeps events of the funnel: a ``Funnel``, or one that is opened with its first event."""

    def add(self, event: FunnelEvent) -> None:
        """Keep an event. Raises ``EnvironmentFault`` when the disk refuses."""


class Recording(Sink):
    """Writes each event once to each place that keeps it; ``counting`` are sinks that only count."""

    def __init__(self, log: FeedbackLog, funnel: Keeping, counting: Sequence[Sink] = ()) -> None:
        self._log = log
        self._funnel = funnel
        self._counting = tuple(counting)

    def note(self, event: FunnelEvent) -> None:
        """Keep an event. One with trees that a person saw or decided on goes to the log of feedback as well."""
        self.remember(event)
        self.count(event)

    def note_with_words(self, event: FunnelEvent, words: str) -> None:
        """Keep an event of a request with what the person typed, which goes to the log of feedback alone.

        ``words`` is empty where it may hold a secret: the caller has screened it.
        """
        self.remember(event, words)
        self.count(event)

    def remember(self, event: FunnelEvent, words: str = "") -> None:
        """Keep in the log of feedback what training must know of an event, if there is something."""
        kind = _LOGGED.get(event.step)
        if kind is not None and event.base and (event.result or kind is FeedbackKind.REQUESTED):
            base = TreeId(event.base)
            self._log.append(
                Feedback(
                    time=event.time,
                    kind=kind,
                    suggestion=event.suggestion,
                    base=base,
                    result=TreeId(event.result) if event.result else base,
                    model=event.model,
                    badge=event.badge,
                    words=words,
                )
            )

    def count(self, event: FunnelEvent) -> None:
        """Count an event, and log nothing."""
        self._funnel.add(event)
        for sink in self._counting:
            sink.note(event)
