"""What has to be known of a conversation with the sidecar to go on with another one after a restart.

After ``lost`` the client has been told the end of every turn in flight and the fate of every request that must not be
sent twice; after ``renew`` the new sidecar knows what the old one knew: who calls, and which workspaces are open.
No input or output here.
"""

import itertools
from dataclasses import dataclass

from greenloop.aid.protocol.catalogue import (
    CANCEL_REQUEST,
    INITIALIZE,
    METHODS,
    TURN_ENDED,
    TURN_START,
    WORKSPACE_CLOSE,
    WORKSPACE_OPEN,
)
from greenloop.aid.protocol.faults import Code
from greenloop.aid.protocol.session import CancelRequest
from greenloop.aid.protocol.turns import Fault, Outcome, TurnEnded
from greenloop.aid.wire import messages
from greenloop.aid.wire.messages import Answer, Envelope, Id, Notice, Request
from greenloop.records import Refused

_PENDING = 1024
_REPLAY = "greenloop/renew/"
"""The ids of our own requests begin with it; a client's may not."""
LOST = Fault(
    code=Code.RESTARTED,
    message="the sidecar was restarted in the middle of this; nothing was applied",
    way_out="ask again",
)


@dataclass(frozen=True)
class _Pending:
    """A request of the client that is not answered yet. ``body`` is empty once it must not be sent any more."""

    request: Request
    body: bytes


class Continuity:
    """Watches the messages of one client, both ways."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._pending: dict[Id, _Pending] = {}
        self._asked: dict[Id, None] = {}
        self._turns: dict[str, None] = {}
        self._introduction: Request | None = None
        self._workspaces: dict[str, Request] = {}
        self._renewing: dict[Id, Request] = {}
        self.unwelcome: Fault | None = None
        """Why a new sidecar does not take the client, where it does not."""

    @property
    def turns(self) -> tuple[str, ...]:
        """The turns in flight, oldest first."""
        return tuple(self._turns)

    @property
    def renewing(self) -> bool:
        """Whether the new sidecar has not yet answered all that ``renew`` told it."""
        return bool(self._renewing)

    def take(self, message: Envelope, body: bytes) -> None:
        """Note a message of the client, which is to be sent.

        Raises ``Refused`` for a request whose id is taken, and for too many requests.
        """
        if isinstance(message, Answer):
            if message.id is not None:
                self._asked.pop(message.id, None)
        elif isinstance(message, Request):
            if message.id in self._pending or str(message.id).startswith(_REPLAY):
                raise Refused(Code.INVALID, f"the id {message.id!r} is taken")
            if len(self._pending) >= _PENDING:
                raise Refused(Code.TOO_MANY, f"{_PENDING} requests wait for their answers", "wait for some of them")
            self._pending[message.id] = _Pending(message, body)

    def written(self, identity: Id) -> None:
        """Note that a request is being sent: from now on only one that is safe to repeat is kept."""
        pending = self._pending.get(identity)
        if pending is not None and not _repeatable(pending.request):
            request = Request(identity, pending.request.method, None)
            self._pending[identity] = _Pending(request, b"")

    def received(self, message: Envelope) -> bool:
        """Note a message of the sidecar, and tell whether the client is to have it."""
        match message:
            case Request():
                self._asked[message.id] = None
            case Notice() if message.method == TURN_ENDED.name:
                self._turns.pop(_text(message.params, "turn"), None)
            case Notice() if message.method == CANCEL_REQUEST.name:
                self._asked.pop(_text(message.params, "id"), None)
            case Answer():
                if message.id in self._renewing:
                    self._renewed(self._renewing.pop(message.id), message)
                    return False
                # an answer to what was given up meanwhile has no reader any more
                return message.id is None or self._answered(message.id, message)
            case _:
                pass
        return True

    def lost(self) -> list[bytes]:
        """Note that the sidecar has gone, and return what the client is to be told."""
        told = [messages.notice(TURN_ENDED.name, _ended(turn)) for turn in self._turns]
        for identity in self._asked:
            told.append(messages.notice(CANCEL_REQUEST.name, CancelRequest(id=identity)))
        for identity, pending in list(self._pending.items()):
            if not pending.body:
                told.append(messages.refusal(identity, LOST))
                del self._pending[identity]
        self._turns.clear()
        self._asked.clear()
        self._renewing.clear()
        return told

    def renew(self) -> list[bytes]:
        """Return what a new sidecar is told first; ``renewing`` says when it has answered."""
        requests = [] if self._introduction is None else [self._introduction, *self._workspaces.values()]
        self._renewing = {f"{_REPLAY}{next(self._numbers)}": request for request in requests}
        return [messages.forward(identity, one.method, one.params) for identity, one in self._renewing.items()]

    def unanswered(self) -> list[tuple[Id, bytes]]:
        """Return the requests that wait for their answers and are to be sent, oldest first.

        They are those that are safe to repeat, and those that came while there was no sidecar.
        """
        return [(identity, pending.body) for identity, pending in self._pending.items() if pending.body]

    def give_up(self, fault: Fault) -> list[bytes]:
        """Note that there is no sidecar to be had, and return what the client is to be told."""
        told = [messages.refusal(identity, fault) for identity in self._pending]
        self._pending.clear()
        return told

    def _renewed(self, request: Request, answer: Answer) -> None:
        if answer.fault is None:
            self._learn(request, answer)
        elif request.method == INITIALIZE.name:
            self.unwelcome = answer.fault
        else:
            # its folder has gone meanwhile: later requests will say so
            self._workspaces = {name: one for name, one in self._workspaces.items() if one is not request}

    def _answered(self, identity: Id, answer: Answer) -> bool:
        pending = self._pending.pop(identity, None)
        if pending is None:
            return False
        if answer.fault is None:
            self._learn(pending.request, answer)
        return True

    def _learn(self, request: Request, answer: Answer) -> None:
        """Remember what a new sidecar would have to know."""
        if request.method == INITIALIZE.name:
            self._introduction = request
        elif request.method == WORKSPACE_OPEN.name:
            self._workspaces[_text(answer.result, "workspace")] = request
        elif request.method == WORKSPACE_CLOSE.name:
            self._workspaces.pop(_text(request.params, "workspace"), None)
        elif request.method == TURN_START.name:
            self._turns[_text(answer.result, "turn")] = None


def _repeatable(request: Request) -> bool:
    method = METHODS.get(request.method)
    return method is not None and method.repeatable


def _ended(turn: str) -> TurnEnded:
    return TurnEnded(turn=turn, outcome=Outcome.FAILED, summary=LOST.message, fault=LOST)


def _text(params: object, name: str) -> str:
    return str(params.get(name, "")) if isinstance(params, dict) else ""
