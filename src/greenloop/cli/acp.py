"""``greenloop acp``: the sidecar for editors that speak the Agent Client Protocol."""

import asyncio
import os
import signal
import stat

import typer

from greenloop.aid.acp.agent import AcpAgent, serve
from greenloop.cli.aid_place import installed, own_settings, reached
from greenloop.cli.app import App
from greenloop.records import InputError


def acp(context: typer.Context) -> None:
    """Speak the Agent Client Protocol on stdin and stdout, for Zed, JetBrains, CodeCompanion.nvim and others.

    An editor starts this, and ends it by closing stdin. The sidecar is started if need be. Each file of a suggestion is
    asked about by itself, with what the build says of it; nothing is written without that.
    """
    app = App.of(context)
    if any(stat.S_ISREG(os.fstat(number).st_mode) for number in (0, 1)):
        raise InputError("stdin or stdout is a file", "an editor starts `greenloop acp`, and speaks with it by pipes")
    # an editor that ends while it is written to is the end of this, not an accident
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    limit = own_settings(app).aid.message_mib << 20

    async def run() -> None:
        await serve(AcpAgent(lambda: reached(app), lambda: app.home.trees, version=installed(), limit=limit), limit)

    asyncio.run(run())
