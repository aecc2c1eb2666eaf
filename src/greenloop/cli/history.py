"""``greenloop import`` and ``export``: histories come in and go out."""

from pathlib import Path
from typing import Annotated

import typer

from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.records import InputError, Workspace
from greenloop.snapshots.exports.jsonl import export_history, import_history
from greenloop.snapshots.ocaml_top import import_sessions

importing = typer.Typer(no_args_is_help=True, help="Bring a history in from elsewhere.")


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


@importing.command("history")
def import_recorded(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A file that `greenloop export` wrote.")],
) -> None:
    """Import a history that another machine exported. Every tree is rebuilt and compared with its id."""
    done = import_history(App.of(context).home.snapshots, file)
    out.print(
        f"{done.workspaces} workspaces, {done.snapshots} snapshots, {done.blobs} files; {done.new} new snapshots."
    )


def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file to write, such as history.jsonl.xz.")],
    workspace: Annotated[
        list[str] | None, typer.Option("--workspace", "-w", help="Only this workspace; may be given again.")
    ] = None,
) -> None:
    """Write histories to one file that `greenloop import history` reads on any machine."""
    home = App.of(context).home
    chosen = [found.id for pattern in workspace or [] for found in choose(home.snapshots.workspaces(), pattern)]
    done = export_history(home.snapshots, file, chosen)
    size = file.stat().st_size / 1024
    out.print(f"{done.workspaces} workspaces, {done.snapshots} snapshots, {done.blobs} files: {size:.0f} KiB.")


def choose(workspaces: tuple[Workspace, ...], pattern: str) -> tuple[Workspace, ...]:
    """Return the workspaces whose id is ``pattern`` or lies below it, as ``ocaml-top`` or ``recorder/ada``.

    Raises ``InputError`` when there is none.
    """
    found = tuple(one for one in workspaces if one.id == pattern or one.id.startswith(pattern.rstrip("/") + "/"))
    if not found:
        raise InputError(f"no workspace is called {pattern!r}", "`greenloop record log` lists them")
    return found
