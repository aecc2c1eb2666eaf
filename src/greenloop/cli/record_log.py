"""``greenloop record log``: the histories that are here, and one workspace's runs of green and red."""

import json
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import typer
from rich.cells import cell_len, set_cell_size
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import err, out, progress
from greenloop.cli.desks import enrolments
from greenloop.cli.history import choose
from greenloop.cli.moments import FORMS, moment, shown_moment
from greenloop.cli.show import place, table
from greenloop.cli.team_builds import settle_reports
from greenloop.cli.toolchains import Bench, judge_for
from greenloop.records import (
    COMMIT,
    BuildReport,
    EnvironmentFault,
    InputError,
    Snapshot,
    Status,
    TreeId,
    Verdict,
    Workspace,
)
from greenloop.snapshots.standing import Run, Standing, runs, standings

_WIDTH = 80
_INDENT = " " * 7
_MARKS = {Status.GREEN: ("●", "green"), Status.RED: ("✗", "red")}


def log(
    context: typer.Context,
    workspace: Annotated[
        str, typer.Argument(help="A workspace, or a recorded folder; without it all workspaces are listed.")
    ] = "",
    since: Annotated[str, typer.Option(metavar="WHEN", help=f"Only from then on: {FORMS}.")] = "",
    most: Annotated[int, typer.Option(min=1, help="How many runs to show, the newest.")] = 40,
    files: Annotated[bool, typer.Option("--files", help="Name all files that changed, not only the first.")] = False,
    judge: Annotated[
        bool, typer.Option("--judge", help="Let a verdict decide about every snapshot; judges those that have none.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON a snapshot.")] = False,
) -> None:
    """Show the histories that are here, or one workspace's runs of green and red.

    What is known of a snapshot is what a build of exactly its tree reported, else a verdict that is stored. A `~` marks
    what a build said while files changed.
    """
    app = App.of(context)
    if not workspace:
        _list(app, as_json=as_json)
        return
    start = moment(since) if since else None
    desks = {desk.enrolment.workspace.id: desk for desk in enrolments(app).desks()}
    for one in _chosen(app, workspace):
        if one.id in desks:
            settle_reports(app, desks[one.id])
        everything = tuple(app.home.snapshots.snapshots(one.id))
        history = tuple(snapshot for snapshot in everything if start is None or snapshot.time >= start)
        found = tuple(standings(history, _reports(app, one, judge=judge), _verdicts(app, one, history, judge=judge)))
        previous = {after.seq: before.tree for before, after in pairwise(everything)}
        if as_json:
            for standing in found:
                out.print(escape(_line(app, standing, previous.get(standing.snapshot.seq))))
            continue
        idle = app.settings(Path()).mining.idle_minutes * 60
        _show(app, one, runs(found, idle), previous, most=most, files=files)


def _list(app: App, *, as_json: bool) -> None:
    snapshots, rows = app.home.snapshots, []
    for one in snapshots.workspaces():
        last, count = snapshots.last(one.id), snapshots.count(one.id)
        if as_json:
            body = {"workspace": one.id, "author": one.author, "snapshots": count, "last": last.time if last else None}
            out.print(escape(json.dumps(body)))
        rows.append((one.id, one.author, str(count), shown_moment(last.time) if last else "-"))
    if not as_json:
        table("Workspaces", ("workspace", "author", "snapshots", "last"), rows)


def _chosen(app: App, name: str) -> tuple[Workspace, ...]:
    """Return the workspaces of a name, or that of a recorded folder."""
    folder = Path(name)
    desk = enrolments(app).find(folder) if folder.is_dir() else None
    if desk is not None:
        return (desk.enrolment.workspace,)
    return choose(app.home.snapshots.workspaces(), name)


def _reports(app: App, one: Workspace, *, judge: bool) -> Iterable[BuildReport]:
    return () if judge else app.home.snapshots.reports(one.id)


def _verdicts(app: App, one: Workspace, history: tuple[Snapshot, ...], *, judge: bool) -> dict[TreeId, Verdict]:
    """Return the verdicts on the trees: those that are stored, or all of them where ``judge`` says so."""
    trees = list(dict.fromkeys(snapshot.tree for snapshot in history if judge or snapshot.reported is None))
    if not trees:
        return {}
    if judge:
        bench = judge_for(app, one)
        with progress(f"judging {one.id}", "trees") as report:
            return bench.engine.judge_many(trees, bench.suite, report)
    bench_or_none = _bench(app, one)
    if bench_or_none is None:
        return {}
    return app.home.verdicts.get_many(trees, bench_or_none.engine.fingerprint, bench_or_none.suite)


def _bench(app: App, one: Workspace) -> Bench | None:
    """Return what tells which stored verdicts count, or ``None`` where nothing does or its tools are not here."""
    try:
        return judge_for(app, one)
    except InputError:
        return None  # no toolchain fits: nothing of it was ever judged
    except EnvironmentFault as error:
        err.print(f"[dim]stored verdicts are not shown: {escape(error.message)}[/]")
        return None


def _line(app: App, standing: Standing, before: TreeId | None) -> str:
    snapshot = standing.snapshot
    body = {
        "workspace": snapshot.workspace,
        "seq": snapshot.seq,
        "time": snapshot.time,
        "tree": snapshot.tree,
        "cut": snapshot.cut,
        "skipped": snapshot.skipped,
        "status": standing.status.value if standing.status else None,
        "source": standing.source or None,
        "smeared": standing.smeared.value if standing.smeared else None,
        "files": _changed(app, before, snapshot.tree) if before else [],
        "diagnostics": [one.model_dump(mode="json") for one in standing.diagnostics],
    }
    return json.dumps(body, ensure_ascii=False)


def _changed(app: App, before: TreeId, after: TreeId) -> list[str]:
    return [change.path for change in app.home.trees.changes(before, after)]


def _show(
    app: App, one: Workspace, found: tuple[Run, ...], previous: dict[int, TreeId], *, most: int, files: bool
) -> None:
    count = sum(len(run.standings) for run in found)
    title = f"[bold]{escape(one.id)}[/]: {count} snapshot{'' if count == 1 else 's'}"
    out.print(title + (f" in {len(found)} runs, the newest {most}" if len(found) > most else ""))
    day = ""
    for run in found[-most:]:
        today = time.strftime("%A, %d %B %Y", time.localtime(run.first.snapshot.time))
        if run.pause:
            _separate(f"nothing for {_span(run.pause)}")
        if run.cut and run.cut not in {COMMIT, "start"}:
            _separate(run.cut)
        if today != day:
            out.print(f"[bold]{today}[/]")
            day = today
        _show_run(app, run, previous, files=files)


def _separate(words: str) -> None:
    line = f"── {words} "
    out.print(f"[dim]{_INDENT}{escape(line)}{'─' * max(2, _WIDTH - len(_INDENT) - cell_len(line))}[/]")


def _show_run(app: App, run: Run, previous: dict[int, TreeId], *, files: bool) -> None:
    first, count = run.first, len(run.standings)
    when = time.strftime("%H:%M", time.localtime(first.snapshot.time))
    if first.status is not None:
        mark, colour = _MARKS.get(first.status, ("■", "yellow"))
        word = first.status.value
    else:
        mark, colour = ("~", "yellow") if first.smeared else ("○", "dim")
        word = f"~{first.smeared.value}" if first.smeared else "unknown"
    sources = ", ".join(dict.fromkeys(standing.source for standing in run.standings if standing.source))
    stood = _span(run.end - first.snapshot.time)
    facts = [f"{count} snapshot{'' if count == 1 else 's'}", *([stood] if stood else [])]
    facts += [sources] if sources else ["smeared"] if first.smeared else []
    commits = sum(standing.snapshot.cut == COMMIT for standing in run.standings)
    facts += [f"{commits} commit{'' if commits == 1 else 's'}"] if commits else []
    out.print(f"{when}  [{colour}]{mark} {word:<8}[/] {', '.join(facts)}")
    for line in _files(_touched(app, run.standings, previous), every=files):
        out.print(f"{_INDENT}[dim]{escape(line)}[/]")
    error = run.last.first_error
    if error is not None:
        text = f"{place(error)}: {error.message.splitlines()[0] if error.message else ''}"
        out.print(f"{_INDENT}{escape(_fit(text))}")


def _touched(app: App, found: Iterable[Standing], previous: dict[int, TreeId]) -> list[str]:
    """Return the files that changed with these snapshots, those that changed last first."""
    paths: dict[str, None] = {}
    for standing in found:
        before = previous.get(standing.snapshot.seq)
        for path in reversed(_changed(app, before, standing.snapshot.tree)) if before else ():
            paths.pop(path, None)
            paths[path] = None
    return list(reversed(paths))


def _files(paths: list[str], *, every: bool) -> list[str]:
    """Return the lines that name files: all of them, or as many as fit into one line."""
    if every:
        return sorted(paths)
    if not paths:
        return []
    room = _WIDTH - len(_INDENT)
    shown = 1
    while shown < len(paths) and cell_len(_named(paths, shown + 1)) <= room:
        shown += 1
    return [_fit(_named(paths, shown))]


def _named(paths: list[str], shown: int) -> str:
    left = len(paths) - shown
    return ", ".join(paths[:shown]) + (f" and {left} more" if left else "")


def _fit(text: str) -> str:
    room = _WIDTH - len(_INDENT)
    return text if cell_len(text) <= room else set_cell_size(text, room - 1).rstrip() + "…"


def _span(seconds: float) -> str:
    """Return a length of time as people say it; nothing for none."""
    if seconds < 1:
        return ""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
