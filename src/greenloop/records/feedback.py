"""What became of a suggestion."""

from enum import StrEnum

from greenloop.records.base import Record
from greenloop.records.tree import TreeId


class FeedbackKind(StrEnum):
    """The steps of the funnel that people's hands take."""

    REQUESTED = "requested"
    SHOWN = "shown"
    ACCEPTED = "accepted"
    REFUSED = "refused"


class Feedback(Record):
    """One event in the append-only log."""

    time: float
    kind: FeedbackKind
    suggestion: str
    base: TreeId
    result: TreeId
    model: str
    badge: str
    words: str = ""
    """What was asked for, where a person typed it; empty where it may hold a secret."""
