"""A server of tools over the Model Context Protocol: stdio or streamable HTTP, by the ``mcp`` package.

A stdio server runs in a process namespace of its own that the kernel ends, whole, when this process ends: by
``bwrap --die-with-parent``, so neither a server nor what it started outlives a kill -9. It is no sandbox: a server is
the team's own program, with the person's rights, in a minimal environment.

One thread runs the event loop of all servers for as long as the process lives: the kernel's "parent" is a thread.
"""

import re
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import AbstractContextManager, asynccontextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO, TypeVar

import anyio
import httpx2
import mcp_types
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from greenloop.aid.tools.described import MAX_HELP, Described
from greenloop.aid.tools.launching import command_of, environment_of
from greenloop.aid.tools.results import read_result
from greenloop.aid.tools.seam import Connection, Result, Surroundings
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.aid.tools.stdio import bounded_stdio
from greenloop.builds.sandbox.advice import advise
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, ToolError
from greenloop.storage import named_io_errors

MAX_TOOLS = 256
"""Tools of one server; further ones are an error, not left out in silence."""
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
"""What the protocol advises; a name stands in lines for people and between marks for models."""
_LOG_BYTES = 1 << 20
_CLOSE_SECONDS = 15.0
_CONNECT_SECONDS = 30.0
_FAULTS = (MCPError, OSError, RuntimeError, ValueError, EOFError, httpx2.HTTPError)
"""What the package raises for a server that does not start, ends, or talks nonsense."""

Value = TypeVar("Value")


class McpServers(AbstractContextManager["McpServers"]):
    """A ``Connect`` over real servers. Its thread ends, and every server with it, when it is closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: AbstractContextManager[BlockingPortal] | None = None
        self._portal: BlockingPortal | None = None
        self._held: list[McpConnection] = []

    def __call__(self, name: str, settings: ToolServerSettings, where: Surroundings) -> Connection:
        with self._lock:
            if self._portal is None:
                self._running = start_blocking_portal()
                self._portal = self._running.__enter__()
            portal = self._portal
        made = McpConnection(portal, name, settings, where)
        with self._lock:
            self._held = [one for one in self._held if not one.ended] + [made]
        return made

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every server, and the thread; harmless when repeated."""
        with self._lock:
            running, self._running, self._portal = self._running, None, None
            held, self._held = self._held, []
        for connection in held:
            connection.close()
        if running is not None:
            running.__exit__(None, None, None)


class McpConnection(Connection):
    """One server, started or reached when this is made. Raises ``ToolError`` when that fails."""

    def __init__(self, portal: BlockingPortal, name: str, settings: ToolServerSettings, where: Surroundings) -> None:
        self._portal = portal
        self._name = name
        self._settings = settings
        self._log = where.logs / f"{name}.log"
        self._closing = portal.call(anyio.Event)
        self._ended: Future[None]
        with self._named("does not start"):
            self._ended, self._client = portal.start_task(self._run, where, name=f"tools {name}")

    @property
    def ended(self) -> bool:
        """Whether the server is no more."""
        return self._ended.done()

    def tools(self) -> tuple[Described, ...]:
        with self._named("does not say what tools it has"):
            return self._portal.call(self._list)

    def call(self, name: str, arguments: Mapping[str, Any], stop: Stop | None = None) -> Result:
        with self._named(f"gave no answer to {name}"):
            result: Result = self._portal.call(self._call, name, dict(arguments), stop)
        return result

    def close(self) -> None:
        # the portal may be gone already, and the servers with it
        with suppress(RuntimeError):
            self._portal.call(self._closing.set)
        # how a server ended matters no more
        with suppress(TimeoutError, CancelledError):
            self._ended.exception(_CLOSE_SECONDS)

    async def _run(self, where: Surroundings, *, task_status: anyio.abc.TaskStatus[Client]) -> None:
        """Hold the connection open, from its start to its end in one task, as its cancel scopes need."""
        with _log(self._log) as log:
            with anyio.fail_after(self._settings.start_seconds) as starting:
                async with self._connected(where, log) as client:
                    starting.deadline = float("inf")
                    task_status.started(client)
                    await self._closing.wait()

    @asynccontextmanager
    async def _connected(self, where: Surroundings, log: TextIO) -> AsyncIterator[Client]:
        settings = self._settings
        environment = environment_of(self._name, settings, where)
        if settings.url:
            token = settings.token_variable
            headers = {"Authorization": f"Bearer {environment[token]}"} if token else {}
            # streams of events stay open between two events; each call has its own limit
            wait = httpx2.Timeout(_CONNECT_SECONDS, read=None)
            async with (
                httpx2.AsyncClient(headers=headers, timeout=wait, trust_env=False) as http,
                Client(streamable_http_client(settings.url, http_client=http)) as client,
            ):
                yield client
            return
        async with Client(bounded_stdio(command_of(settings, where), environment, log)) as client:
            yield client

    async def _list(self) -> tuple[Described, ...]:
        found: list[Described] = []
        cursor: str | None = None
        with anyio.fail_after(self._settings.start_seconds):
            while True:
                page = await self._client.list_tools(cursor=cursor, cache_mode="bypass")
                found += [_described(tool) for tool in page.tools]
                if len(found) > MAX_TOOLS:
                    raise ValueError(f"it has more than {MAX_TOOLS} tools")
                cursor = page.next_cursor
                if not cursor:
                    return tuple(found)

    async def _call(self, name: str, arguments: dict[str, Any], stop: Stop | None) -> Result:
        limit = self._settings.result_kib << 10

        async def called() -> Result:
            with anyio.fail_after(self._settings.timeout_seconds):
                return read_result(await self._client.call_tool(name, arguments), limit)

        return await called() if stop is None else await _unless(stop, called)

    def _named(self, what: str) -> "_Named":
        return _Named(self._name, what, self._log, self._settings)


async def _unless(stop: Stop, work: Callable[[], Awaitable[Value]]) -> Value:
    """Do the work, but leave it the moment that ``stop`` is requested: the server is told by the package."""
    stop.check()
    done: list[Value] = []
    async with anyio.create_task_group() as group:

        async def watch() -> None:
            await anyio.wait_readable(stop.fileno())
            group.cancel_scope.cancel()

        group.start_soon(watch)
        done.append(await work())
        group.cancel_scope.cancel()
    if not done:
        raise Cancelled("the call of a tool was cancelled")
    return done[0]


def _described(tool: mcp_types.Tool) -> Described:
    if not _NAME.fullmatch(tool.name):
        raise ValueError(f"it has a tool with the name {tool.name[:80]!r}")
    text = tool.description or ""
    if len(text) > MAX_HELP:
        raise ValueError(f"the description of {tool.name} has more than {MAX_HELP} characters")
    return Described(name=tool.name, title=tool.title or "", help=text, arguments=tool.input_schema)


class _Named(AbstractContextManager[None]):
    """Turns what the package raises into a ``ToolError`` that names the server and says what its log says."""

    def __init__(self, name: str, what: str, log: Path, settings: ToolServerSettings) -> None:
        self._name = name
        self._what = what
        self._log = log
        self._settings = settings

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        cause = _cause(error)
        if cause is None:
            return
        said = "it took too long" if isinstance(cause, TimeoutError) else str(cause) or type(cause).__name__
        last = "" if self._settings.url else _last_line(self._log)
        way_out = advise(last) if last.startswith("bwrap:") else f"its last words: {last}" if last else _LOOK
        raise ToolError(f"the server of tools {self._name!r} {self._what}: {said}", way_out) from error


_LOOK = "is its address or command in greenloop.toml right?"


def _cause(error: BaseException | None) -> BaseException | None:
    """Return what went wrong with a server; ``None`` for anything that is not that. Groups hold one cause each."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error if isinstance(error, _FAULTS) else None


def _log(path: Path) -> TextIO:
    with named_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        mode = "a" if path.exists() and path.stat().st_size < _LOG_BYTES else "w"
        file = TextIOWrapper(path.open(f"{mode}b"), encoding="utf-8", errors="replace")
        path.chmod(0o600)
        return file


def _last_line(path: Path) -> str:
    with suppress(OSError):
        lines = [line.strip() for line in path.read_bytes()[-4096:].decode("utf-8", "replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")[:300]
    return ""
