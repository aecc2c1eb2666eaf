"""The seam into which a turn tells its steps."""

from typing import Protocol

from greenloop.records.funnel import FunnelEvent


class Sink(Protocol):
    """Takes events. Safe to use from several threads."""

    def note(self, event: FunnelEvent) -> None:
        """Take an event. Raises ``EnvironmentFault`` when it cannot be kept."""
        ...


class ListSink(Sink):
    """The fake: keeps events in ``events``."""

    def __init__(self) -> None:
        self.events: list[FunnelEvent] = []

    def note(self, event: FunnelEvent) -> None:
        self.events.append(event)
