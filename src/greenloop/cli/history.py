"""``greenloop import``: histories that other tools recorded come in; and how workspaces are named."""

from pathlib import Path
from typing import Annotated

import typer

from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.records import InputError, Workspace
from greenloop.snapshots.ocaml_top import import_sessions

importing = typer.Typer(no_args_is_help=True, help="Bring in what other tools recorded.")


@importing.command("ocaml-top")
def import_ocaml_top(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Sessions of the OCaml top level, JSON lines, plain or .xz.")],
) -> None:
    """Import recorded OCaml top-level sessions: one workspace for each student and file.

    Either all of the file comes in or nothing does; importing it again changes nothing.
    """
    app = App.of(context)
    with progress("reading sessions", "events") as report:
        done = import_sessions(file, app.home.snapshots, lambda events: report(events, events))
    out.print(
        f"{done.events} events, {done.workspaces} workspaces, {done.trees} distinct trees; {done.new} new snapshots."
    )


def choose(workspaces: tuple[Workspace, ...], pattern: str) -> tuple[Workspace, ...]:
    """Return the workspaces whose id is ``pattern`` or lies below it, as ``ocaml-top`` or ``recorder/ada``.

    Raises ``InputError`` when there is none.
    """
    found = tuple(one for one in workspaces if one.id == pattern or one.id.startswith(pattern.rstrip("/") + "/"))
    if not found:
        raise InputError(f"no workspace is called {pattern!r}", "`greenloop record log` lists them")
    return found
