"""``greenloop record`` on what was recorded: taking it back, handing it on, bringing it in, keeping it in order."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.builds import priority
from greenloop.cli.app import App
from greenloop.cli.console import err, out, progress
from greenloop.cli.desks import demand
from greenloop.cli.history import choose
from greenloop.cli.moments import FORMS, moment
from greenloop.cli.standstill import at_standstill
from greenloop.records import InputError
from greenloop.snapshots import audit
from greenloop.snapshots.exports import FORMATS
from greenloop.snapshots.exports.jsonl import import_history
from greenloop.snapshots.exports.pack import import_pack
from greenloop.snapshots.exports.pseudonyms import Pseudonyms
from greenloop.snapshots.exports.seam import Names, PlainNames
from greenloop.snapshots.purge import Purged, Scope, unfinished, unfinished_error
from greenloop.snapshots.purge import purge as purge_bytes
from greenloop.snapshots.retention import Retention, retain
from greenloop.workspace.upkeep import Upkeep

_THOROUGH_DAYS = 7.0

Workspaces = Annotated[
    list[str] | None, typer.Option("--workspace", "-w", help="Only this workspace, or all below it; may be repeated.")
]
Pseudonymous = Annotated[bool, typer.Option("--pseudonyms", help="Put stable other names in the place of people's.")]


def chosen(app: App, patterns: list[str] | None) -> list[str]:
    """Return the ids of the workspaces that are called so or lie below; none, which stands for all, if none is named.

    Raises ``InputError`` when a name fits none.
    """
    known = app.home.snapshots.workspaces()
    return [one.id for pattern in patterns or () for one in choose(known, pattern)]


def export(
    context: typer.Context,
    target: Annotated[Path, typer.Argument(help="The file or folder to write, such as history.jsonl.xz.")],
    workspace: Workspaces = None,
    format_: Annotated[
        str, typer.Option("--format", "-f", help=" ".join(f"`{name}`: {one.about}." for name, one in FORMATS.items()))
    ] = "jsonl",
    pseudonyms: Pseudonymous = False,
) -> None:
    """Write histories to a file or folder. It appears whole or not at all."""
    app = App.of(context)
    form = FORMATS.get(format_)
    if form is None:
        raise InputError(f"{format_}: no such format", f"there are: {', '.join(FORMATS)}")
    with progress("writing", "snapshots") as report:
        done = form.write(
            app.home.snapshots, target, chosen(app, workspace), names=_names(app, asked=pseudonyms), progress=report
        )
    audit.append(app.home.path, "export", format=format_, workspaces=done.workspaces, snapshots=done.snapshots)
    files = f", {done.blobs} files" if done.blobs else ""
    out.print(
        f"{done.workspaces} workspaces, {done.snapshots} snapshots, {done.reports} build reports{files}: "
        f"{_size(target) / 1024:.0f} KiB."
    )


def _names(app: App, *, asked: bool) -> Names:
    return Pseudonyms.load(app.home.path / "pseudonyms.key") if asked else PlainNames()


def _size(path: Path) -> int:
    return (
        path.stat().st_size if path.is_file() else sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    )


def import_(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="A file that `export` wrote, or the folder or URL that was pushed to.")],
) -> None:
    """Bring in histories from another machine. Every tree is made again and compared with its id.

    To import the same again changes nothing.
    """
    app = App.of(context)
    store, path = app.home.snapshots, Path(source)
    if "://" in source or path.is_dir():
        _pull(app, source)
        return
    if _is_archive(path):
        with progress("reading", "snapshots") as report:
            done = import_pack(store, path, progress=report)
    else:
        done = import_history(store, path)
    audit.append(app.home.path, "import", workspaces=done.workspaces, snapshots=done.snapshots)
    out.print(
        f"{done.workspaces} workspaces, {done.snapshots} snapshots, {done.blobs} files; {done.new} new snapshots."
    )


def _is_archive(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _pull(app: App, url: str) -> None:
    # obstore is an optional part: who never pushes needs no client of object stores
    from greenloop.snapshots.pull import pull
    from greenloop.snapshots.push import writer_id
    from greenloop.snapshots.remote import open_remote

    remote = open_remote(url)
    with progress("reading", "histories") as report:
        done = pull(app.home.snapshots, remote, writer=writer_id(app.home.path / "writer"), progress=report)
    audit.append(app.home.path, "import", workspaces=done.workspaces, snapshots=done.new)
    out.print(f"{done.workspaces} workspaces of others; {done.new} new snapshots, {done.new_reports} build reports.")
    for name in done.purged:
        err.print(f"[yellow]greenloop:[/] {escape(name)} was purged where it came from, and is still here")
    for trouble in done.troubles:
        err.print(f"[yellow]greenloop:[/] {escape(trouble)}")
    if done.troubles:
        raise typer.Exit(1)


def push(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="A folder, s3://BUCKET/PREFIX, gs:// or az://.")],
    workspace: Workspaces = None,
    pseudonyms: Pseudonymous = False,
) -> None:
    """Send what was recorded to where a team collects it: only what is not there yet. Can be run again at any time.

    What was purged here since goes there too. Credentials are those of your environment (AWS_ACCESS_KEY_ID, …).
    """
    from greenloop.snapshots.push import push as send  # obstore is an optional part
    from greenloop.snapshots.push import writer_id
    from greenloop.snapshots.remote import open_remote

    app = App.of(context)
    remote = open_remote(url)
    with progress("sending", "snapshots") as report:
        done = send(
            app.home.snapshots, remote, writer_id(app.home.path / "writer"), chosen(app, workspace),
            names=_names(app, asked=pseudonyms), progress=report,
        )  # fmt: skip
    audit.append(app.home.path, "push", to=remote.shown, snapshots=done.snapshots)
    out.print(
        f"{done.workspaces} workspaces, {done.snapshots} new snapshots; {done.sent} pieces sent "
        f"({done.sent_bytes / 1024:.0f} KiB), {done.there} were there, {done.deleted} deleted."
    )
    for name in done.withdrawn:
        out.print(f"{escape(name)} was purged here, and is withdrawn there.")
    if done.trouble:
        err.print(f"[yellow]greenloop:[/] {escape(done.trouble)}")
        raise typer.Exit(1)


def purge(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder that was recorded.")] = Path(),
    since: Annotated[str, typer.Option(help=f"Everything from then on: {FORMS}.")] = "",
    path: Annotated[
        list[str] | None, typer.Option("--path", help="These files, as in `.gitignore`, out of every snapshot.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole workspace.")] = False,
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="A workspace in the place of a folder's.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take back what was recorded: the bytes leave the store. Nothing brings them back.

    Recorders that run are stopped meanwhile, and started again. After --since and --all that of the folder is paused:
    your files still hold what was taken back.
    """
    app = App.of(context)
    if sum((bool(since), bool(path), everything)) != 1:
        raise InputError("say what is to go", "exactly one of --since TIME, --path GLOB, --all")
    desk = None if workspace else demand(app, folder)
    id_ = workspace if desk is None else desk.enrolment.workspace.id
    scope = Scope(workspace=id_, since=moment(since) if since else None, paths=tuple(path or ()), everything=everything)
    if not yes:
        if not err.is_terminal:
            raise InputError("a purge cannot be undone", "say --yes if you mean it")
        typer.confirm(f"Take this out of {id_} for good?", abort=True, err=True)
    done = at_standstill(app, desk if since or everything else None, lambda: _purged(app, scope))
    what = "since" if since else "path" if path else "all"
    audit.append(app.home.path, "purge", workspace=id_, scope=what, snapshots=done.snapshots)
    if done.earlier is not None:
        out.print(f"An earlier purge of {escape(done.earlier.workspace)}, which was not finished, is finished too.")
    out.print(
        f"{done.snapshots} snapshots are gone or changed; the store was {done.bytes_before / 1e6:.1f} MB and is "
        f"{done.bytes_after / 1e6:.1f} MB."
    )
    if path and desk is not None:
        out.print("They are recorded again unless `record.ignore` in greenloop.toml names them.")
    elif desk is not None and desk.wish.paused:
        out.print("Recording is paused, since your files still hold it: `greenloop record resume` goes on from there.")
    out.print("Not touched: " + escape("; ".join(done.beyond)) + ".")


def _purged(app: App, scope: Scope) -> Purged:
    store, verdicts = app.home.snapshots, app.home.verdicts
    try:
        return purge_bytes(app.home.path, store, verdicts, scope)
    finally:
        # Ctrl-C may leave a transaction open, for which the recorders that come back would wait
        store.close()
        verdicts.close()


def upkeep(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A recorded folder, whose settings hold.")] = Path(),
) -> None:
    """Drop what is too old, and repack the store. The recorder runs it by itself, at the lowest priority."""
    # not in the idle class of the disk: the recorder waits for it at times
    priority.give_way()
    app = App.of(context)
    settings = app.settings(folder).record
    scope = unfinished(app.home.path)
    if scope is not None:
        raise unfinished_error(scope)
    store = app.home.snapshots
    done = retain(store, Retention(settings.keep_days, settings.quota_mib), time.time())
    work = Upkeep(store.trees)
    stamp = app.home.path / "repacked"
    thorough = not stamp.exists() or time.time() - stamp.stat().st_mtime > _THOROUGH_DAYS * 86_400
    work.repack(thorough=thorough)
    if thorough:
        # writes the whole store anew, with the recorder waiting: not every hour
        work.prune()
        stamp.touch()
    out.print(f"{done.entries} entries dropped, {done.bytes_before / 1e6:.1f} → {work.size_bytes() / 1e6:.1f} MB.")
    if done.over_quota:
        raise InputError(
            f"the store is over its quota of {settings.quota_mib} MiB, and nothing more may go",
            "raise record.quota_mib, or purge",
        )


def check(context: typer.Context) -> None:
    """Read every object of the store again, and follow every history. Exit status 1 if anything is damaged."""
    store = App.of(context).home.snapshots
    found = [*store.notes, *store.check(), *Upkeep(store.trees).fsck()]
    for line in found:
        out.print(f"[red]{escape(line)}[/]")
    if found:
        raise typer.Exit(1)
    count = sum(store.count(one.id) for one in store.workspaces())
    out.print(f"{count} snapshots, and all that they hold, are whole.")


def audit_(context: typer.Context) -> None:
    """Show who turned recording on, looked away, purged, exported and pushed, and when."""
    for one in audit.read(App.of(context).home.path):
        facts = escape(" ".join(f"{key}={value}" for key, value in one.facts.items()))
        when = time.strftime("%F %T", time.localtime(one.time))
        out.print(f"[dim]{when}[/] {one.event} by {escape(one.by)} {facts}")
