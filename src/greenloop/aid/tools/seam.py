"""The seam of tools: a connection to one server, and the person who approves."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from greenloop.aid.tools.described import Described
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.builds.stop import Stop


@dataclass(frozen=True, slots=True)
class Result:
    """What a call came to: data, never an instruction. ``is_error``: the tool itself says that it failed."""

    text: str
    is_error: bool = False
    cut: int = 0
    """Bytes that were cut off its end."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a person is asked: may this be done?"""

    tool: str
    """``server.tool``"""
    arguments: Mapping[str, Any]
    why: str


Approve = Callable[[Ask], bool]
"""Asks the person. It may take as long as people take."""


def nobody(_ask: Ask) -> bool:
    """Approve nothing: for callers that cannot ask a person."""
    return False


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a server is started in. The command line fills it: nothing here reads the environment or the home."""

    workspace: Path
    """Absolute; where servers run."""
    logs: Path
    """A folder of the home: what servers write to their standard error lands there, a file each."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Everything that there is; a server gets a few of it, and what its settings name."""
    trusted: bool = False
    """Whether the person trusts the workspace."""


class Connection(Protocol):
    """One running server. Safe to use from several threads."""

    def tools(self) -> tuple[Described, ...]:
        """Ask what tools it has now. Raises ``ToolError`` when it does not say."""
        ...

    def call(self, name: str, arguments: Mapping[str, Any], stop: Stop | None = None) -> Result:
        """Call a tool. Raises ``ToolError`` when no answer comes, ``Cancelled`` when ``stop`` is requested."""
        ...

    def close(self) -> None:
        """End the server; harmless when repeated."""
        ...


Connect = Callable[[str, ToolServerSettings, Surroundings], Connection]
"""Starts a server, or reaches it: (its name, its settings, where). Raises ``ToolError``."""
