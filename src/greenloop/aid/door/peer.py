"""One client as the service sees it: what it may be told, in which order, and what it is asked."""

import itertools
import select
import threading
from collections import deque

from greenloop.aid.door.outbox import Outbox
from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.catalogue import (
    CANCEL_REQUEST,
    TURN_CANDIDATE,
    TURN_DELTA,
    TURN_ENDED,
    TURN_PROGRESS,
    Method,
    Notification,
    P,
    R,
)
from greenloop.aid.protocol.faults import Code
from greenloop.aid.protocol.session import CancelRequest, Initialize
from greenloop.aid.protocol.turns import Fault, Outcome, TurnEnded
from greenloop.aid.wire import messages
from greenloop.aid.wire.messages import Answer
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, Refused

_TURN_NEWS = {kind.name for kind in (TURN_PROGRESS, TURN_DELTA, TURN_CANDIDATE, TURN_ENDED)}
_ENDED_KEPT = 256
"""So many turns that ended are remembered, to drop what is said of them late."""


class _Question:
    """Something that the client was asked."""

    def __init__(self) -> None:
        self.settled = Stop()
        self.answer: Answer | None = None


class ClientPeer:
    """A ``service.Peer`` over an outbox. Safe to use from any thread."""

    def __init__(self, identity: str, outbox: Outbox) -> None:
        """``identity``: unique among all connections of all sidecars, so that no late answer meets another question."""
        self.id = identity
        self._outbox = outbox
        self._introduced: Initialize | None = None
        self._lock = threading.Lock()
        self._gone = False
        self._numbers = itertools.count(1)
        self._questions: dict[str, _Question] = {}
        self._running: set[str] = set()
        self._ended: deque[str] = deque(maxlen=_ENDED_KEPT)
        self._early: dict[str, list[tuple[str, bytes]]] = {}

    @property
    def introduced(self) -> bool:
        """Whether it has said who it is."""
        return self._introduced is not None

    def introduce(self, words: Initialize) -> None:
        """Note who it is."""
        self._introduced = words

    @property
    def client(self) -> str:
        """What it calls itself."""
        return self._introduced.client if self._introduced else ""

    @property
    def encoding(self) -> Encoding:
        """What its columns count."""
        return self._introduced.encoding if self._introduced else Encoding.UTF16

    @property
    def can_approve(self) -> bool:
        """Whether it may be asked."""
        return self._introduced is not None and self._introduced.can_approve

    @property
    def turns(self) -> frozenset[str]:
        """The turns that it has been told of, and not of their ends."""
        with self._lock:
            return frozenset(self._running)

    def notify(self, kind: Notification[P], params: P) -> None:
        """Tell it something."""
        body = messages.notice(kind.name, params)
        turn = getattr(params, "turn", "") if kind.name in _TURN_NEWS else ""
        # within the lock, so that news of a turn keep their order
        with self._lock:
            if not turn or turn in self._running:
                self._say(kind.name, turn, body)
            elif turn not in self._ended and not self._gone:
                self._early.setdefault(turn, []).append((kind.name, body))

    def begin(self, turn: str, body: bytes) -> None:
        """Answer ``turn/start``, and then say what the turn has said meanwhile."""
        with self._lock:
            self._outbox.put(body)
            self._running.add(turn)
            for name, early in self._early.pop(turn, []):
                self._say(name, turn, early)

    def ask(self, method: Method[P, R], params: P, stop: Stop) -> R:
        """Ask it something, and wait for the answer."""
        if not self.can_approve:
            raise Refused(Code.CANNOT_APPROVE, f"{self.client} does not answer {method.name}", "use another client")
        question = _Question()
        with question.settled:
            with self._lock:
                if self._gone:
                    raise Cancelled("the client has gone")
                identity = f"{self.id}:{next(self._numbers)}"
                self._questions[identity] = question
            self._outbox.put(messages.request(identity, method.name, params))
            _wait(question.settled, stop)
            with self._lock:
                del self._questions[identity]
        if question.answer is None:
            if stop.requested:
                self.notify(CANCEL_REQUEST, CancelRequest(id=identity))
            raise Cancelled("nobody is there to answer, or to wait for the answer")
        if question.answer.fault is not None:
            raise Refused(Code.CANNOT_APPROVE, question.answer.fault.message)
        return messages.read(method.result, question.answer.result, f"the answer to {method.name}")

    def answered(self, answer: Answer) -> None:
        """Take an answer; one to no question of ours is dropped: the question was taken back."""
        with self._lock:
            question = self._questions.get(str(answer.id))
            if question is not None and question.answer is None:
                question.answer = answer
                question.settled.request()

    def end_turns(self, fault: Fault) -> None:
        """Tell it of the end of each turn that it knows."""
        for turn in sorted(self.turns):
            self.notify(TURN_ENDED, TurnEnded(turn=turn, outcome=Outcome.FAILED, summary=fault.message, fault=fault))

    def leave(self) -> None:
        """Note that it has gone: whoever waits for its answer waits no longer."""
        self._outbox.shut()
        with self._lock:
            self._gone = True
            self._early.clear()
            for question in self._questions.values():
                question.settled.request()

    def _say(self, name: str, turn: str, body: bytes) -> None:
        if name == TURN_ENDED.name:
            self._running.discard(turn)
            self._ended.append(turn)
        self._outbox.put(body)


def _wait(*stops: Stop) -> None:
    poll = select.poll()
    for stop in stops:
        poll.register(stop.fileno(), select.POLLIN)
    poll.poll()
