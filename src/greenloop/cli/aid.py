"""``greenloop aid``: the sidecar's life, and the person's decisions about it."""

import json
import os
import select
import signal
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.aid.client.client import Client
from greenloop.aid.client.reach import halt, look
from greenloop.aid.protocol.catalogue import WORKSPACE_OPEN, WORKSPACE_TRUST
from greenloop.aid.protocol.session import SidecarStatus, WorkspaceOpen, WorkspaceTrust
from greenloop.cli.aid_place import installed, place_of, reached
from greenloop.cli.app import App
from greenloop.cli.console import err, out
from greenloop.cli.late import Late, group_of
from greenloop.records import InputError
from greenloop.storage import named_io_errors

_FOLLOW_SECONDS = 0.2
_TAIL_BYTES = 1 << 20

app = typer.Typer(
    no_args_is_help=True,
    help="The sidecar that every editor shares: one process a user, started on first use.",
    cls=group_of(
        {
            "explain": Late("aid_explain:explain"),
            "experiments": Late("experiments:app"),
            "endpoint": Late("aid_endpoint:endpoint"),
            "connect": Late("aid_connect:connect"),
            "serve": Late("aid_serve:serve", hidden=True),
        }
    ),
)


@app.command()
def start(context: typer.Context) -> None:
    """Start the sidecar if it does not run, and say where it listens. Editors do this by themselves."""
    home = App.of(context)
    found = reached(home)
    found.socket.close()
    out.print(f"process {found.status.pid} listens on {escape(str(place_of(home.home).socket))}", soft_wrap=True)


@app.command()
def stop(context: typer.Context) -> None:
    """End the sidecar; turns in flight end with a named error. The next request of an editor starts it again."""
    out.print("ended" if halt(place_of(App.of(context).home)) else "no sidecar runs")


@app.command()
def restart(context: typer.Context) -> None:
    """End the sidecar, also one that hangs, and start it anew. Editors stay connected and see a pause."""
    halt(place_of(App.of(context).home))
    start(context)


@app.command()
def status(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether the sidecar runs, and who uses it. Exit status 1 when none runs."""
    place = place_of(App.of(context).home)
    found = look(place)
    if as_json:
        more = {} if found is None else found.model_dump(mode="json")
        places = {"socket": str(place.socket), "log": str(place.log)}
        print(json.dumps({"running": found is not None, "installed": installed(), **places, **more}))
    elif found is None:
        out.print("no sidecar runs")
    else:
        _tell(found, place.socket)
    if found is None:
        raise typer.Exit(1)


def _tell(found: SidecarStatus, socket: Path) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(found.started))
    out.print(f"process {found.pid} since {since}, version {escape(found.version)}, protocol {found.protocol}")
    out.print(f"listens on {escape(str(socket))}")
    out.print(f"clients: {escape(', '.join(found.clients)) or 'none'}{'; a turn runs' if found.busy else ''}")
    if found.version != installed():
        out.print(f"version {escape(installed())} is installed: `greenloop aid restart` brings it in")


@app.command()
def logs(
    context: typer.Context,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")] = False,
) -> None:
    """Print what the sidecar wrote down. Neither prompts nor code are in it."""
    place = place_of(App.of(context).home)
    if not place.log.exists():
        raise InputError(f"{place.log}: no sidecar of this home has run yet", "`greenloop aid start` starts one")
    with named_io_errors(place.log):
        for line in _tail(place.log)[-lines:] if lines else ():
            out.print(escape(line))
        words = _tail(place.last_words) if place.last_words.exists() else []
    if words:
        err.print("what it and its children printed last:")
        for line in words[-lines:] if lines else ():
            err.print(escape(line))
    if follow:
        _follow(place.log)


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
        return file.read().decode("utf-8", "replace").splitlines()


def _follow(path: Path) -> None:
    file = path.open("rb")
    try:
        file.seek(0, os.SEEK_END)
        while True:
            for line in file:
                out.print(escape(line.decode("utf-8", "replace").rstrip("\n")))
            select.select([], [], [], _FOLLOW_SECONDS)
            if path.exists() and not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                # the log was rotated
                file.close()
                file = path.open("rb")
    except KeyboardInterrupt:
        return
    finally:
        file.close()


@app.command()
def trust(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder of the workspace.")] = Path(),
    revoke: Annotated[bool, typer.Option("--revoke", help="Trust it no longer.")] = False,
) -> None:
    """Allow a workspace to be built and run, in the sandbox. Until then nothing of it is, and nothing is verified."""
    home = App.of(context)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", "name the folder of a project")
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with Client(lambda: reached(home), "greenloop aid trust") as client:
        found = client.call(WORKSPACE_OPEN, WorkspaceOpen(path=str(folder.resolve())))
        now = client.call(WORKSPACE_TRUST, WorkspaceTrust(workspace=found.workspace, trusted=not revoke))
    out.print(f"{escape(now.root)} is {'trusted' if now.trusted else 'not trusted'}")
