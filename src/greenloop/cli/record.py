"""``greenloop record``: snapshots of a folder while someone works in it."""

import getpass
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import err, out
from greenloop.records import Snapshot
from greenloop.snapshots.recorder import Recorder, run, workspace_for
from greenloop.workspace.vcs import Checkout


def record(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder to record.")] = Path(),
    every: Annotated[
        float | None, typer.Option(min=0.2, help="Seconds between two looks [default: record.interval_seconds].")
    ] = None,
    author: Annotated[str, typer.Option(help="Who works here [default: record.author, else your login name].")] = "",
    title: Annotated[str, typer.Option(help="What is worked on [default: the folder's name].")] = "",
) -> None:
    """Record a folder until Ctrl-C: a snapshot at every interval in which something changed.

    Running this command is your consent; nothing is recorded otherwise, and nothing leaves this machine. Ignored files,
    large files and files that hold secrets are left out, and each is named. Nothing in the folder is touched.
    """
    app = App.of(context)
    settings = app.settings(folder).record
    name = title or folder.resolve().name
    workspace = workspace_for(author or settings.author or getpass.getuser(), name)
    recorder = Recorder(
        app.home.snapshots,
        workspace,
        folder,
        interval=every or settings.interval_seconds,
        max_file_bytes=settings.max_file_bytes,
        on_snapshot=_tell,
        report=lambda words: err.print(f"[yellow]greenloop:[/] {escape(words)}"),
    )
    out.print(
        f"Recording [bold]{escape(str(folder.resolve()))}[/] as [bold]{escape(workspace.id)}[/] "
        f"into {escape(str(app.home.path))}. Ctrl-C ends it."
    )
    recording = run(recorder)
    out.print(f"{recording.snapshots} snapshots taken. See them with [bold]greenloop log {escape(workspace.id)}[/].")


def _tell(snapshot: Snapshot, checkout: Checkout) -> None:
    when = time.strftime("%H:%M:%S", time.localtime(snapshot.time))
    left_out = f", {len(checkout.skipped)} files left out" if checkout.skipped else ""
    out.print(f"[dim]{when}[/] snapshot {snapshot.seq}: tree {snapshot.tree[:12]}{left_out}")
