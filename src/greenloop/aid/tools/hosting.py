"""``python -m greenloop.aid.tools.hosting NAME``: a Python entry point as an MCP server on standard input and output.

So a team's function runs in a process of its own like every other tool: it may hang or crash, and is pinned, stopped
and started again like them. What it prints goes to its log.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from importlib.metadata import entry_points
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer

from greenloop.records import InputError

GROUP = "greenloop.tools"


def server_of(name: str) -> MCPServer[Any]:
    """Return the server behind an entry point: its function, its functions, or its own ``MCPServer``.

    A function's name, docstring and annotations become the tool's name, help and arguments. Raises ``InputError``.
    """
    found = entry_points(group=GROUP, name=name)
    if not found:
        others = ", ".join(sorted({one.name for one in entry_points(group=GROUP)})) or "none at all"
        raise InputError(f"no entry point {name!r} of the group {GROUP} is installed", f"there is: {others}")
    loaded = next(iter(found)).load()
    if isinstance(loaded, MCPServer):
        return loaded
    functions: Iterable[Callable[..., Any]] = (loaded,) if callable(loaded) else loaded
    server: MCPServer[Any] = MCPServer(name)
    for function in functions:
        server.add_tool(function)
    return server


def main() -> None:
    """Serve the entry point that is named until standard input ends."""
    try:
        # what the team's code prints must not get between the messages; from here on the package sees to that
        with redirect_stdout(sys.stderr):
            server = server_of(sys.argv[1])
    except InputError as error:
        sys.exit(str(error))
    anyio.run(server.run_stdio_async)


if __name__ == "__main__":
    main()
