"""``greenloop aid connect``: the sidecar as a process, for editors that want one."""

import asyncio
import signal

import typer

from greenloop.aid.client.bridge import bridge
from greenloop.cli.aid_place import own_settings, reached
from greenloop.cli.app import App


def connect(context: typer.Context) -> None:
    """Bridge stdin and stdout to the sidecar, which is started if need be, until stdin ends.

    When the sidecar is restarted the editor sees a pause: it is introduced anew, its workspaces are opened again, and
    each turn in flight ends with the fault `sidecar-restarted`.
    """
    app = App.of(context)
    # a sidecar that ends while it is written to is what this is here for
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    limit = own_settings(app).aid.message_mib << 20
    asyncio.run(bridge(lambda: reached(app), 0, 1, limit))
