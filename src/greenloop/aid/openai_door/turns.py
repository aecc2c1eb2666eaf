"""One request, one turn: begun, listened to, and ended with whoever asked."""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.types import Receive

from greenloop.aid.openai_door.asked import Asked
from greenloop.aid.openai_door.errors import TIMED_OUT
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Encoding
from greenloop.aid.protocol.catalogue import Method, Notification, P, R
from greenloop.aid.protocol.faults import Code
from greenloop.aid.protocol.session import WorkspaceOpen, WorkspaceRef
from greenloop.aid.protocol.turns import (
    Outcome,
    Proposed,
    SuggestionShown,
    TurnCandidate,
    TurnEnded,
    TurnProgress,
    TurnStart,
    TurnStarted,
)
from greenloop.aid.service import Call, Service
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, GreenloopError, Overloaded, Refused

CLIENT = "openai-endpoint"
"""What its turns are counted under."""
_KEPT_OPEN = 4
"""Workspaces that stay open, and their builds warm, after a request; the one that was used longest ago is closed."""


@dataclass(frozen=True)
class Limits:
    """How much clients may ask for."""

    body_bytes: int = 4 << 20
    turns: int = 8
    """Turns at a time; ``aid.turns`` has a bound of its own for all clients together."""
    seconds: float = 600.0
    """From the request on; then its turn is cancelled."""


class _Listener:
    """The ``Peer`` of one request. News come from a turn's thread, and are read in the loop."""

    encoding = Encoding.UTF8
    can_approve = False
    client = CLIENT

    def __init__(self, name: str, news: "asyncio.Queue[Any]") -> None:
        self.id = name
        self._news = news
        self._loop = asyncio.get_running_loop()

    def notify(self, kind: Notification[P], params: P) -> None:  # noqa: ARG002 - the seam's
        if isinstance(params, TurnProgress | TurnCandidate | TurnEnded):
            # the loop has ended only with the sidecar, and nobody waits for news then
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._news.put_nowait, params)

    def ask(self, method: Method[P, R], params: P, stop: Stop) -> R:  # noqa: ARG002 - the seam's
        raise Refused(Code.CANNOT_APPROVE, f"{CLIENT} does not answer {method.name}")


class _Keeper(_Listener):
    """Holds workspaces open between requests; wants no news."""

    def __init__(self) -> None:
        self.id = CLIENT

    def notify(self, kind: Notification[P], params: P) -> None:
        pass


class Run:
    """A turn for a client. ``end`` must be called, whatever happens."""

    def __init__(self, turns: "Turns", peer: _Listener, news: "asyncio.Queue[Any]") -> None:
        self._turns = turns
        self.peer = peer
        self._news = news
        self._watch: asyncio.Task[None] | None = None
        self._late: asyncio.TimerHandle | None = None
        self._proposed: dict[str, Proposed] = {}
        self.started = TurnStarted(turn="", conversation="")
        self.best: Proposed | None = None

    def watch(self, receive: Receive, seconds: float) -> None:
        """From now on the turn ends when the client goes, or after ``seconds``. The body must have been read."""

        async def look() -> None:
            await receive()
            self.give_up(Cancelled("the client went away"))

        self._watch = asyncio.ensure_future(look())
        late = Refused(TIMED_OUT, f"no answer within {seconds:g} s", "ask for less")
        self._late = asyncio.get_running_loop().call_later(seconds, self.give_up, late)

    def give_up(self, why: GreenloopError) -> None:
        """Have ``news`` raise this."""
        self._news.put_nowait(why)

    async def news(self) -> AsyncIterator[TurnProgress | TurnEnded]:
        """Yield what is to be told; the last one is ``TurnEnded``, of a turn that was made to its end.

        Raises ``Refused`` with the turn's fault, or what it was given up for.
        """
        while True:
            one = await self._news.get()
            if isinstance(one, GreenloopError):
                raise one
            if isinstance(one, TurnCandidate):
                self._proposed[one.suggestion.id] = one.suggestion
                continue
            if isinstance(one, TurnEnded):
                if one.fault is not None:
                    raise Refused(one.fault.code, one.fault.message, one.fault.way_out)
                if one.outcome is not Outcome.DONE:
                    raise Cancelled("the turn was cancelled")
                self.best = self._proposed.get(one.order[0]) if one.order else None
            yield one
            if isinstance(one, TurnEnded):
                return

    async def shown(self) -> None:
        """Say that the person has the best suggestion before the eyes, as far as can be known."""
        if self.best is not None:
            shown = SuggestionShown(turn=self.started.turn, suggestion=self.best.id)
            await asyncio.to_thread(self._turns.call, self.peer, catalogue.SUGGESTION_SHOWN, shown)

    async def end(self) -> None:
        """Cancel the turn if it still runs; nobody listens any more."""
        if self._watch is not None:
            self._watch.cancel()
        if self._late is not None:
            self._late.cancel()
        await self._turns.left(self)


class Turns:
    """The turns of the endpoint's clients, made by ``service``: that of workspaces and turns. For one event loop."""

    def __init__(self, service: Service, limits: Limits) -> None:
        self._service = service
        self._methods = service.handlers().methods
        self._limits = limits
        self._numbers = itertools.count(1)
        self._runs: set[Run] = set()
        self._keeper = _Keeper()
        self._kept: OrderedDict[str, None] = OrderedDict()
        self._keeping = asyncio.Lock()
        self._ending = False

    @property
    def running(self) -> int:
        """How many there are."""
        return len(self._runs)

    async def begin(self, asked: Asked, conversation: str) -> Run:
        """Begin a turn. Raises ``Overloaded``, and what opening the workspace and beginning a turn raise."""
        if self._ending:
            raise Refused(Code.RESTARTED, "the sidecar is ending", "ask again")
        if len(self._runs) >= self._limits.turns:
            raise Overloaded(f"{self._limits.turns} requests run already", "wait for one to end")
        news: asyncio.Queue[Any] = asyncio.Queue()
        run = Run(self, _Listener(f"{CLIENT}-{next(self._numbers)}", news), news)
        self._runs.add(run)
        try:
            opened = WorkspaceOpen(path=asked.path)
            state = await asyncio.to_thread(self.call, run.peer, catalogue.WORKSPACE_OPEN, opened)
            await self._keep(state.workspace, asked.path)
            start = TurnStart(workspace=state.workspace, kind="ask", prompt=asked.prompt, conversation=conversation)
            run.started = await asyncio.to_thread(self.call, run.peer, catalogue.TURN_START, start)
        except BaseException:
            await run.end()
            raise
        return run

    def call(self, peer: _Listener, method: Method[P, R], params: P) -> R:
        """Call a method of the services, in the thread that calls this."""
        with Stop() as stop:
            answer: R = self._methods[method.name](Call(peer, stop), params)
        return answer

    async def left(self, run: Run) -> None:
        """Let go of a client."""
        if run in self._runs:
            self._runs.discard(run)
            await asyncio.to_thread(self._service.left, run.peer)

    def end_all(self) -> None:
        """Have every run end by name; no other one begins."""
        self._ending = True
        for run in self._runs:
            run.give_up(Refused(Code.RESTARTED, "the sidecar ended in the middle of a turn", "ask again"))

    async def _keep(self, workspace: str, path: str) -> None:
        """Hold a workspace open beyond the request: the next one finds its build warm."""
        async with self._keeping:
            if workspace not in self._kept:
                opened = WorkspaceOpen(path=path)
                await asyncio.to_thread(self.call, self._keeper, catalogue.WORKSPACE_OPEN, opened)
            self._kept[workspace] = None
            self._kept.move_to_end(workspace)
            while len(self._kept) > _KEPT_OPEN:
                oldest, _ = self._kept.popitem(last=False)
                closed = WorkspaceRef(workspace=oldest)
                await asyncio.to_thread(self.call, self._keeper, catalogue.WORKSPACE_CLOSE, closed)
