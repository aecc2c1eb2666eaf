"""``aid connect``: an editor's stdio on one side, a link to the sidecar on the other.

Standard input and output are read and written by threads, for they may be pipes, terminals or files: only some of them
can be waited for by an event loop, and setting them non-blocking would change them for whoever shares them.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from greenloop.aid.client.link import Link
from greenloop.aid.client.reach import Reached
from greenloop.aid.protocol.faults import fault_of
from greenloop.aid.wire import messages
from greenloop.aid.wire.framing import Framer, frame
from greenloop.records import Refused

_CHUNK = 1 << 16
_WAITING = 1 << 10
"""So many chunks of the editor's wait for the event loop, at most."""


async def bridge(connect: Callable[[], Reached], reading: int, writing: int, limit: int) -> None:
    """Carry messages between two file descriptors and the sidecar until the editor closes its side.

    Raises ``Refused`` when the editor's frames cannot be read, or no sidecar is to be had: it has been told by then.
    """
    loop = asyncio.get_running_loop()
    out = _Writer(writing)
    link = Link(connect, out.put, limit)
    chunks: asyncio.Queue[bytes] = asyncio.Queue(_WAITING)

    def read() -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody reads any more
            data = b"."
            while data:
                data = os.read(reading, _CHUNK)
                asyncio.run_coroutine_threadsafe(chunks.put(data), loop).result()

    threading.Thread(target=read, name="stdin", daemon=True).start()
    framer = Framer(limit)
    running = asyncio.create_task(link.run())
    taking = asyncio.create_task(_take(chunks, framer, link))
    try:
        await asyncio.wait({running, taking, out.failed(loop)}, return_when=asyncio.FIRST_COMPLETED)
        for task in (taking, running):
            if task.done():
                task.result()
    except Refused as error:
        if taking.done():
            out.put(messages.refusal(None, fault_of(error)))
        raise
    finally:
        running.cancel()
        taking.cancel()
        await asyncio.gather(running, taking, return_exceptions=True)
        await asyncio.to_thread(out.close)


async def _take(chunks: "asyncio.Queue[bytes]", framer: Framer, link: Link) -> None:
    while data := await chunks.get():
        for body in framer.feed(data):
            link.send(body)
    framer.finish()


class _Writer:
    """Writes frames in a thread, so that an editor that does not read holds up nothing but itself."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._condition = threading.Condition()
        self._waiting: list[bytes] = []
        self._closed = False
        self._broken: list[Callable[[], None]] = []
        self._thread = threading.Thread(target=self._run, name="stdout", daemon=True)
        self._thread.start()

    def put(self, body: bytes) -> None:
        """Write a body as soon as the editor reads."""
        with self._condition:
            self._waiting.append(frame(body))
            self._condition.notify()

    def failed(self, loop: asyncio.AbstractEventLoop) -> "asyncio.Future[None]":
        """Return what is done when the editor has closed its end."""
        future: asyncio.Future[None] = loop.create_future()

        def fail() -> None:
            with suppress(RuntimeError):  # the loop has ended already
                loop.call_soon_threadsafe(lambda: None if future.done() else future.set_result(None))

        self._broken.append(fail)
        return future

    def close(self) -> None:
        """Write what waits, for a moment, and end."""
        with self._condition:
            self._closed = True
            self._condition.notify()
        self._thread.join(1.0)

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                with self._condition:
                    self._condition.wait_for(lambda: self._waiting or self._closed)
                    waiting, self._waiting = self._waiting, []
                if not waiting:
                    return
                for framed in waiting:
                    rest = memoryview(framed)
                    while rest:
                        rest = rest[os.write(self._fd, rest) :]
        for fail in self._broken:
            fail()
