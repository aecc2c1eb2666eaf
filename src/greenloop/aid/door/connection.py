"""One connection: its messages read, its requests handled in threads, its end."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from greenloop.aid.door.outbox import Outbox
from greenloop.aid.door.peer import ClientPeer
from greenloop.aid.protocol.base import PROTOCOL, Message
from greenloop.aid.protocol.catalogue import CANCEL_REQUEST, INITIALIZE, METHODS, NOTES, Method
from greenloop.aid.protocol.faults import Code, fault_of
from greenloop.aid.protocol.session import CancelRequest, Initialize
from greenloop.aid.protocol.turns import Fault, TurnStarted
from greenloop.aid.service import Call, Handler, Handlers
from greenloop.aid.wire import messages
from greenloop.aid.wire.framing import MESSAGE_BYTES, Framer
from greenloop.aid.wire.messages import Answer, Id, Notice, Request
from greenloop.builds.stop import Stop
from greenloop.records import GreenloopError, Refused

_log = logging.getLogger(__name__)
_CHUNK = 1 << 18
_LARGE = 1 << 20
"""Larger messages are parsed in a thread: nobody else waits for them."""
_FLUSH_SECONDS = 1.0


@dataclass(frozen=True)
class Bounds:
    """How much clients may bring, let wait, and keep us waiting."""

    message_bytes: int = MESSAGE_BYTES
    """One message."""
    waiting_bytes: int = 64 << 20
    """What waits for a client that does not read."""
    requests: int = 64
    """Unanswered requests of one client."""
    connections: int = 64
    silence_seconds: float = 60.0
    """In the middle of a message."""
    introduction_seconds: float = 60.0
    """From the connection to ``initialize``."""


class Hall(Protocol):
    """What a connection needs of the door: ``door.server.Door``."""

    @property
    def bounds(self) -> Bounds:
        """The bounds."""
        ...

    @property
    def handlers(self) -> Handlers:
        """What the service serves."""
        ...

    def own(self, method: str, peer: ClientPeer, params: Message) -> Message | None:
        """Answer what the door itself serves; ``None`` for the others."""
        ...

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Run work in a thread, and return what it returned, or the exception that it raised."""
        ...

    def begin(self, work: Coroutine[Any, Any, None]) -> object:
        """Run a coroutine beside."""
        ...

    async def left(self, peer: ClientPeer) -> None:
        """Tell the service that a client has gone."""
        ...


class Connection:
    """One client's connection, from its first byte to its last."""

    def __init__(self, hall: Hall, identity: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hall = hall
        self._reader = reader
        self._writer = writer
        self._outbox = Outbox(writer, hall.bounds.waiting_bytes)
        self.peer = ClientPeer(identity, self._outbox)
        self._stops: dict[Id, Stop] = {}
        self._reading: asyncio.Task[None] | None = None

    async def serve(self) -> None:
        """Read, and answer, until either side ends it."""
        reading = self._reading = asyncio.create_task(self._read())
        sending = asyncio.create_task(self._outbox.run())
        try:
            await asyncio.wait({reading, sending}, return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
            fault = await _fault_of(reading)
            if fault is not None:
                self._outbox.put(messages.refusal(None, fault))
            if not sending.done():
                await self._outbox.flushed(_FLUSH_SECONDS)
                sending.cancel()
            fault = await _fault_of(sending) or fault
            if fault is not None:
                _log.warning("%s: connection ended: %s: %s", self._name, fault.code, fault.message)
        finally:
            self.peer.leave()
            for stop in self._stops.values():
                stop.request()
            self._writer.close()
            with suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(self._writer.wait_closed(), _FLUSH_SECONDS)
            self._writer.transport.abort()
            await self._hall.left(self.peer)

    def end(self, fault: Fault) -> None:
        """End it: each turn in flight ends with this fault, and what waits is sent first."""
        self.peer.end_turns(fault)
        if self._reading is not None:
            self._reading.cancel()

    @property
    def _name(self) -> str:
        return f"{self.peer.client or 'a client'} ({self.peer.id})"

    async def _read(self) -> None:
        framer = Framer(self._hall.bounds.message_bytes)
        while data := await self._more(framer):
            for body in framer.feed(data):
                await self._take(body)
        framer.finish()

    async def _more(self, framer: Framer) -> bytes:
        bounds = self._hall.bounds
        seconds = bounds.silence_seconds if framer.inside else None
        if not self.peer.introduced:
            seconds = bounds.introduction_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._reader.read(_CHUNK)
        except TimeoutError as error:
            if framer.inside:
                raise Refused(Code.HALF, f"a message stopped half way for {seconds:g} seconds") from error
            raise Refused(Code.NOT_INITIALIZED, f"no `initialize` for {seconds:g} seconds") from error
        except ConnectionError:
            return b""

    async def _take(self, body: bytes) -> None:
        message = await asyncio.to_thread(messages.parse, body) if len(body) > _LARGE else messages.parse(body)
        match message:
            case Answer():
                self.peer.answered(message)
            case Notice():
                self._heard(message)
            case Request():
                if message.id in self._stops:
                    raise Refused(
                        Code.INVALID, f"a second request with the id {message.id!r} before the first's answer"
                    )
                try:
                    self._request(message)
                except GreenloopError as error:
                    self._refuse(message, fault_of(error))

    def _heard(self, note: Notice) -> None:
        if note.method == CANCEL_REQUEST.name:
            wanted = messages.read(CancelRequest, note.params, note.method)
            if (stop := self._stops.get(wanted.id)) is not None:
                stop.request()
            return
        handler = self._hall.handlers.notes.get(note.method)
        # as in the Language Server Protocol, notifications that nobody knows are no fault
        if handler is not None and self.peer.introduced and len(self._stops) < self._hall.bounds.requests:
            self._hall.begin(self._handle_note(handler, note))

    def _request(self, request: Request) -> None:
        method = METHODS.get(request.method)
        if method is None:
            raise Refused(Code.METHOD, f"{request.method}: no such method", "see docs/protocol.md")
        if method is INITIALIZE or method.name.startswith("sidecar/"):
            params = messages.read(method.params, request.params, request.method)
            if isinstance(params, Initialize):
                self._introduce(params)
            answer = self._hall.own(method.name, self.peer, params)
            assert answer is not None, f"the door serves {method.name}"
            self._outbox.put(messages.answer(request.id, answer))
            return
        if not self.peer.introduced:
            raise Refused(Code.NOT_INITIALIZED, f"{request.method} came before `initialize`", "send `initialize` first")
        handler = self._hall.handlers.methods.get(request.method)
        if handler is None:
            raise Refused(Code.METHOD, f"{request.method} is not served by this sidecar", "see `greenloop aid status`")
        if len(self._stops) >= self._hall.bounds.requests:
            raise Refused(Code.TOO_MANY, f"{len(self._stops)} requests wait for their answers", "wait for some of them")
        stop = self._stops[request.id] = Stop()
        self._hall.begin(self._handle(method, handler, request, stop))

    def _introduce(self, words: Initialize) -> None:
        if words.protocol != PROTOCOL:
            raise Refused(
                Code.PROTOCOL,
                f"{words.client} speaks version {words.protocol} of the protocol, this sidecar {PROTOCOL}",
                "update the editor's layer"
                if words.protocol < PROTOCOL
                else "update Greenloop: `greenloop aid restart`",
            )
        if self.peer.introduced:
            raise Refused(Code.INVALID, "`initialize` came twice")
        self.peer.introduce(words)

    async def _handle(self, method: Method[Any, Any], handler: Handler, request: Request, stop: Stop) -> None:
        def work() -> tuple[bytes, str]:
            result = handler(Call(self.peer, stop), messages.read(method.params, request.params, method.name))
            assert isinstance(result, method.result), f"{method.name} is answered by {method.result.__name__}"
            return messages.answer(request.id, result), result.turn if isinstance(result, TurnStarted) else ""

        found = await self._hall.in_thread(work)
        del self._stops[request.id]
        stop.close()
        if isinstance(found, BaseException):
            self._refuse(request, self._told(found, method.name))
        elif found[1]:
            self.peer.begin(found[1], found[0])
        else:
            self._outbox.put(found[0])
        if self._reading is not None and self._reading.done():
            # it may have begun a turn after the service was told that the client has gone
            await self._hall.left(self.peer)

    async def _handle_note(self, handler: Handler, note: Notice) -> None:
        def work() -> None:
            with Stop() as stop:
                handler(Call(self.peer, stop), messages.read(NOTES[note.method].params, note.params, note.method))

        found = await self._hall.in_thread(work)
        if isinstance(found, BaseException):
            self._told(found, note.method)

    def _told(self, error: BaseException, what: str) -> Fault:
        """Return what a client is told of an error; a mistake of ours goes to the log with all that is known."""
        if isinstance(error, GreenloopError):
            fault = fault_of(error)
            _log.info("%s: %s refused: %s", self._name, what, fault.code)
            return fault
        _log.error("%s: %s failed", self._name, what, exc_info=error)
        return Fault(
            code=Code.INTERNAL,
            message=f"{what}: a mistake in Greenloop: {type(error).__name__}",
            way_out="`greenloop aid logs` has the details; please report it",
        )

    def _refuse(self, request: Request, fault: Fault) -> None:
        self._outbox.put(messages.refusal(request.id, fault))


async def _fault_of(task: asyncio.Task[None]) -> Fault | None:
    """Return why a task ended, or ``None`` when it ended well or was cancelled. Raises what is no refusal."""
    await asyncio.wait({task})
    error = None if task.cancelled() else task.exception()
    if error is None or isinstance(error, Refused):
        return fault_of(error) if error else None
    raise error
