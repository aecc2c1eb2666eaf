"""``greenloop``: the commands, and the one place where an error becomes text and an exit status."""

import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from greenloop.cli import (
    ask,
    ces,
    dataset,
    doctor,
    evaluate,
    fix,
    history,
    init,
    mine,
    record,
    record_data,
    record_log,
    record_shadow,
    report,
)
from greenloop.cli.app import App
from greenloop.cli.console import tell
from greenloop.records import GreenloopError

app = typer.Typer(
    name="greenloop",
    help="Turn a team's edit-and-build cycles into a coding assistant whose every suggestion a build has checked.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _show_version(asked: bool) -> None:
    if asked:
        print(f"greenloop {version('greenloop')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", help="Where Greenloop keeps its data [default: $GREENLOOP_HOME, else your data folder]."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="The greenloop.toml to use [default: the nearest one above the repository]."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options that every command has; they stand before the command's name."""
    context.obj = App.create(home, config)


app.command(rich_help_panel="Set up")(doctor.doctor)
app.command(rich_help_panel="Set up")(init.init)
app.add_typer(ces.app, name="ces", rich_help_panel="Judging edits")
record.app.command("log")(record_log.log)
record.app.command("shadow", hidden=True)(record_shadow.shadow)
record.app.command("export")(record_data.export)
record.app.command("import")(record_data.import_)
record.app.command("push")(record_data.push)
record.app.command("purge")(record_data.purge)
record.app.command("check")(record_data.check)
record.app.command("audit")(record_data.audit_)
record.app.command("upkeep", hidden=True)(record_data.upkeep)
app.add_typer(record.app, name="record", rich_help_panel="History")
app.command(rich_help_panel="History")(report.report)
app.add_typer(history.importing, name="import", rich_help_panel="History")
app.command(rich_help_panel="From history to a score")(mine.mine)
app.add_typer(dataset.app, name="dataset", rich_help_panel="From history to a score")
app.add_typer(evaluate.app, name="eval", rich_help_panel="From history to a score")
app.command(rich_help_panel="Help with code")(fix.fix)
app.command(rich_help_panel="Help with code")(ask.ask)


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 the world is not as needed, 2 what was given is wrong."""
    # a closed pipe (`greenloop record log | head`) ends the program quietly, as it does for other tools
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app()
    except GreenloopError as error:
        tell(error)
        sys.exit(error.exit_status)
