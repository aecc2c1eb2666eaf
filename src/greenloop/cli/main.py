"""``greenloop``: the commands, and the one place where an error becomes text and an exit status."""

import signal
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from greenloop.cli.app import App
from greenloop.cli.console import tell
from greenloop.cli.late import Late, group_of
from greenloop.records import GreenloopError

_COMMANDS = {
    "doctor": Late("doctor:doctor", "Set up"),
    "init": Late("init:init", "Set up"),
    "report": Late("report:report", "History"),
    "mine": Late("mine:mine", "From history to a score"),
    "split": Late("split:split", "From history to a score"),
    "fix": Late("fix:fix", "Help with code"),
    "ask": Late("ask:ask", "Help with code"),
    "aid": Late("aid:app", "Help with code"),
    "acp": Late("acp:acp", "Help with code"),
    "tools": Late("tools:app", "Help with code"),
    "metrics": Late("metrics:metrics", "What became of it"),
    "experiments": Late("experiments:app", "What became of it"),
    "ces": Late("ces:app", "Judging edits"),
    "record": Late("record:app", "History"),
    "import": Late("history:importing", "History"),
    "dataset": Late("dataset:app", "From history to a score"),
    "train": Late("train:app", "From history to a score"),
    "eval": Late("evaluate:app", "From history to a score"),
    "models": Late("models:app", "A model of your own"),
}

app = typer.Typer(
    name="greenloop",
    cls=group_of(_COMMANDS),
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


def main() -> None:
    """Run the command line. Exit status: 0 done, 1 the world is not as needed, 2 what was given is wrong."""
    # a closed pipe (`greenloop record log | head`) ends the program quietly, as it does for other tools
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        app()
    except GreenloopError as error:
        tell(error)
        sys.exit(error.exit_status)
