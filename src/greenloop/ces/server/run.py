"""Running the service until a signal ends it."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from greenloop.ces.server.addresses import Address, TcpAddress, UnixAddress, bound, listen
from greenloop.ces.server.app import create_app
from greenloop.ces.server.door import Door
from greenloop.records import GreenloopError, InfrastructureError, InputError

__all__ = ["Address", "TcpAddress", "UnixAddress", "serve"]

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
        asyncio.run(_serve(door, listener, started))
    finally:
        listener.close()
        if isinstance(address, UnixAddress):
            Path(address.path).unlink(missing_ok=True)


async def _serve(door: Door, listener: socket.socket, started: Callable[[Address], None]) -> None:
    server = _Server(_config(create_app(door), door.bounds.silence_seconds))
    where = bound(listener)
    ending: set[asyncio.Task[None]] = set()
    loop = asyncio.get_running_loop()

    def end() -> None:
        server.should_exit = True
        door.readiness.ready = False
        if not ending:
            _log.info("ending: work is killed, what was finished is kept")
            ending.add(loop.create_task(door.backend.close()))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    starting = loop.create_task(_start(door, where, started, end))
    await server.serve(sockets=[listener])
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    end()
    await asyncio.gather(*ending)
    if door.readiness.fault is not None:
        raise door.readiness.fault


async def _start(door: Door, where: Address, started: Callable[[Address], None], end: Callable[[], None]) -> None:
    """Bring the backend up; a service whose backend does not come up ends."""
    try:
        await door.backend.start()
    except GreenloopError as error:
        door.readiness.fault = InfrastructureError(error.message, error.way_out)
        end()
        return
    door.readiness.ready = True
    _log.info("ready at %s", where)
    started(where)


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
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
