"""What became of a suggestion."""

from enum import StrEnum

from greenloop.records.base import Record
from greenloop.records.suggestion import Rung
from greenloop.records.tree import TreeId


class FeedbackKind(StrEnum):
    """The steps of the funnel: from a request to what people's hands do with what came of it."""

    REQUESTED = "requested"
    FIRST_TOKEN = "first-token"  # noqa: S105 - no password
    """The first piece of a model's answer came."""
    PARSED = "parsed"
    """A reply was read: ``reason`` says why it holds no edit, if it holds none."""
    APPLIED = "applied"
    """An edit was laid on the tree; ``reason`` says why it was not, ``rung`` how literally it matched."""
    VERIFIED = "verified"
    """A verdict was reached on where it leads: see ``badge``."""
    ENDED = "ended"
    """The turn ended; ``reason`` is how: ``done``, ``cancelled``, or a fault's name."""
    SHOWN = "shown"
    ACCEPTED = "accepted"
    WRITTEN = "written"
    """The editor wrote what it was handed; ``reason`` says why not, if it did not."""
    REFUSED = "refused"
    UNDONE = "undone"


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
    turn: str = ""
    """The sidecar's turn; empty for what the command line did."""
    task: str = ""
    """The conversation that the turn belongs to."""
    workspace: str = ""
    client: str = ""
    """The editor's name."""
    strategy: str = ""
    acceptance: str = ""
    hunks: tuple[str, ...] = ()
    """Ids of the hunks that were accepted or refused."""
    of_hunks: int = 0
    """How many the suggestion has."""
    rung: Rung | None = None
    reason: str = ""
    """A short stable word; empty where nothing needs one."""
    flags: tuple[str, ...] = ()
    repaired: int = 0
    seconds: float | None = None
    """Since the turn was asked for."""
    tokens: int = 0
    """Of the reply."""
