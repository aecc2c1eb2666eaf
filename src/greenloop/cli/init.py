"""``greenloop init``: writes a ``greenloop.toml`` by looking at the repository."""

import json
import os
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape

from greenloop.cli.config import FILE_NAME, ToolchainKind, keys, sections
from greenloop.cli.console import out
from greenloop.records import InputError
from greenloop.storage import write_atomically
from greenloop.workspace.vcs import detect

# folders that hold no sources of the team's own
_PASSED_OVER = {"_build", "_opam", "node_modules", "__pycache__"}


def guess_toolchain(root: Path) -> ToolchainKind:
    """Return the toolchain that the files below ``root`` call for; ``COMMAND`` when none is recognised."""
    loose = False
    for _folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in _PASSED_OVER and not name.startswith(".")]
        if {"dune", "dune-project", "dune-workspace"} & set(names):
            return ToolchainKind.DUNE
        loose = loose or any(name.endswith((".ml", ".mli")) for name in names)
    return ToolchainKind.OCAML_FILE if loose else ToolchainKind.COMMAND


def as_toml(value: Any) -> str:
    """Write one setting's value as TOML. Settings hold text, numbers, booleans, lists and tables of text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return "[" + ", ".join(as_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + "}"
    # a JSON string is a TOML basic string
    return json.dumps(str(value), ensure_ascii=False)


def template(kind: ToolchainKind) -> str:
    """Return a whole ``greenloop.toml``: what was found is set, every other setting stands as a comment."""
    lines = ["# Greenloop's settings for this repository; docs/configuration.md explains each.", "version = 1"]
    for name, section in sections().items():
        # the table of a toolchain that is not in use would only be in the way
        # and so would one whose name the team has to choose
        if name in set(ToolchainKind) - {kind} or ".NAME" in name:
            continue
        lines += ["", f"[{name}]"]
        for key, field in keys(section).items():
            lines += textwrap.wrap(
                " ".join((field.description or "").split()), 100, initial_indent="# ", subsequent_indent="# "
            )
            lines.append(_setting(kind, name, key, field))
    return "\n".join(lines) + "\n"


def _setting(kind: ToolchainKind, section: str, key: str, field: FieldInfo) -> str:
    if (section, key) == ("toolchain", "kind"):
        return f"kind = {as_toml(kind)}"
    if field.is_required():
        return f'{key} = ""  # say here how this project is checked'
    default = field.get_default(call_default_factory=True)
    return f"# {key} = {as_toml('' if default is None else default)}"


def init(
    folder: Annotated[Path, typer.Argument(help="The repository.", exists=True, file_okay=False)] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace a greenloop.toml that is there.")] = False,
) -> None:
    """Write a greenloop.toml for a repository, by looking at it."""
    found = detect(folder.absolute())
    target = found.root / FILE_NAME
    if target.exists() and not force:
        raise InputError(f"{target} exists already", "edit it, or pass --force to replace it")
    kind = guess_toolchain(found.root)
    write_atomically(target, template(kind).encode())
    out.print(f"Wrote {escape(str(target))}: {found.vcs} checkout, toolchain [bold]{kind}[/].")
    if kind is ToolchainKind.COMMAND:
        out.print("No toolchain was recognised: fill in [bold]command.check[/] with the command that checks your code.")
    else:
        out.print("Next: [bold]greenloop doctor[/], then [bold]greenloop record[/] while you work.")
