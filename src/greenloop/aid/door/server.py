"""The listening socket, the connections to it, and when the sidecar ends."""

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from greenloop.aid.door.connection import Bounds, Connection
from greenloop.aid.door.peer import ClientPeer
from greenloop.aid.protocol.base import PROTOCOL, Empty, Message
from greenloop.aid.protocol.catalogue import INITIALIZE, SIDECAR_STATUS, SIDECAR_STOP
from greenloop.aid.protocol.faults import Code
from greenloop.aid.protocol.session import Initialized, SidecarStatus, SidecarStop
from greenloop.aid.protocol.turns import Fault
from greenloop.aid.service import Handlers, Service
from greenloop.aid.wire import messages
from greenloop.aid.wire.framing import frame

_log = logging.getLogger(__name__)
_CREDENTIALS = struct.Struct("3i")
"""``struct ucred``: process, user, group (unix(7))."""
_END_SECONDS = 3.0
"""How long the service may take to end; what it leaves is ended by the supervisor."""


@dataclass(frozen=True)
class About:
    """What the sidecar says of itself."""

    version: str
    session: str
    started: float = field(default_factory=time.time)


class Door:
    """Serves a service on a socket until it is told to stop, or nobody has needed it for a while."""

    def __init__(
        self, service: Service, about: About, *, bounds: Bounds | None = None, idle_seconds: float = 0.0
    ) -> None:
        """``idle_seconds``: it ends after so long without a client; 0: never."""
        self.bounds = bounds or Bounds()
        self.handlers: Handlers = service.handlers()
        self._service = service
        self._about = about
        self._idle_seconds = idle_seconds
        self._pool = ThreadPoolExecutor(max_workers=128, thread_name_prefix="aid")
        self._numbers = itertools.count(1)
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.why = ""
        """Why it ends; empty until it does."""
        self._stopping = asyncio.Event()
        self._idle: asyncio.TimerHandle | None = None

    async def run(self, listener: socket.socket, ready: Callable[[], None]) -> str:
        """Serve on a socket that listens; ``ready`` is called once it does. Returns why it ended."""
        server = await asyncio.start_unix_server(self._accept, sock=listener)
        self._rest()
        _log.info("session %s: ready", self._about.session)
        ready()
        await self._stopping.wait()
        _log.info("session %s: ending: %s", self._about.session, self.why)
        server.close()
        fault = Fault(
            code=Code.RESTARTED, message=f"the sidecar ended in the middle of this: {self.why}", way_out="ask again"
        )
        for connection in list(self._connections):
            connection.end(fault)
        if self._connections:
            await asyncio.wait(set(self._connections.values()), timeout=_END_SECONDS)
        self._closed = True
        closing = asyncio.create_task(self.in_thread(self._service.close))
        await asyncio.wait({closing, *self._tasks}, timeout=_END_SECONDS)
        self._pool.shutdown(wait=False, cancel_futures=True)
        return self.why

    def stop(self, why: str) -> None:
        """End, for a reason. Called in the loop's thread."""
        self.why = self.why or why
        self._stopping.set()

    def own(self, method: str, peer: ClientPeer, params: Message) -> Message | None:
        """Answer what the door itself serves."""
        about = self._about
        if method == INITIALIZE.name:
            self._rest()
            _log.info("%s: introduced itself as %s", peer.id, peer.client)
            return Initialized(version=about.version, protocol=PROTOCOL, pid=os.getpid(), session=about.session)
        if method == SIDECAR_STATUS.name:
            return SidecarStatus(
                version=about.version, protocol=PROTOCOL, pid=os.getpid(), session=about.session, started=about.started,
                clients=tuple(sorted(one.peer.client for one in self._connections if one.peer.introduced)),
                busy=any(one.peer.turns for one in self._connections) or self._service.busy(),
            )  # fmt: skip
        if method == SIDECAR_STOP.name:
            assert isinstance(params, SidecarStop)
            # after the answer, which is on its way by then
            asyncio.get_running_loop().call_soon(self.stop, params.why or "a client asked for it")
            return Empty()
        return None

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        """Run work in a thread, and return what it returned, or the exception that it raised."""
        doing: asyncio.Future[Any] = asyncio.get_running_loop().run_in_executor(self._pool, work)
        return (await asyncio.gather(doing, return_exceptions=True))[0]

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine beside, remember it until it ends, and return it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def left(self, peer: ClientPeer) -> None:
        """Tell the service that a client has gone."""
        if not peer.introduced or self._closed:
            return
        found = await self.in_thread(lambda: self._service.left(peer))
        if isinstance(found, BaseException):
            _log.error("%s: letting go of it failed", peer.id, exc_info=found)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        pid, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid != os.geteuid():
            _log.warning("process %d of user %d is not let in", pid, uid)
            writer.transport.abort()
            return
        if len(self._connections) >= self.bounds.connections:
            _log.warning("process %d is not let in: %d connections are open", pid, len(self._connections))
            full = Fault(
                code=Code.TOO_MANY, message=f"{len(self._connections)} clients are connected", way_out="close one"
            )
            writer.write(frame(messages.refusal(None, full)))
            writer.close()
            return
        if self._stopping.is_set():
            writer.close()
            return
        connection = Connection(self, f"{self._about.session}:{next(self._numbers)}", reader, writer)
        self._connections[connection] = self.begin(self._serve(connection))

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.serve()
        finally:
            del self._connections[connection]
            self._rest()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a connection failed", exc_info=error)

    def _rest(self) -> None:
        """Begin to wait for the end, from now on, unless a client is there."""
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._idle_seconds and not any(one.peer.introduced for one in self._connections):
            self._idle = asyncio.get_running_loop().call_later(self._idle_seconds, self._idled)

    def _idled(self) -> None:
        if self._service.busy():
            self._rest()
        else:
            self.stop(f"nobody needed it for {self._idle_seconds:g} seconds")


def serve(door: Callable[[], Door], listener: socket.socket, ready: Callable[[], None]) -> str:
    """Run a door, made in its own loop, to its end or a signal's, and return why it ended. In the main thread only."""

    async def run() -> str:
        made = door()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, made.stop, f"a {number.name}")
        return await made.run(listener, ready)

    # a client that goes while it is written to is an error of that connection, not the end of the process
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with contextlib.closing(listener):
        return asyncio.run(run())
