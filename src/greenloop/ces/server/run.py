"""Running the service until a signal ends it."""

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from greenloop.ces.server.addresses import Address, TcpAddress, UnixAddress, bound, listen
from greenloop.ces.server.app import create_app
from greenloop.ces.server.door import Door
from greenloop.records import GreenloopError, InfrastructureError, InputError

_log = logging.getLogger("greenloop.ces")
_GRACE_SECONDS = 3
"""So long may answers still flow out after the work was ended."""
_KEEP_ALIVE_SECONDS = 75
_HEADER_BYTES = 32 << 10


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, and an end for a client that does not finish its headers."""

    silence_seconds = 20.0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # the next request may have begun to arrive meanwhile
        if not self.transport.is_closing() and self.conn.trailing_data[0]:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Let the clock run from the first byte that is awaited to the end of the headers, and no further."""
        reading = self.cycle is None or self.cycle.response_complete
        if reading and self._late is None:
            self._late = self.loop.call_later(self.silence_seconds, self._hang_up)
        elif not reading and self._late is not None:
            self._late.cancel()
            self._late = None

    def _hang_up(self) -> None:
        self._late = None
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handling: ours ends the work as well."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(door: Door, address: Address, *, started: Callable[[Address], None] = lambda _where: None) -> None:
    """Serve until SIGTERM or SIGINT; then kill what is at work, answer who waits, and remove the socket.

    ``started`` is called once with the real address, when the service is ready. Raises ``InfrastructureError`` when
    the backend cannot start, and refuses TCP without a token.
    """
    if isinstance(address, TcpAddress) and door.tokens is None:
        raise InputError(
            "a TCP port without a token would let everybody run code here",
            "name a file of tokens: --token-file FILE, or ces.token_file in greenloop.toml",
        )
    listener = listen(address)
    try:
        asyncio.run(_serve_until_signal(door, listener, started))
    finally:
        listener.close()
        if isinstance(address, UnixAddress):
            address.path.unlink(missing_ok=True)


@contextmanager
def in_background(door: Door, address: Address, seconds: float = 60.0) -> Iterator[Address]:
    """Serve in a thread while the block runs: for whoever embeds the service, and for tests. Yields the real address.

    Raises what kept the service from getting ready within ``seconds``.
    """
    listener = listen(address)
    loop = asyncio.new_event_loop()
    wanted = asyncio.Event()
    ready: Future[Address] = Future()
    faults: list[BaseException] = []

    def work() -> None:
        try:
            loop.run_until_complete(_serve(door, listener, ready.set_result, wanted))
        except BaseException as error:
            # carried over to the thread that waits, or, once it no longer does, told by the interpreter
            if ready.done():
                raise
            faults.append(error)
        finally:
            loop.close()
            ready.cancel()

    thread = threading.Thread(target=work, name="ces-server")
    thread.start()
    try:
        try:
            yield ready.result(seconds)
        except CancelledError:
            thread.join()
            raise faults[0] from None
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(wanted.set)
        thread.join()
        listener.close()
        if isinstance(address, UnixAddress):
            address.path.unlink(missing_ok=True)


async def _serve_until_signal(door: Door, listener: socket.socket, started: Callable[[Address], None]) -> None:
    wanted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, wanted.set)
    await _serve(door, listener, started, wanted)


async def _serve(
    door: Door, listener: socket.socket, started: Callable[[Address], None], wanted: asyncio.Event
) -> None:
    """Serve until ``wanted`` is set, which is the end."""
    server = _Server(_config(create_app(door), door.bounds.silence_seconds))
    loop = asyncio.get_running_loop()
    starting = loop.create_task(_start(door, bound(listener), started))
    ending = loop.create_task(_end(door, server, wanted, starting))
    await server.serve(sockets=[listener])
    wanted.set()
    await ending
    if not starting.cancelled() and (fault := starting.exception()) is not None:
        raise fault


async def _start(door: Door, where: Address, started: Callable[[Address], None]) -> None:
    """Bring the backend up. Whoever asks meanwhile hears that it is starting."""
    try:
        await door.backend.start()
    except GreenloopError as error:
        door.readiness.fault = InfrastructureError(error.message, error.way_out)
        raise
    door.readiness.ready = True
    _log.info("ready at %s", where)
    started(where)


async def _end(door: Door, server: uvicorn.Server, wanted: asyncio.Event, starting: "asyncio.Task[None]") -> None:
    """Wait for the end that somebody wants, or that a backend makes which does not come up; then end everything."""
    waiting = asyncio.ensure_future(wanted.wait())
    await asyncio.wait((waiting, starting), return_when=asyncio.FIRST_COMPLETED)
    if not (starting.done() and starting.exception() is not None):
        await waiting
    waiting.cancel()
    _log.info("ending: work is killed, what was finished is kept")
    door.readiness.ready = False
    server.should_exit = True
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    await door.backend.close()


def _config(app: ASGIApp, silence_seconds: float) -> uvicorn.Config:
    protocol = type("Protocol", (_Protocol,), {"silence_seconds": silence_seconds})
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # nobody's word about who somebody else is counts here
        proxy_headers=False,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
