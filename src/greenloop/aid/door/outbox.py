"""What waits to be read by one client: bounded, so that a client that does not read costs nobody but itself."""

import asyncio
import threading
from collections import deque
from contextlib import suppress

from greenloop.aid.protocol.faults import Code
from greenloop.aid.wire.framing import frame
from greenloop.records import Refused

_TRANSPORT_BYTES = 256 << 10


class Outbox:
    """Frames on their way to one client. ``put`` may be called from any thread, and never waits."""

    def __init__(self, writer: asyncio.StreamWriter, limit: int) -> None:
        """``limit``: bytes that may wait."""
        self._loop = asyncio.get_running_loop()
        self._writer = writer
        writer.transport.set_write_buffer_limits(high=_TRANSPORT_BYTES)
        self._limit = limit
        self._lock = threading.Lock()
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._shut = False
        self._overflowed = False
        self._news = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, body: bytes) -> None:
        """Send a message as soon as the client reads; dropped when it has gone, or has let too much wait."""
        framed = frame(body)
        with self._lock:
            if self._shut:
                return
            # one message may always wait, however large
            if self._waiting and self._bytes + len(framed) > self._limit:
                self._shut = self._overflowed = True
            else:
                self._waiting.append(framed)
                self._bytes += len(framed)
            # within the lock: whoever shuts the outbox does so before the loop is closed
            self._loop.call_soon_threadsafe(self._wake)

    def shut(self) -> None:
        """Take nothing more."""
        with self._lock:
            self._shut = True

    async def run(self) -> None:
        """Send what comes. Ends when the client has gone; raises ``Refused`` when it lets too much wait."""
        with suppress(ConnectionError):
            while not self._overflowed:
                await self._news.wait()
                self._news.clear()
                while (framed := self._next()) is not None:
                    self._writer.write(framed)
                    await self._writer.drain()
                self._empty.set()
        if self._overflowed:
            raise Refused(Code.SLOW, f"the client let more than {self._limit} bytes wait")

    async def flushed(self, seconds: float) -> None:
        """Wait until all that was put is on its way, but no longer than this."""
        # what was put just now has not been counted yet: its wake-up is the next thing that the loop does
        await asyncio.sleep(0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)

    def _wake(self) -> None:
        self._empty.clear()
        self._news.set()
        if self._overflowed:
            # ends the drain that waits for a client that does not read
            self._writer.transport.abort()

    def _next(self) -> bytes | None:
        with self._lock:
            if not self._waiting or self._overflowed:
                return None
            framed = self._waiting.popleft()
            self._bytes -= len(framed)
            return framed
