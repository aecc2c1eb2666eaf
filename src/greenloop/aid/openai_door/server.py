"""The endpoint as a part of the sidecar: a server in a thread of its own, from the sidecar's start to its end."""

import asyncio
import socket
import threading
from collections.abc import Callable, Sequence

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from greenloop.aid.openai_door.chat import Chat, application
from greenloop.aid.openai_door.place import EndpointPlace
from greenloop.aid.openai_door.turns import Limits, Turns
from greenloop.aid.service import Handlers, Peer, Service
from greenloop.records import EnvironmentFault

_HEADER_BYTES = 32 << 10
_HEADER_SECONDS = 20.0
_CONNECTIONS = 64
_BACKLOG = 64
_GRACE_SECONDS = 3


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, and an end for a client that does not finish its headers: a connection has one request."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._late = self.loop.call_later(_HEADER_SECONDS, self._hang_up)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._late is not None:
            self._late.cancel()
        super().connection_lost(exc)

    def _hang_up(self) -> None:
        if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()


class Endpoint:
    """A ``Service`` that serves nothing to the sidecar's own door.

    ``service`` is that of workspaces and turns, which has to outlive this. ``trusted`` returns the roots of the
    workspaces that may be built. Raises ``EnvironmentFault`` when it cannot listen, or the disk refuses.
    """

    def __init__(
        self,
        service: Service,
        place: EndpointPlace,
        trusted: Callable[[], Sequence[str]],
        limits: Limits | None = None,
    ) -> None:
        self._place = place
        bounds = limits or Limits()
        try:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        except OSError as error:
            raise EnvironmentFault(
                f"the OpenAI endpoint cannot listen on 127.0.0.1: {error}", "set `[aid] openai_endpoint = false`"
            ) from error
        self.port: int = self._listener.getsockname()[1]
        self._turns = Turns(service, bounds)
        chat = Chat(self._turns, bounds, trusted)
        self._server = uvicorn.Server(_config(chat, self.port, place.make_token()))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="openai-endpoint", daemon=True)
        self._thread.start()
        # the socket listens already: who connects before the server runs waits a moment
        place.announce(self.port)

    def handlers(self) -> Handlers:
        """Nothing."""
        return Handlers()

    def left(self, peer: Peer) -> None:
        """Clients of the sidecar's own door are none of this one's."""

    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self._turns.running > 0

    def close(self) -> None:
        """End every request by name, and stop listening."""
        self._place.clear()
        self._loop.call_soon_threadsafe(self._end)
        self._thread.join()

    def _run(self) -> None:
        with self._listener, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))

    def _end(self) -> None:
        self._turns.end_all()
        self._server.should_exit = True


def _config(chat: Chat, port: int, token: str) -> uvicorn.Config:
    return uvicorn.Config(
        application(chat, port, token),
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # nobody's word about who somebody else is counts here
        proxy_headers=False,
        limit_concurrency=_CONNECTIONS,
        h11_max_incomplete_event_size=_HEADER_BYTES,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
