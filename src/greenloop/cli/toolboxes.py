"""The domain tools of the folder at hand, wired: settings, pins, environment, and servers that are really started."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.aid.tools.pins import Pins
from greenloop.aid.tools.seam import Surroundings
from greenloop.aid.tools.toolbox import Toolbox
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
