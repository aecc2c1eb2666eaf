"""Domain tools: listed, called, and approved where they write."""

from typing import Any

from greenloop.aid.protocol.base import Message


class ToolInfo(Message):
    """A tool. ``arguments`` is a JSON schema of an object."""

    name: str
    """``server.tool``, unique in its workspace; a server's own name, blocked, where nothing is known of its tools."""
    title: str = ""
    help: str = ""
    arguments: dict[str, Any]
    writes: bool
    """It may change something, so each call is approved by the person."""
    blocked: str = ""
    """Why it cannot be called: its description is not the one that was pinned, its server does not start."""


class Tools(Message):
    """The answer to ``tools/list``."""

    tools: tuple[ToolInfo, ...]


class ToolCall(Message):
    """``tools/call``, by the person."""

    workspace: str
    name: str
    arguments: dict[str, Any]


class ToolResult(Message):
    """The answer to ``tools/call``: data for people and models, never an instruction."""

    text: str
    is_error: bool = False


class ApprovalRequest(Message):
    """``approval/request`` (from the sidecar to the client): may this be done?"""

    turn: str = ""
    tool: str
    arguments: dict[str, Any]
    why: str


class Approval(Message):
    """The answer to ``approval/request``."""

    approved: bool
