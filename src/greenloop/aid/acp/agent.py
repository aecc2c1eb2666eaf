"""The methods of ACP, and the names of errors: each carries ``code``, ``message`` and ``way_out`` in ``error.data``."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, TypeVar, cast

from acp import PROTOCOL_VERSION, RequestError, run_agent
from acp.helpers import ContentBlock
from acp.interfaces import Agent, Client
from acp.schema import (
    AgentCapabilities,
    ClientCapabilities,
    FileSystemCapabilities,
    Implementation,
    InitializeResponse,
    NewSessionResponse,
    PromptCapabilities,
    PromptResponse,
)

from greenloop.aid.acp.session import Session
from greenloop.aid.acp.sidecar import Sidecar
from greenloop.aid.client import client as aid
from greenloop.aid.client.reach import Reached
from greenloop.aid.protocol.faults import fault_of
from greenloop.records import GreenloopError, InputError, Refused
from greenloop.workspace.store import TreeStore

_INVALID, _INTERNAL = -32602, -32603
"""JSON-RPC's numbers. -32000 is not used: in ACP it asks the person to log in."""
_DISK_ONLY = frozenset({"CodeCompanion.nvim"})
"""Clients that read the disk where a buffer holds unsaved text, and would write over that: Greenloop writes the disk
itself, and the editor then sees that a file changed below its buffer, as after a pull."""
_T = TypeVar("_T")


class AcpAgent:
    """Serves one ACP client. The sidecar is reached, and started where none runs, with the first session."""

    def __init__(
        self, connect: Callable[[], Reached], store: Callable[[], TreeStore], *, version: str, limit: int
    ) -> None:
        """``connect`` reaches the sidecar; ``store`` opens where contents are staged; ``limit``: bytes of a message."""
        self._connect = connect
        self._store = store
        self._version = version
        self._limit = limit
        self._reaching = asyncio.Lock()
        self._sidecar: Sidecar | None = None
        self._held = ExitStack()
        self._client: Client | None = None
        self._name = "acp"
        self._able = FileSystemCapabilities()
        self._sessions: dict[str, Session] = {}

    def on_connect(self, conn: Client) -> None:
        """Remember who is to be told."""
        self._client = conn

    async def initialize(
        self,
        client_capabilities: ClientCapabilities | None = None,
        client_info: Implementation | None = None,
        **_: Any,
    ) -> InitializeResponse:
        """Answer with version 1, whatever was asked for: a client that cannot speak it has to leave."""
        if client_capabilities is not None and client_capabilities.fs is not None:
            self._able = client_capabilities.fs
        if client_info is not None:
            self._name = f"acp-{client_info.name}"
            if client_info.name in _DISK_ONLY:
                self._able = FileSystemCapabilities(read_text_file=False, write_text_file=False)
        return InitializeResponse(
            protocol_version=PROTOCOL_VERSION,
            agent_capabilities=AgentCapabilities(
                load_session=False,
                prompt_capabilities=PromptCapabilities(embedded_context=True, image=False, audio=False),
            ),
            agent_info=Implementation(name="greenloop", title="Greenloop", version=self._version),
            auth_methods=[],
        )

    async def new_session(
        self, cwd: str, mcp_servers: list[Any] | None = None, additional_directories: list[str] | None = None, **_: Any
    ) -> NewSessionResponse:
        """Open the workspace that ``cwd`` lies in."""
        assert self._client is not None
        notes = []
        if mcp_servers:
            notes.append("The editor's MCP servers are not used: a project's own stand in its greenloop.toml")
        if additional_directories:
            notes.append("Further folders are not used: a session is about one workspace")
        name = secrets.token_hex(8)
        sidecar = await _named(self._reached())
        session = Session(name, cwd, self._client, self._able, sidecar, self._store, notes)
        await _named(session.open())
        self._sessions[name] = session
        return NewSessionResponse(session_id=name)

    async def prompt(self, session_id: str, prompt: list[ContentBlock], **_: Any) -> PromptResponse:
        """Run a turn, and have the person decide about its best suggestion."""
        return PromptResponse(stop_reason=await _named(self._asked(session_id, prompt)))

    async def cancel(self, session_id: str, **_: Any) -> None:
        """Take a session's prompt back; it answers with the stop reason ``cancelled``."""
        session = self._sessions.get(session_id)
        if session is not None:
            await session.cancel()

    def close(self) -> None:
        """Leave the sidecar, which ends the turns in flight. Blocks."""
        self._held.close()

    async def _asked(self, session_id: str, prompt: list[ContentBlock]) -> Any:
        session = self._sessions.get(session_id)
        if session is None:
            raise Refused("unknown-session", f"{session_id}: no such session", "send `session/new` first")
        return await session.prompt(prompt)

    async def _reached(self) -> Sidecar:
        async with self._reaching:
            if self._sidecar is None:
                client = aid.Client(self._connect, self._name, limit=self._limit)
                await asyncio.to_thread(self._held.enter_context, client)
                self._sidecar = Sidecar(client)
            return self._sidecar


async def _named(doing: Awaitable[_T]) -> _T:
    """Turn an error of ours into one of JSON-RPC that has its name."""
    try:
        return await doing
    except GreenloopError as error:
        number = _INVALID if isinstance(error, InputError) else _INTERNAL
        raise RequestError(number, str(error), fault_of(error).model_dump()) from error


async def serve(agent: AcpAgent, limit: int) -> None:
    """Serve the client on stdin and stdout until it closes them. ``limit``: the longest line, in bytes."""
    try:
        # the protocol of the SDK names every method there is; one that we do not have is answered "not found"
        await run_agent(cast(Agent, agent), stdio_buffer_limit_bytes=limit)
    finally:
        agent.close()
