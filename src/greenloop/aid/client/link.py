"""A connection to the sidecar that outlives the sidecar: shared by ``aid connect`` and the Python client."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from greenloop.aid.client.continuity import Continuity
from greenloop.aid.client.reach import Reached
from greenloop.aid.protocol.faults import Code, fault_of
from greenloop.aid.wire import messages
from greenloop.aid.wire.framing import Framer, frame
from greenloop.aid.wire.messages import Answer, Id, Notice, Request
from greenloop.records import EnvironmentFault, GreenloopError, Refused

_CHUNK = 1 << 18
_SHORT_LIFE_SECONDS = 1.0
_SHORT_LIVES = 8
"""A sidecar that ends at once, so many times in a row, without answering anything, is not started again."""


class Link:
    """Sends a client's messages, and hands over the sidecar's; runs in one event loop, and is used in it only."""

    def __init__(self, connect: Callable[[], Reached], hear: Callable[[bytes], None], limit: int) -> None:
        """``connect`` is ``reach`` with its arguments, called in threads. ``hear`` gets every body for the client.

        ``limit``: bytes of the largest message.
        """
        self._connect = connect
        self._hear = hear
        self._limit = limit
        self._continuity = Continuity()
        self._waiting: deque[tuple[Id | None, bytes]] = deque()
        self._news = asyncio.Event()
        self._useful = False
        self._over: Refused | None = None
        self.restarts = 0
        """How often the sidecar was lost."""

    def send(self, body: bytes) -> None:
        """Send a message as soon as a sidecar is there. What cannot be sent is answered at once."""
        try:
            message = messages.parse(body)
        except Refused as error:
            # whoever asked waits for an answer to the number
            self._hear(messages.refusal(_number(body), fault_of(error)))
            return
        identity = message.id if isinstance(message, Request) else None
        try:
            if self._over is not None:
                raise self._over
            self._continuity.take(message, body)
        except GreenloopError as error:
            if identity is not None:
                self._hear(messages.refusal(identity, fault_of(error)))
            return
        self._waiting.append((identity, body))
        self._news.set()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises ``Refused`` (``sidecar-unreachable``) when no sidecar is to be had."""
        try:
            await self._stay()
        except GreenloopError as error:
            self._over = Refused(Code.UNREACHABLE, error.message, error.way_out)
            self._tell(self._continuity.give_up(fault_of(self._over)))
            raise self._over from error

    async def _stay(self) -> None:
        short_lives = 0
        while short_lives < _SHORT_LIVES:
            reached = await asyncio.to_thread(self._connect)
            began = time.monotonic()
            self._useful = False
            reader, writer = await asyncio.open_unix_connection(sock=reached.socket, limit=_CHUNK)
            try:
                await self._converse(reader, writer)
            finally:
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
            self.restarts += 1
            self._tell(self._continuity.lost())
            short = not self._useful and time.monotonic() - began < _SHORT_LIFE_SECONDS
            short_lives = short_lives + 1 if short else 0
        raise EnvironmentFault(f"the sidecar ended {short_lives} times in a row at once", "see `greenloop aid logs`")

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak with one sidecar until it ends."""
        renewed = asyncio.Event()
        receiving = asyncio.create_task(self._receive(reader, renewed))
        sending = asyncio.create_task(self._send(writer, renewed))
        try:
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (receiving, sending):
                task.cancel()
            for found in await asyncio.gather(receiving, sending, return_exceptions=True):
                # a connection that was reset has ended like any other; what cannot be read is the end of it all
                if isinstance(found, Exception) and not isinstance(found, ConnectionError):
                    raise found

    async def _send(self, writer: asyncio.StreamWriter, renewed: asyncio.Event) -> None:
        for body in self._continuity.renew():
            writer.write(frame(body))
        if self._continuity.renewing:
            await writer.drain()
            await renewed.wait()
        # what came while there was no sidecar is among the unanswered; notices and answers were for the old one
        self._waiting.clear()
        self._waiting += self._continuity.unanswered()
        while True:
            while self._waiting:
                identity, body = self._waiting.popleft()
                if identity is not None:
                    self._continuity.written(identity)
                writer.write(frame(body))
                await writer.drain()
            await self._news.wait()
            self._news.clear()

    async def _receive(self, reader: asyncio.StreamReader, renewed: asyncio.Event) -> None:
        framer = Framer(self._limit)
        while data := await reader.read(_CHUNK):
            for body in framer.feed(data):
                message = messages.parse(body)
                if self._continuity.received(message):
                    self._useful = self._useful or isinstance(message, Answer | Notice)
                    self._hear(body)
                if self._continuity.unwelcome is not None:
                    raise Refused(
                        Code.UNREACHABLE, self._continuity.unwelcome.message, self._continuity.unwelcome.way_out
                    )
                if not self._continuity.renewing:
                    renewed.set()

    def _tell(self, bodies: list[bytes]) -> None:
        for body in bodies:
            self._hear(body)


def _number(body: bytes) -> Id | None:
    """Return the number of a request that cannot be read otherwise, as one with text that is no UTF-8."""
    try:
        found = json.loads(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    identity = found.get("id") if isinstance(found, dict) and "method" in found else None
    if isinstance(identity, str):
        return identity if identity.isascii() else None
    return identity if isinstance(identity, int) and not isinstance(identity, bool) else None
