"""The command and the environment of a server that runs on this machine."""

import shutil
import sys
from collections.abc import Mapping

from greenloop.aid.tools.seam import Surroundings
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.records import InputError, ToolError

_KEPT = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "TMPDIR", "USER")
_KEPT_BY_PYTHON = ("PYTHONPATH", "VIRTUAL_ENV")
"""An entry point belongs to this very interpreter, so it looks where this one looks."""


def command_of(settings: ToolServerSettings, where: Surroundings) -> tuple[str, ...]:
    """Return the whole command of a server: nothing of it outlives the thread that starts it.

    Raises ``ToolError`` when a program is missing.
    """
    words = settings.command
    if settings.entry_point:
        words = (sys.executable, "-m", "greenloop.aid.tools.hosting", settings.entry_point)
    wrapper = _program("bwrap", where.environment, "apt-get install bubblewrap")
    _program(words[0], where.environment, "install it, or name its path in greenloop.toml", folder=str(where.workspace))
    return (
        wrapper, "--die-with-parent", "--unshare-pid", "--dev-bind", "/", "/", "--proc", "/proc",
        "--chdir", str(where.workspace), "--", *words,
    )  # fmt: skip


def environment_of(name: str, settings: ToolServerSettings, where: Surroundings) -> dict[str, str]:
    """Return the environment of a server. Raises ``InputError`` when a variable that it names is not set."""
    kept = {*_KEPT, *(_KEPT_BY_PYTHON if settings.entry_point else ())}
    named = {*settings.environment, *((settings.token_variable,) if settings.token_variable else ())}
    for variable in sorted(named - where.environment.keys()):
        raise InputError(
            f"tools.{name}: the environment variable {variable} is not set", "set it before Greenloop is started"
        )
    return {key: value for key, value in where.environment.items() if key in kept | named}


def _program(program: str, environment: Mapping[str, str], way_out: str, folder: str = "") -> str:
    if "/" in program:
        path = program if program.startswith("/") else f"{folder}/{program}"
        found = shutil.which(path)
    else:
        found = shutil.which(program, path=environment.get("PATH", ""))
    if found is None:
        raise ToolError(f"there is no program {program!r}", way_out)
    return found
