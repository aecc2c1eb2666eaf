"""An editor for the tests: the ACP SDK's client before the real ``greenloop acp``."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, cast

from acp import PROTOCOL_VERSION, RequestError, spawn_agent_process
from acp.client.connection import ClientSideConnection
from acp.interfaces import Client
from acp.schema import (
    AgentMessageChunk,
    AgentThoughtChunk,
    AllowedOutcome,
    ClientCapabilities,
    DeniedOutcome,
    FileSystemCapabilities,
    Implementation,
    PermissionOption,
    ReadTextFileResponse,
    RequestPermissionResponse,
    TextContentBlock,
    ToolCallProgress,
    ToolCallStart,
    ToolCallUpdate,
    WriteTextFileResponse,
)

Choose = Callable[[ToolCallUpdate], Awaitable[str]]
"""Returns `accept`, `refuse` or `cancelled`."""


async def accept(_call: ToolCallUpdate) -> str:
    """Accept whatever is asked."""
    return "accept"


async def refuse(_call: ToolCallUpdate) -> str:
    """Refuse whatever is asked."""
    return "refuse"


class Editor:
    """A client that remembers. ``buffers`` is what it holds unsaved: whole path → text."""

    def __init__(self, choose: Choose = accept, buffers: dict[str, str] | None = None) -> None:
        self.choose = choose
        self.buffers = {} if buffers is None else buffers
        self.updates: list[Any] = []
        self.asked: list[ToolCallUpdate] = []
        self.written: dict[str, str] = {}
        self.thinking = asyncio.Event()

    async def session_update(self, session_id: str, update: Any, **_: Any) -> None:
        self.updates.append(update)
        if isinstance(update, AgentThoughtChunk):
            self.thinking.set()

    async def request_permission(
        self, session_id: str, tool_call: ToolCallUpdate, options: list[PermissionOption], **_: Any
    ) -> RequestPermissionResponse:
        self.asked.append(tool_call)
        word = await self.choose(tool_call)
        if word == "cancelled":
            return RequestPermissionResponse(outcome=DeniedOutcome(outcome="cancelled"))
        assert word in {option.option_id for option in options}
        return RequestPermissionResponse(outcome=AllowedOutcome(outcome="selected", option_id=word))

    async def read_text_file(self, session_id: str, path: str, **_: Any) -> ReadTextFileResponse:
        if path not in self.buffers and not Path(path).exists():
            raise RequestError.resource_not_found(path)
        return ReadTextFileResponse(content=self.buffers.get(path) or Path(path).read_text())

    async def write_text_file(self, session_id: str, path: str, content: str, **_: Any) -> WriteTextFileResponse:
        self.written[path] = content
        return WriteTextFileResponse()

    @property
    def said(self) -> str:
        """All messages, joined."""
        return self._text(AgentMessageChunk)

    @property
    def thought(self) -> str:
        """All thoughts, joined."""
        return self._text(AgentThoughtChunk)

    def statuses(self, name: str) -> list[str | None]:
        """What a tool call has been, in order."""
        kinds = (ToolCallStart, ToolCallProgress)
        return [one.status for one in self.updates if isinstance(one, kinds) and one.tool_call_id == name]

    def _text(self, kind: type[AgentMessageChunk | AgentThoughtChunk]) -> str:
        chunks = [one.content for one in self.updates if isinstance(one, kind)]
        return "".join(one.text for one in chunks if isinstance(one, TextContentBlock))


def started(home: Path, editor: Editor) -> AbstractAsyncContextManager[tuple[ClientSideConnection, Process]]:
    """Start ``greenloop acp``."""
    words = ("-m", "greenloop", "--home", str(home), "acp")
    # it ends by itself; on a busy machine later than the 2 seconds after which the SDK would terminate it
    return spawn_agent_process(
        cast(Client, editor), sys.executable, *words, env=dict(os.environ), transport_kwargs={"shutdown_timeout": 120.0}
    )


@asynccontextmanager
async def agent(
    home: Path, editor: Editor, *, files: bool = True, name: str = "test"
) -> AsyncIterator[ClientSideConnection]:
    """Start ``greenloop acp``, and introduce the editor, which serves its files or not."""
    async with started(home, editor) as (connection, _):
        able = FileSystemCapabilities(read_text_file=files, write_text_file=files)
        answer = await connection.initialize(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=ClientCapabilities(fs=able),
            client_info=Implementation(name=name, version="1"),
        )
        assert answer.protocol_version == 1
        yield connection
