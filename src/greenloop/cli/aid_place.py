"""Where the sidecar of a home lives, how it is started, and by which settings."""

import os
from importlib.metadata import version

from greenloop.aid.client.reach import Launch, Reached, reach
from greenloop.aid.door.place import Place
from greenloop.cli import config
from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.home import Home

_LEAN = {"MALLOC_ARENA_MAX": "2", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc gives memory back: a crowd of turns is not there all day."""


def place_of(home: Home) -> Place:
    """Return where the sidecar of a home lives."""
    return Place(home.aid, home.runtime)


def installed() -> str:
    """Return the version of Greenloop that is installed: a sidecar that is older is replaced."""
    return version("greenloop")


def reached(app: App) -> Reached:
    """Return a connection to the sidecar, which is started where it does not run. Blocks; raises as ``reach``."""
    return reach(place_of(app.home), Launch((*app.itself(), "aid", "serve"), installed(), {**os.environ, **_LEAN}))


def own_settings(app: App) -> Config:
    """Return the settings of the sidecar itself: of the file that was named, else of the home's, else the defaults."""
    file = app.config_file or app.home.path / config.FILE_NAME
    return config.read(file) if app.config_file is not None or file.exists() else Config()
