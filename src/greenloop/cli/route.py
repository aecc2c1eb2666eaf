"""Which way ``ask`` and ``fix`` go: through the sidecar, or in this process. One rule, told where it matters.

--no-sidecar                                   in this process
an option that the sidecar cannot honour       in this process, and said if a sidecar would have been asked
--sidecar, or [aid] commands = "always"        through the sidecar, which is started where none runs
otherwise                                      through the sidecar of this home if one runs
"""

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from rich.markup import escape

from greenloop.aid.client.reach import look
from greenloop.aid.settings import Commands
from greenloop.cli.aid_place import own_settings, place_of
from greenloop.cli.app import App
from greenloop.cli.console import err
from greenloop.records import InputError


class Way(StrEnum):
    """Who answers. The value stands in the output of ``--json``."""

    SIDECAR = "sidecar"
    HERE = "in-process"


def way(app: App, folder: Path, options: Mapping[str, bool], *, sidecar: bool | None) -> Way:
    """Return who is to answer. ``options``: name → whether it was given, of those that the sidecar cannot honour.

    ``sidecar`` is what the person said about it; ``None``: nothing. Raises ``InputError`` when they want both, and as
    ``look``.
    """
    given = [name for name, used in options.items() if used]
    if app.config_file is not None:
        given.append("--config")
    if not _is_utf8(folder):
        given.append("a folder whose name is no UTF-8")
    if sidecar is False:
        return Way.HERE
    if sidecar and given:
        raise InputError(
            f"the sidecar cannot honour {', '.join(given)}",
            "leave it out, or leave `--sidecar` out; the sidecar's model and candidates are those of greenloop.toml",
        )
    wanted = sidecar or own_settings(app).aid.commands is Commands.ALWAYS
    if not wanted and own_settings(app).aid.commands is Commands.NEVER:
        return Way.HERE
    if not wanted and look(place_of(app.home)) is None:
        return Way.HERE
    if given:
        err.print(f"[dim]The sidecar was not asked: it cannot honour {escape(', '.join(given))}.[/]")
        return Way.HERE
    return Way.SIDECAR


def _is_utf8(folder: Path) -> bool:
    try:
        os.fsencode(folder.absolute()).decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
