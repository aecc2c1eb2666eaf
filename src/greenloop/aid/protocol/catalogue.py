"""Every method and notification of the protocol: its name, its params and result, and whether it may be repeated.

A request is safe to repeat when sending it twice does no more than sending it once. A client that loses the sidecar
in the middle repeats those; the others end with the fault ``sidecar-restarted``, and the person decides.
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from greenloop.aid.protocol import session, tools, turns
from greenloop.aid.protocol.base import Empty, Message

P = TypeVar("P", bound=Message)
R = TypeVar("R", bound=Message)


@dataclass(frozen=True)
class Method(Generic[P, R]):
    """A request and its answer."""

    name: str
    params: type[P]
    result: type[R]
    repeatable: bool
    about: str
    """A sentence for people who write a client."""


@dataclass(frozen=True)
class Notification(Generic[P]):
    """A message without an answer."""

    name: str
    params: type[P]
    about: str


INITIALIZE = Method(
    "initialize",
    session.Initialize,
    session.Initialized,
    True,
    "The first request: who calls, and how it counts columns.",
)
SIDECAR_STATUS = Method(
    "sidecar/status", Empty, session.SidecarStatus, True, "How the sidecar fares; allowed before `initialize`."
)
SIDECAR_STOP = Method("sidecar/stop", session.SidecarStop, Empty, True, "End the sidecar; allowed before `initialize`.")
WORKSPACE_OPEN = Method(
    "workspace/open", session.WorkspaceOpen, session.WorkspaceState, True, "Follow the workspace that a file lies in."
)
WORKSPACE_CLOSE = Method("workspace/close", session.WorkspaceRef, Empty, True, "Follow it no longer.")
WORKSPACE_TRUST = Method(
    "workspace/trust", session.WorkspaceTrust, session.WorkspaceState, True, "Keep whether it may be built and run."
)
STATUS_GET = Method("status/get", session.WorkspaceRef, session.Status, True, "Whether the build is green.")
TURN_START = Method("turn/start", turns.TurnStart, turns.TurnStarted, False, "Ask for a change, or for a fix.")
TURN_CANCEL = Method("turn/cancel", turns.TurnRef, Empty, False, "Stop a turn; its `turn/ended` follows.")
TURN_EXPLAIN = Method("turn/explain", turns.TurnExplain, turns.Explanation, True, "What exactly was sent to the model.")
SUGGESTION_SHOWN = Method(
    "suggestion/shown", turns.SuggestionShown, Empty, True, "The person has it before the eyes; twice counts once."
)
SUGGESTION_ACCEPT = Method(
    "suggestion/accept", turns.SuggestionAccept, turns.Handover, False, "Get what to write for the hunks accepted."
)
SUGGESTION_APPLIED = Method(
    "suggestion/applied", turns.SuggestionApplied, Empty, True, "Whether it was written; twice counts once."
)
SUGGESTION_REFUSE = Method(
    "suggestion/refuse", turns.SuggestionRefuse, Empty, True, "The person does not want them; twice counts once."
)
SUGGESTION_UNDONE = Method(
    "suggestion/undone", turns.SuggestionUndone, Empty, True, "What was written was taken back; twice counts once."
)
TOOLS_LIST = Method("tools/list", session.WorkspaceRef, tools.Tools, True, "The domain tools of a workspace.")
TOOLS_CALL = Method("tools/call", tools.ToolCall, tools.ToolResult, False, "Run a domain tool for the person.")
CONVERSATION_LIST = Method(
    "conversation/list", session.WorkspaceRef, turns.Conversations, True, "Earlier conversations, newest first."
)
CONVERSATION_READ = Method(
    "conversation/read", turns.ConversationRef, turns.Conversation, True, "All that was said in one."
)

APPROVAL_REQUEST = Method(
    "approval/request", tools.ApprovalRequest, tools.Approval, False, "May this be done? Asked of the client."
)

FILE_SAVED = Notification("file/saved", session.FileSaved, "A hint that a file was saved.")
CANCEL_REQUEST = Notification(
    "$/cancelRequest", session.CancelRequest, "The sender no longer wants an answer to one of its requests."
)
STATUS_CHANGED = Notification("status/changed", session.Status, "The build status of a workspace that is open.")
TURN_PROGRESS = Notification("turn/progress", turns.TurnProgress, "What a turn is doing.")
TURN_DELTA = Notification("turn/delta", turns.TurnDelta, "Text of the model as it comes.")
TURN_CANDIDATE = Notification("turn/candidate", turns.TurnCandidate, "A suggestion, or news of one.")
TURN_ENDED = Notification("turn/ended", turns.TurnEnded, "The last one of a turn.")

_TO_SIDECAR: tuple[Method[Any, Any], ...] = (
    INITIALIZE, SIDECAR_STATUS, SIDECAR_STOP,
    WORKSPACE_OPEN, WORKSPACE_CLOSE, WORKSPACE_TRUST, STATUS_GET,
    TURN_START, TURN_CANCEL, TURN_EXPLAIN,
    SUGGESTION_SHOWN, SUGGESTION_ACCEPT, SUGGESTION_APPLIED, SUGGESTION_REFUSE, SUGGESTION_UNDONE,
    TOOLS_LIST, TOOLS_CALL, CONVERSATION_LIST, CONVERSATION_READ,
)  # fmt: skip
_NOTES_TO_CLIENT: tuple[Notification[Any], ...] = (
    STATUS_CHANGED, TURN_PROGRESS, TURN_DELTA, TURN_CANDIDATE, TURN_ENDED, CANCEL_REQUEST,
)  # fmt: skip

METHODS = {method.name: method for method in _TO_SIDECAR}
"""What clients ask the sidecar."""
QUESTIONS: dict[str, Method[Any, Any]] = {APPROVAL_REQUEST.name: APPROVAL_REQUEST}
"""What the sidecar asks clients."""
NOTES: dict[str, Notification[Any]] = {FILE_SAVED.name: FILE_SAVED, CANCEL_REQUEST.name: CANCEL_REQUEST}
"""What clients tell the sidecar."""
NEWS = {note.name: note for note in _NOTES_TO_CLIENT}
"""What the sidecar tells clients."""
