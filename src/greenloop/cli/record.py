"""``greenloop record``: a folder's history while someone works in it, from consent to its end."""

import json
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from greenloop.cli import recording
from greenloop.cli.app import App
from greenloop.cli.console import err, out, tell
from greenloop.cli.desks import demand, enrolments
from greenloop.cli.late import Late, group_of
from greenloop.cli.record_show import Fare, fare, plain, show
from greenloop.records import EnvironmentFault, GreenloopError, InputError, RecordError, Snapshot
from greenloop.snapshots import audit
from greenloop.snapshots.enrolment import Desk, Wish
from greenloop.snapshots.purge import demand_finished, unfinished, unfinished_error
from greenloop.snapshots.recorder import demand_apart, stopped_by_signals
from greenloop.storage import named_io_errors
from greenloop.workspace.vcs import Reading

_LONGEST_PAUSE = 366 * 24 * 60
app = typer.Typer(
    no_args_is_help=True,
    help="Record a folder while someone works in it, with their consent.",
    cls=group_of(
        {
            "log": Late("record_log:log"),
            "shadow": Late("record_shadow:shadow", hidden=True),
            "export": Late("record_data:export"),
            "import": Late("record_data:import_"),
            "push": Late("record_data:push"),
            "purge": Late("record_data:purge"),
            "check": Late("record_data:check"),
            "audit": Late("record_data:audit_"),
            "upkeep": Late("record_data:upkeep", hidden=True),
        }
    ),
)

Folder = Annotated[Path, typer.Argument(help="The folder that is recorded.")]


@app.command()
def start(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder to record.")] = Path(),
    author: Annotated[str, typer.Option(help="Who works here [default: record.author, else your login name].")] = "",
    title: Annotated[str, typer.Option(help="What is worked on [default: the folder's name].")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Consent without being asked.")] = False,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay here, and end with Ctrl-C.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Start again whatever was being recorded, as after a reboot.")
    ] = False,
) -> None:
    """Turn recording on for a folder, and start it in the background.

    The first time it says what is recorded, where it is kept and for how long, and asks for your consent. Nothing in
    the folder is touched, and nothing leaves this machine.
    """
    home = App.of(context)
    if everything:
        _start_all(home)
        return
    desk = _consented(home, folder, author, title, yes=yes)
    if desk.running() is not None:
        _want(home, desk, Wish())
        _started(desk, anew=False)
    elif foreground:
        _want(home, desk, Wish())
        _record_here(home, desk)
    else:
        desk.want(Wish())
        _started(desk, anew=recording.launch(home, desk))


def _start_all(home: App) -> None:
    failed = False
    for desk in enrolments(home).desks():
        try:
            if desk.wish.recording and desk.running() is None:
                demand_finished(home.home.path, desk.enrolment.workspace.id)
                _started(desk, anew=recording.launch(home, desk))
        except GreenloopError as error:
            # the other folders are no less wanted
            tell(error)
            failed = True
    if failed:
        raise typer.Exit(1)


def _consented(home: App, folder: Path, author: str, title: str, *, yes: bool) -> Desk:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", "name the folder of a project")
    root = folder.resolve()
    recording.demand_leave(root)
    demand_apart(root, home.home.path)
    known = enrolments(home).find(root)
    if known is not None and not (author or title):
        demand_finished(home.home.path, known.enrolment.workspace.id)
        return known
    workspace = recording.workspace_of(home, root, author, title)
    demand_finished(home.home.path, workspace.id)
    if known is not None and known.enrolment.workspace == workspace:
        return known
    if known is not None and known.running() is not None:
        raise InputError(f"{root} is being recorded as {known.enrolment.workspace.id}", "stop that first")
    told = recording.words(root, workspace, home.settings(root).record, home.home.path)
    err.print(escape(told))
    if not yes:
        if not err.is_terminal:
            raise InputError("nobody is there to consent", "read what stands above, and say --yes")
        typer.confirm("Do you consent?", abort=True, err=True)
    return recording.enrol(home, root, workspace)


def _started(desk: Desk, *, anew: bool) -> None:
    if not anew:
        out.print(f"{escape(desk.enrolment.root)} is being recorded (process {desk.running()}).")
        return
    out.print(
        f"Recording [bold]{escape(desk.enrolment.root)}[/] as [bold]{escape(desk.enrolment.workspace.id)}[/] "
        f"(process {desk.running()}). `greenloop record status` says how it fares."
    )


def _record_here(home: App, desk: Desk) -> None:
    def report(said: str) -> None:
        # a full disk takes no line of the log either, which is no reason to end; the heartbeat says the same
        with suppress(OSError):
            err.print(f"[dim]{time.strftime('%F %T')}[/] [yellow]greenloop:[/] {escape(said)}")

    def on_snapshot(snapshot: Snapshot, reading: Reading) -> None:
        if not out.is_terminal:
            return  # a log that grows by a line for each snapshot would be the largest file of the home in a year
        when = time.strftime("%H:%M:%S", time.localtime(snapshot.time))
        left_out = f", {len(reading.skipped)} files left out" if reading.skipped else ""
        out.print(f"[dim]{when}[/] snapshot {snapshot.seq}: tree {snapshot.tree[:12]}{left_out}")

    enrolment = desk.enrolment
    out.print(f"Recording [bold]{escape(enrolment.root)}[/] as [bold]{escape(enrolment.workspace.id)}[/].")
    with stopped_by_signals() as stop:
        done = recording.record(home, desk, recording.Tell(report, on_snapshot), stop)
    out.print(f"{done.snapshots} snapshots taken. `greenloop record log` shows them.")


@app.command()
def stop(
    context: typer.Context,
    folder: Folder = Path(),
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Also take back the consent. What was recorded stays: see `purge`.")
    ] = False,
) -> None:
    """Stop recording a folder; a last snapshot is taken."""
    home = App.of(context)
    desk = demand(home, folder)
    enrolment = desk.enrolment
    # a pause holds to the end: what was done in it is not in the last snapshot either
    try:
        desk.want(desk.wish.model_copy(update={"recording": False}))
    except EnvironmentFault as error:
        recording.halt(desk)
        raise EnvironmentFault(
            f"{enrolment.root} is not recorded any more, but that you want so cannot be kept: {error.message}",
            "run `greenloop record stop` again when the disk takes it, else `start --all` starts it again",
        ) from error
    recording.halt(desk)
    with named_io_errors(desk.suspended):
        desk.suspended.unlink(missing_ok=True)
    out.print(f"{escape(enrolment.root)} is not recorded any more.")
    audit.append(home.home.path, "stop", workspace=enrolment.workspace.id)
    if withdraw:
        (desk.path / "enrolment.json").unlink()
        audit.append(home.home.path, "withdraw", workspace=enrolment.workspace.id)
        out.print("The consent is taken back.")


@app.command()
def pause(
    context: typer.Context,
    folder: Folder = Path(),
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Go on by itself after so long [default: at `resume`].")
    ] = None,
) -> None:
    """Look away until `resume`: what you do meanwhile is not recorded, only how the folder is afterwards."""
    home = App.of(context)
    desk = demand(home, folder)
    if not desk.wish.recording:
        raise InputError(f"{desk.enrolment.root} is not being recorded", "there is nothing to pause")
    if minutes is not None and not minutes <= _LONGEST_PAUSE:
        raise InputError(f"--minutes {minutes}: longer than a year", "leave it out to pause until `resume`")
    until = time.time() + minutes * 60 if minutes else None
    _want(home, desk, Wish(paused=True, until=until))
    end = time.strftime(" until %H:%M", time.localtime(until)) if until else " until `greenloop record resume`"
    out.print(f"{escape(desk.enrolment.root)} is not looked at{end}.")


@app.command()
def resume(context: typer.Context, folder: Folder = Path()) -> None:
    """End a pause."""
    home = App.of(context)
    desk = demand(home, folder)
    if not desk.wish.recording:
        raise InputError(f"{desk.enrolment.root} is not being recorded", "`greenloop record start` starts it")
    demand_finished(home.home.path, desk.enrolment.workspace.id)
    _want(home, desk, Wish())
    out.print(f"{escape(desk.enrolment.root)} is recorded again.")


def _want(home: App, desk: Desk, wish: Wish) -> None:
    before = desk.wish
    desk.want(wish)
    if before.recording and before.paused != wish.paused:
        audit.append(home.home.path, "pause" if wish.paused else "resume", workspace=desk.enrolment.workspace.id)


@app.command()
def status(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="A recorded folder [default: all of them].")] = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="Also name what is left out, and why.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON for each folder.")] = False,
) -> None:
    """Say how the recordings fare. Exit status 1 if one that should run does not, or stores nothing."""
    home = App.of(context)
    desks = enrolments(home).desks() if folder is None else (demand(home, folder),)
    well = True
    try:
        scope = unfinished(home.home.path)
    except RecordError as error:
        tell(error)
        well, scope = False, None
    for desk in desks:
        try:
            one = fare(home, desk, scope)
        except RecordError as error:
            tell(error)
            well = False
            continue
        well = well and one.state.well and not one.unread
        if as_json:
            print(json.dumps(_body(one), ensure_ascii=False))
        else:
            show(one, skipped=skipped)
    if not desks:
        out.print("Nothing is recorded. `greenloop record start` turns recording on for a folder.")
    if scope is not None:
        tell(unfinished_error(scope))
        well = False
    if not well:
        raise typer.Exit(1)


def _body(one: Fare) -> dict[str, Any]:
    return {key: plain(value) for key, value in asdict(one).items()}


def main(
    folder: Path,
    home: Annotated[Path, typer.Option()],
    config: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Record an enrolled folder in this process: what `start` runs, without the other commands in its memory."""
    app_ = App.create(home, config)
    try:
        _record_here(app_, demand(app_, folder))
    except GreenloopError as error:
        tell(error)
        raise typer.Exit(error.exit_status) from error


if __name__ == "__main__":
    typer.run(main)
