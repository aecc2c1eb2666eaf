"""The domain tools of the folder at hand, wired: settings, pins, environment, and servers that are really started."""

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from greenloop.aid.tools.pins import Pins
from greenloop.aid.tools.seam import Connect, Connection, Surroundings
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.aid.tools.toolbox import Toolbox
from greenloop.aid.trust import Trust
from greenloop.cli.app import App
from greenloop.cli.turns import project_root


@contextmanager
def toolbox(app: App, folder: Path) -> Iterator[Toolbox]:
    """Open the tools of the project that ``folder`` lies in, for as long as the block runs.

    Here the pin is the trust: a person saw which command runs in which folder, and nothing runs that nobody saw.
    """
    # the package `mcp` takes half a second to import, which only these commands should wait for
    from greenloop.aid.tools.mcp_connection import McpServers

    root = project_root(folder)
    where = Surroundings(workspace=root, logs=app.home.tools / "logs", environment=dict(os.environ), trusted=True)
    with McpServers() as servers:
        box = Toolbox(app.settings(root).tools, Pins(app.home.tools / "pins.json"), where, servers)
        with box:
            yield box


class HomeTools:
    """What the sidecar opens the tools of its workspaces with. A workspace that is not trusted gets none started."""

    def __init__(self, app: App, trust: Trust) -> None:
        self._app = app
        self._trust = trust
        self._lock = threading.Lock()
        self._servers: AbstractContextManager[Connect] | None = None
        self._connect: Connect | None = None

    def key(self, root: Path) -> tuple[bool, str]:
        """Return what the tools of the workspace at ``root`` depend on: its trust, and its settings."""
        trusted = self._trust.trusts(root)
        return trusted, repr(self._app.settings(root).tools) if trusted else ""

    def open(self, root: Path) -> Toolbox:
        """Open the tools of the workspace at ``root``; its own settings count once it is trusted."""
        trusted = self._trust.trusts(root)
        tools = self._app.settings(root).tools if trusted else {}
        where = Surroundings(
            workspace=root, logs=self._app.home.tools / "logs", environment=dict(os.environ), trusted=trusted
        )
        return Toolbox(tools, Pins(self._app.home.tools / "pins.json"), where, self._started)

    def close(self) -> None:
        """End every server."""
        with self._lock:
            servers, self._servers, self._connect = self._servers, None, None
        if servers is not None:
            servers.__exit__(None, None, None)

    def _started(self, name: str, settings: ToolServerSettings, where: Surroundings) -> Connection:
        with self._lock:
            if self._connect is None:
                # see above: a sidecar whose tools nobody calls never imports it
                from greenloop.aid.tools.mcp_connection import McpServers

                self._servers = McpServers()
                self._connect = self._servers.__enter__()
            connect = self._connect
        return connect(name, settings, where)
