"""Commands whose modules are imported once they are asked for: `greenloop record status` needs no mining."""

from collections import UserDict
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


@dataclass(frozen=True)
class Late:
    """A command, or a group of them, by where it is: ``module:name`` below ``greenloop.cli``."""

    where: str
    panel: str | None = None
    hidden: bool = False

    def load(self, name: str) -> Any:
        """Import it, and return what Typer makes of it under a name."""
        module, _, attribute = self.where.partition(":")
        found = getattr(import_module(f"greenloop.cli.{module}"), attribute)
        above = typer.Typer(rich_markup_mode="markdown")
        if isinstance(found, typer.Typer):
            above.add_typer(found, name=name, rich_help_panel=self.panel, hidden=self.hidden)
        else:
            above.command(name, rich_help_panel=self.panel, hidden=self.hidden)(found)
        return typer.main.get_group(above).commands[name]


class _Commands(UserDict[str, Any]):
    def __getitem__(self, name: str) -> Any:
        held = self.data[name]
        if isinstance(held, Late):
            self.data[name] = held = held.load(name)
        return held


def group_of(commands: Mapping[str, Late]) -> type[TyperGroup]:
    """Return the class of a group that has these commands after its own."""

    class LateGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = _Commands({**self.commands, **commands})

    return LateGroup
