"""``greenloop aid serve``: the sidecar itself."""

import os
import threading
from typing import Annotated

import typer

from greenloop.aid.door.connection import Bounds
from greenloop.aid.door.life import Terms, live, say_on
from greenloop.aid.service import Combined
from greenloop.cli.aid_parts import parts
from greenloop.cli.aid_place import installed, own_settings, place_of
from greenloop.cli.app import App

_LAST_SECONDS = 5.0
"""For threads that do not end though everything else has."""


def serve(
    context: typer.Context,
    ready_fd: Annotated[
        int | None, typer.Option("--ready-fd", help="Where to say that it is ready.", hidden=True)
    ] = None,
) -> None:
    """Be the sidecar, in this process, until it is not needed. `greenloop aid start` starts one in the background."""
    app = App.of(context)
    settings = own_settings(app).aid
    bounds = Bounds(message_bytes=settings.message_mib << 20)
    terms = Terms(idle_seconds=60 * settings.idle_minutes, bounds=bounds)
    live(place_of(app.home), installed(), terms, lambda: Combined(parts(app)), say_on(ready_fd))
    last = threading.Timer(_LAST_SECONDS, os._exit, (0,))
    last.daemon = True
    last.start()
