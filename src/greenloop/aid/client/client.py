"""A client for Python: plain calls, from any thread; what the sidecar tells comes to a function.

The connection is a ``Link`` in a thread of its own, so a restart of the sidecar is a pause here too.
"""

import asyncio
import itertools
import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Self

from greenloop.aid.client.link import Link
from greenloop.aid.client.reach import Reached
from greenloop.aid.protocol.base import Encoding, Message
from greenloop.aid.protocol.catalogue import (
    APPROVAL_REQUEST,
    INITIALIZE,
    NEWS,
    TURN_ENDED,
    TURN_START,
    Method,
    Notification,
    P,
    R,
)
from greenloop.aid.protocol.faults import Code
from greenloop.aid.protocol.session import Initialize, Initialized
from greenloop.aid.protocol.tools import Approval, ApprovalRequest
from greenloop.aid.protocol.turns import Fault, TurnStart
from greenloop.aid.wire import messages
from greenloop.aid.wire.framing import MESSAGE_BYTES
from greenloop.aid.wire.messages import Answer, Notice, Request
from greenloop.records import Cancelled, Refused

_log = logging.getLogger(__name__)
Approve = Callable[[ApprovalRequest], bool]
"""Asks the person. Called in a thread of its own, and may take its time."""
_LONGEST_WAIT = 24 * 3600.0


class Client:
    """A connection to the sidecar, from ``with`` on to its end."""

    def __init__(
        self, connect: Callable[[], Reached], name: str, *, approve: Approve | None = None, limit: int = MESSAGE_BYTES
    ) -> None:
        """``connect`` is ``reach`` with its arguments. ``name``: what it calls itself.

        ``approve`` ``None``: what needs approval is refused.
        """
        self._connect = connect
        self._words = Initialize(client=name, encoding=Encoding.UTF8, can_approve=approve is not None)
        self._approve = approve
        self._limit = limit
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._futures: dict[int, Future[Answer]] = {}
        self._turns: dict[str, queue.SimpleQueue[Message]] = {}
        self._listeners: list[Callable[[str, Message], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._link: Link | None = None
        self._closing: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="aid client", daemon=True)
        self._ready = threading.Event()
        self.sidecar: Initialized | None = None
        """What the sidecar said of itself at the beginning."""

    def __enter__(self) -> Self:
        """Connect. Raises ``Refused`` (``sidecar-unreachable``, ``protocol-mismatch``)."""
        self._thread.start()
        self._ready.wait()
        try:
            self.sidecar = self.call(INITIALIZE, self._words)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Disconnect; turns in flight are cancelled by the sidecar, and whoever waits here gets ``Cancelled``."""
        if self._loop is not None and self._closing is not None:
            with suppress(RuntimeError):  # it is closed already
                self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()
        self._fail(Cancelled("the client was closed"))

    @property
    def restarts(self) -> int:
        """How often the sidecar was lost since the beginning."""
        return self._link.restarts if self._link is not None else 0

    def call(self, method: Method[P, R], params: P, timeout: float = _LONGEST_WAIT) -> R:
        """Ask, and wait for the answer. Raises ``Refused`` with the fault's code; ``TimeoutError`` after so long."""
        future: Future[Answer] = Future()
        number = next(self._numbers)
        with self._lock:
            self._futures[number] = future
        self._send(messages.request(number, method.name, params))
        answer = future.result(timeout)
        if answer.fault is not None:
            raise _refused(answer.fault)
        return messages.read(method.result, answer.result, f"the answer to {method.name}")

    def tell(self, note: Notification[P], params: P) -> None:
        """Send a notification."""
        self._send(messages.notice(note.name, params))

    def turn(self, params: TurnStart, timeout: float = _LONGEST_WAIT) -> Iterator[Message]:
        """Start a turn, and yield ``TurnStarted`` and then its news; the last is ``TurnEnded``.

        ``timeout``: seconds of silence after which ``TimeoutError`` is raised.
        """
        started = self.call(TURN_START, params, timeout)
        yield started
        news = self._news_of(started.turn)
        while True:
            try:
                said = news.get(timeout=timeout)
            except queue.Empty as error:
                raise TimeoutError(f"nothing was said of turn {started.turn} for {timeout:g} seconds") from error
            yield said
            if isinstance(said, TURN_ENDED.params):
                with self._lock:
                    self._turns.pop(started.turn, None)
                return

    def listen(self, hear: Callable[[str, Message], None]) -> None:
        """Call a function with each notification: its name and params. Called in the client's thread: be quick."""
        with self._lock:
            self._listeners.append(hear)

    def _news_of(self, turn: str) -> "queue.SimpleQueue[Message]":
        with self._lock:
            return self._turns.setdefault(turn, queue.SimpleQueue())

    def _run(self) -> None:
        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._closing = asyncio.Event()
            self._link = Link(self._connect, self._heard, self._limit)
            running = asyncio.create_task(self._link.run())
            running.add_done_callback(self._ended)
            self._ready.set()
            # also when the link is over: it then answers each request with why
            await self._closing.wait()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

        asyncio.run(run())

    def _ended(self, running: "asyncio.Task[None]") -> None:
        error = None if running.cancelled() else running.exception()
        if error is not None and not isinstance(error, Refused):
            _log.error("the link to the sidecar failed", exc_info=error)
            self._fail(error)

    def _send(self, body: bytes) -> None:
        assert self._loop is not None, "used outside `with`"
        assert self._link is not None
        try:
            self._loop.call_soon_threadsafe(self._link.send, body)
        except RuntimeError as error:
            raise Cancelled("the client was closed") from error

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            futures, self._futures = self._futures, {}
        for future in futures.values():
            future.set_exception(error)

    def _heard(self, body: bytes) -> None:
        message = messages.parse(body)
        match message:
            case Answer():
                with self._lock:
                    future = self._futures.pop(message.id, None) if isinstance(message.id, int) else None
                if future is not None:
                    future.set_result(message)
            case Notice():
                self._told(message)
            case Request():
                threading.Thread(target=self._asked, args=(message,), name="aid approval", daemon=True).start()

    def _told(self, note: Notice) -> None:
        kind = NEWS.get(note.method)
        if kind is None:
            return
        params = messages.read(kind.params, note.params, note.method)
        turn: Any = getattr(params, "turn", None)
        if isinstance(turn, str):
            self._news_of(turn).put(params)
        with self._lock:
            listeners = list(self._listeners)
        for hear in listeners:
            hear(note.method, params)

    def _asked(self, request: Request) -> None:
        if request.method != APPROVAL_REQUEST.name or self._approve is None:
            fault = Fault(code=Code.METHOD, message=f"{request.method}: not known here")
            self._send(messages.refusal(request.id, fault))
            return
        approved = self._approve(messages.read(ApprovalRequest, request.params, request.method))
        self._send(messages.answer(request.id, Approval(approved=approved)))


def _refused(fault: Fault) -> Refused:
    return Refused(fault.code, fault.message, fault.way_out)
