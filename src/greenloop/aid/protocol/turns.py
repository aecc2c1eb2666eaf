"""A turn: a request, what comes of it, and what the person does with that."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from greenloop.aid.protocol.base import Message, Position, Range
from greenloop.aid.protocol.session import Problem
from greenloop.records import Badge


class Buffer(Message):
    """A file as an editor holds it, saved or not; ``text`` is what it would write to the disk, line ends included."""

    path: str
    text: str | None
    """``None``: the file is deleted, or was renamed away, in the editor."""


class Place(Message):
    """Where the person is."""

    path: str
    cursor: Position | None = None
    selection: Range | None = None


class TurnStart(Message):
    """``turn/start``. The answer is ``TurnStarted``, at once; all else comes in notifications."""

    workspace: str
    kind: Literal["ask", "fix"]
    prompt: str = ""
    """The person's words. For ``fix`` they may be empty."""
    place: Place | None = None
    whole_project: bool = False
    """The request is about the whole project, not about ``place``."""
    buffers: tuple[Buffer, ...] = ()
    """Every buffer that differs from the disk, whatever it is about."""
    seen: tuple[Problem, ...] = ()
    """The diagnostics that the person sees; the first one, or that at the cursor, is what `fix` is about."""
    conversation: str = ""
    """The conversation that it goes on with ("no, keep the old name"); empty: a new one."""


class TurnStarted(Message):
    """The answer to ``turn/start``."""

    turn: str
    conversation: str


class TurnRef(Message):
    """``turn/cancel``."""

    turn: str


class TurnExplain(Message):
    """``turn/explain``."""

    turn: str = ""
    """Empty: the newest turn of any client."""


class Stage(StrEnum):
    """What a turn is doing."""

    READING = "reading"
    CHECKING = "checking"
    ASKING = "asking"
    JUDGING = "judging"
    REPAIRING = "repairing"


class TurnProgress(Message):
    """``turn/progress`` (a notification)."""

    turn: str
    stage: Stage
    text: str = ""
    """A sentence for people."""


class TurnDelta(Message):
    """``turn/delta`` (a notification): text as it comes. ``thought`` is a reasoning model's, shown on demand only."""

    turn: str
    candidate: int = Field(ge=0)
    text: str
    thought: bool = False


class Hunk(Message):
    """Whole lines of one file. Lines count from 0 in the file as it was asked about; ``end`` is exclusive."""

    id: str
    start: int = Field(ge=0)
    end: int = Field(ge=0)
    old: str
    """The lines that are replaced, line ends included; empty for an insertion before ``start``."""
    new: str
    new_start: int = Field(ge=0)
    """Where the new lines stand when every hunk is applied."""


class FileChange(Message):
    """What happens to one file."""

    path: str
    kind: Literal["change", "create", "delete", "rename"]
    new_path: str | None = None
    hunks: tuple[Hunk, ...] = ()
    """Of ``change``, and of ``rename`` where the text changes too; ``create`` and ``delete`` have one, the whole."""
    base_sha256: str | None = None
    """Of the UTF-8 text that the hunks are about; ``None`` where the file is created."""


class Proposed(Message):
    """A suggestion with its badge."""

    id: str
    files: tuple[FileChange, ...]
    diff: str
    """All of it as a unified diff, for reading."""
    badge: Badge
    label: str
    """The badge in words for people: "type-checks", "2 errors", "unverified: the build timed out"."""
    problems: tuple[Problem, ...] = ()
    """What is wrong with the tree that it leads to, where the badge is ``errors``."""
    flags: tuple[str, ...] = ()
    """Reasons for mistrust, in words: it is ranked last for them."""
    fixed: bool = False
    source: str = ""
    """What made it, as a word for people (`search`, `model`); which model it was, an arm of an experiment may hide."""
    repaired: int = Field(default=0, ge=0)
    """Rounds in which the compiler's message was given back to the model."""


class TurnCandidate(Message):
    """``turn/candidate`` (a notification): a suggestion came, or what was known of it has changed."""

    turn: str
    suggestion: Proposed
    rank: int = Field(ge=0)
    """Its place among those that there are by now; 0 is the best."""


class Outcome(StrEnum):
    """How a turn ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Fault(Message):
    """An error by its name: ``code`` is stable, ``message`` says what happened, ``way_out`` what to do."""

    code: str
    message: str
    way_out: str = ""


class Account(Message):
    """What a turn began with and came to, for scripts and statistics."""

    before: str = ""
    """What the build says of the code that was asked about: `green`, `red`, or how else it ended; may be empty."""
    problems: tuple[Problem, ...] = ()
    """The first errors of that code."""
    attempts: int = Field(default=0, ge=0)
    """How many proposals came to their ends."""
    why_not: dict[str, int] = Field(default_factory=dict)
    """Reason, a stable word → how many proposals are no honest fix for it."""


class TurnEnded(Message):
    """``turn/ended`` (a notification): the last one of a turn."""

    turn: str
    outcome: Outcome
    order: tuple[str, ...] = ()
    """The suggestions' ids, best first."""
    summary: str = ""
    text: str = ""
    """What the model said beside its edits, as Markdown."""
    fault: Fault | None = None
    account: Account = Account()


class SuggestionAccept(Message):
    """``suggestion/accept``: the person wants these hunks. Nothing is written by it: the answer says what to write.

    ``buffers`` holds each file of the suggestion that is open in the editor as it is now, saved or not; the others are
    read from the disk. Where a base is not what the suggestion was made for, the hunks are laid on the new text if they
    find their place, judged anew, and handed over with the new badge; else the answer is the fault ``stale``.
    """

    turn: str
    suggestion: str
    hunks: tuple[str, ...] | None = None
    """Ids of hunks, and paths of files that have none, as where only the name changes; ``None`` for all."""
    buffers: tuple[Buffer, ...] = ()


class FileText(Message):
    """What a file is to become. ``text`` ``None``: it goes; ``base_sha256`` ``None``: it must not be there before."""

    path: str
    base_sha256: str | None
    text: str | None
    hunks: tuple[Hunk, ...] = ()
    """The same as changes of lines of the base, so that marks and cursors keep their place."""
    executable: bool = False
    """Whether it may be run as a program; of interest where the file is new, under this name."""


class Handover(Message):
    """The answer to ``suggestion/accept``."""

    acceptance: str
    """Names it in ``suggestion/applied``; an acceptance is written once."""
    files: tuple[FileText, ...]
    badge: Badge
    """Of the tree to which just these hunks lead, which may not be the suggestion's."""
    label: str
    problems: tuple[Problem, ...] = ()
    rebased: bool = False
    """The text had changed since the request, and the hunks were judged anew on it."""


class SuggestionApplied(Message):
    """``suggestion/applied``: whether the editor wrote what it was handed; ``note`` says why not."""

    acceptance: str
    applied: bool
    note: str = ""


class SuggestionRefuse(Message):
    """``suggestion/refuse``: the person does not want these hunks (``None``: any of them)."""

    turn: str
    suggestion: str
    hunks: tuple[str, ...] | None = None
    """As in ``suggestion/accept``."""


class SuggestionUndone(Message):
    """``suggestion/undone``: an acceptance was taken back in the editor."""

    acceptance: str


class SuggestionShown(Message):
    """``suggestion/shown``: the person has it before the eyes; only then does it count as shown."""

    turn: str
    suggestion: str


class Said(Message):
    """One entry of a conversation."""

    role: Literal["person", "greenloop"]
    text: str
    turn: str
    time: float


class ConversationRef(Message):
    """``conversation/read``."""

    conversation: str


class Conversation(Message):
    """The answer to ``conversation/read``, and without ``said`` an entry of that to ``conversation/list``."""

    conversation: str
    title: str
    time: float
    said: tuple[Said, ...] = ()


class Conversations(Message):
    """The answer to ``conversation/list``, newest first."""

    conversations: tuple[Conversation, ...]


class ShownPart(Message):
    """A part of what was sent to a model: which plug-in chose it, why, and what it cost."""

    role: str
    text: str
    plugin: str
    why: str
    tokens: int = Field(ge=0)


class Explanation(Message):
    """The answer to ``turn/explain``: exactly what was sent, in order, and what was left out for want of room."""

    turn: str
    model: str
    strategy: str
    parts: tuple[ShownPart, ...]
    left_out: tuple[str, ...] = ()
