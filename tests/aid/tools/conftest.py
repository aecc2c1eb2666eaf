"""A toolbox over scripted servers, and one over real ones."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenloop.aid.tools.described import Described
from greenloop.aid.tools.mcp_connection import McpServers
from greenloop.aid.tools.pins import Pins
from greenloop.aid.tools.seam import Connect, Surroundings
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.aid.tools.toolbox import Toolbox

GREET = Described(
    name="greet",
    help="Greets a person.",
    arguments={"type": "object", "properties": {"who": {"type": "string"}}, "required": ["who"]},
)

Open = Callable[..., Toolbox]
Real = Callable[..., Toolbox]


@pytest.fixture
def surroundings(tmp_path: Path) -> Surroundings:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Surroundings(workspace, tmp_path / "logs", dict(os.environ), trusted=True)


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "home" / "pins.json")


@pytest.fixture
def opened(surroundings: Surroundings, pins: Pins) -> Iterator[Open]:
    """Return a function that opens a toolbox: (a ``Connect``, server → settings)."""
    boxes: list[Toolbox] = []

    def make(connect: Connect, where: Surroundings = surroundings, **servers: ToolServerSettings) -> Toolbox:
        boxes.append(Toolbox(servers or {"hall": ToolServerSettings(command=("hall",))}, pins, where, connect))
        return boxes[-1]

    yield make
    for box in boxes:
        box.close()


@pytest.fixture
def real(opened: Open) -> Iterator[Real]:
    """Return a function that opens a toolbox of one real server, ``it``, with its settings, and pins it."""
    with McpServers() as servers:

        def make(*command: str, **settings: object) -> Toolbox:
            given = {"command": command, **settings} if command else settings
            box = opened(servers, it=ToolServerSettings.model_validate(given))
            box.pin("it", box.look("it"))
            return box

        yield make


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], tuple[str, ...]]:
    """Return a function that writes an MCP server, whose tools are the functions of ``source``, as a command."""

    def write(source: str) -> tuple[str, ...]:
        path = tmp_path / "server.py"
        path.write_text(
            f"from mcp.server.mcpserver import MCPServer\nserver = MCPServer('it')\n{source}\nserver.run()\n"
        )
        return (sys.executable, str(path))

    return write
