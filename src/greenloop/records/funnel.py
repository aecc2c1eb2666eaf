"""What becomes of a turn, step by step, in numbers and labels: never a prompt, code, or a path."""

import hashlib
import re
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from greenloop.records.base import Count, Record, UnixTime

_LABEL = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"
Label = Annotated[str, StringConstraints(pattern=rf"^({_LABEL})?$")]
"""A short name without blanks, quotes or slashes, so that neither code nor a path fits; or nothing."""
Tree = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")]
"""A tree's id, or nothing."""
Milliseconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def label(text: str) -> str:
    """Return a text as a label: itself where it is one, else a hash of it, as of a model named by its path."""
    if not text or re.fullmatch(_LABEL, text):
        return text
    return f"sha-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


class Step(StrEnum):
    """The steps of the funnel, and how a turn ends."""

    REQUESTED = "requested"
    PROPOSED = "proposed"
    """A candidate came. Of this step and the next two ``fault`` says what kept it from the one behind."""
    PARSED = "parsed"
    """It was read as an edit."""
    APPLIED = "applied"
    """It applied; ``rung`` says how literally."""
    VERIFIED = "verified"
    """A build judged it; ``badge`` says how."""
    SHOWN = "shown"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNDONE = "undone"
    ENDED = "ended"


class Measure(StrEnum):
    """What a task is measured by. ``higher`` is better, or it is not."""

    ACCEPTED = "accepted"
    """Some suggestion was accepted, a hunk of it at least."""
    KEPT = "kept"
    """Half of what was accepted, or more, is there after 10 minutes."""
    UNDONE = "undone"
    """Something accepted was taken back."""
    FAILED = "failed"
    """A turn ended with a fault."""
    CANCELLED = "cancelled"
    """A turn was cancelled."""
    FIRST_TOKEN = "first_token_ms"  # noqa: S105 - a measure, not a password
    FIRST_DIFF = "first_diff_ms"
    VERIFIED = "verified_ms"
    """Milliseconds, of the turns that got so far, on average."""

    @property
    def higher(self) -> bool:
        """Whether more of it is better."""
        return self in {Measure.ACCEPTED, Measure.KEPT}


class FunnelEvent(Record):
    """One step of one turn."""

    time: UnixTime
    step: Step
    turn: Label
    task: Label = ""
    """The conversation that the turn belongs to."""
    suggestion: Label = ""
    acceptance: Label = ""
    """Names of turns, suggestions and acceptances are unique over all machines: figures of several are joined."""
    workspace: Label = ""
    """A hash of the recorder's name for it (``label``)."""
    developer: Label = ""
    """A pseudonym."""
    client: Label = ""
    kind: Label = ""
    """``ask``, ``fix``."""
    model: Label = ""
    strategy: Label = ""
    context: Label = ""
    arms: dict[Label, Label] = Field(default_factory=dict)
    """Experiment → arm."""
    rung: int | None = Field(default=None, ge=0, le=9)
    badge: Label = ""
    outcome: Label = ""
    """Of ``ended``: ``done``, ``cancelled``, ``failed``."""
    fault: Label = ""
    hunks: Count = 0
    """Hunks that this step is about."""
    of_hunks: Count = 0
    """Hunks of the whole suggestion."""
    characters: Count = 0
    """Of the new text."""
    base: Tree = ""
    result: Tree = ""
    """Of ``accepted``: the trees before and after what was accepted."""
    prompt_tokens: Count = 0
    reply_tokens: Count = 0
    first_token_ms: Milliseconds | None = None
    first_diff_ms: Milliseconds | None = None
    verified_ms: Milliseconds | None = None
    total_ms: Milliseconds | None = None
    """Of ``ended``: from the request. A time is missing where the turn ended before."""


class Retained(Record):
    """How much of an acceptance a later state of the workspace still holds, in lines added and lines removed."""

    acceptance: Label
    horizon: Label
    """``30s``, ``2min``, ``5min``, ``10min``, ``commit``."""
    kept: Count
    of: Count
