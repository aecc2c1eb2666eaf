"""``greenloop import``, ``export`` and ``log``: histories come in, go out, and are looked at."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.cli.show import table
from greenloop.cli.toolchains import judge_for
from greenloop.mining.timeline import Moment, timeline
from greenloop.records import InputError, Status, Workspace
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
        raise InputError(f"no workspace is called {pattern!r}", "`greenloop log` lists them")
    return found


def log(
    context: typer.Context,
    workspace: Annotated[str, typer.Argument(help="A workspace; without it all are listed.")] = "",
    most: Annotated[int, typer.Option(min=1, help="How many stretches to show, the newest.")] = 40,
) -> None:
    """Show the histories that are here, or one workspace's runs of green and red."""
    app = App.of(context)
    snapshots = app.home.snapshots
    if not workspace:
        rows = []
        for one in snapshots.workspaces():
            last = snapshots.last(one.id)
            rows.append((one.id, one.author, str(snapshots.count(one.id)), _moment(last.time) if last else "-"))
        table("Workspaces", ("workspace", "author", "snapshots", "last"), rows)
        return
    for one in choose(snapshots.workspaces(), workspace):
        judge = judge_for(app, one)
        _show_runs(one, timeline(snapshots.snapshots(one.id), judge.engine, judge.suite), most)


def _show_runs(workspace: Workspace, moments: tuple[Moment, ...], most: int) -> None:
    out.print(f"[bold]{escape(workspace.id)}[/]: {len(moments)} snapshots")
    runs: list[list[Moment]] = []
    for moment in moments:
        if runs and runs[-1][-1].status is moment.status and not moment.cut:
            runs[-1].append(moment)
        else:
            runs.append([moment])
    for run in runs[-most:]:
        first, last = run[0], run[-1]
        colour = {Status.GREEN: "green", Status.RED: "red"}.get(first.status, "yellow")
        cut = f" [dim](after {escape(first.cut)})[/]" if first.cut else ""
        bar = "█" * min(len(run), 40)
        seconds = last.time - first.time
        out.print(
            f"  {_moment(first.time)} [{colour}]{first.status.value:>7} {bar}[/] "
            f"{len(run)} snapshot{'s' if len(run) > 1 else ''} in {seconds:.0f} s{cut}"
        )


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
