"""How a recording fares, in the words that ``greenloop record status`` prints."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.records import BuildReport, EnvironmentFault, Part, Status
from greenloop.snapshots import heartbeat
from greenloop.snapshots.enrolment import Desk
from greenloop.snapshots.heartbeat import LeftOut, State
from greenloop.snapshots.purge import Scope, unfinished_error
from greenloop.workspace.upkeep import Upkeep

_COLOURS = {Status.GREEN: "green", Status.RED: "red"}
_STATES = {State.RECORDING: "green", State.PAUSED: "yellow", State.STOPPED: "dim"}
_WAYS_OUT = {
    State.DEAD: "it should be running and is not: `greenloop record start` starts it, its log says what happened",
    State.STUCK: "it runs and has not looked for too long: stop it and start it again",
}


@dataclass(frozen=True)
class Fare:
    """How one recording fares. Times in Unix seconds."""

    root: str
    workspace: str
    state: State
    why: str
    last: float | None
    """When the newest snapshot was taken."""
    snapshots: int | None
    skipped: int
    left_out: tuple[LeftOut, ...]
    store_bytes: int | None
    """Of the whole store, which all folders of a home share."""
    build: Status | None
    since: float | None
    """Since when the build is as it is, as far as snapshots tell."""
    unread: str
    """Why nothing that is stored could be read, so that all this is ``None``; else empty."""
    builds: str
    watching: str
    trouble: str
    """What is wrong beside the recording itself."""
    log: str


def fare(app: App, desk: Desk, purging: Scope | None) -> Fare:
    """Return how the recording of an enrolled folder fares; ``purging`` is a purge that is not finished, if any."""
    enrolment = desk.enrolment
    beat = heartbeat.read(desk.heartbeat)
    state = heartbeat.state(desk)
    stored = _stored(app, enrolment.workspace.id)
    why = beat.halted if state is State.HALTED and beat is not None else _WAYS_OUT.get(state, "")
    if desk.wish.damaged:
        why = f"{desk.path / 'wish.json'} is damaged: `greenloop record start` writes it anew"
    if purging is not None and purging.workspace == enrolment.workspace.id:
        # no other way out: what is recorded before it is finished would go with it
        why = str(unfinished_error(purging))
    return Fare(
        root=enrolment.root,
        workspace=enrolment.workspace.id,
        state=state,
        why=why,
        last=stored.last,
        snapshots=stored.snapshots,
        skipped=0 if beat is None else beat.skipped,
        left_out=() if beat is None else beat.left_out,
        store_bytes=stored.store_bytes,
        build=stored.build,
        since=stored.since,
        unread=stored.unread,
        builds="" if beat is None else beat.builds,
        watching="" if beat is None else beat.watching,
        trouble="" if beat is None else beat.trouble,
        log=str(desk.log),
    )


@dataclass(frozen=True)
class _Stored:
    """What the stores tell of a recording, as in ``Fare``."""

    last: float | None = None
    snapshots: int | None = None
    store_bytes: int | None = None
    build: Status | None = None
    since: float | None = None
    unread: str = ""


def _stored(app: App, workspace: str) -> _Stored:
    try:
        # a database is opened for writing, which a full disk refuses: how the recorder fares is known all the same
        snapshots = app.home.snapshots
        last = snapshots.last(workspace)
        build, since = _standing(snapshots.newest_reports(workspace))
        size = Upkeep(snapshots.trees).size_bytes()
        return _Stored(None if last is None else last.time, snapshots.count(workspace), size, build, since)
    except EnvironmentFault as error:
        return _Stored(unread=str(error))


def _standing(newest_first: Iterable[BuildReport]) -> tuple[Status | None, float | None]:
    """Return the newest status, and when the run of reports that say so began."""
    clear = (report for report in newest_first if not report.smeared)
    newest = next(clear, None)
    if newest is None:
        return None, None
    since = newest.time
    for report in takewhile(lambda one: one.status is newest.status, clear):
        since = report.time
    return newest.status, since


def show(one: Fare, *, skipped: bool) -> None:
    """Print how a recording fares."""
    colour = _STATES.get(one.state, "bold red")
    out.print(f"[bold]{escape(one.root)}[/] as {escape(one.workspace)}: [{colour}]{one.state.value}[/]")
    if one.unread:
        out.print(f"  [bold red]what is stored cannot be read: {escape(one.unread)}[/]")
    else:
        out.print("  " + ", ".join(_facts(one)))
    if one.watching == "polling":
        out.print("  [yellow]without file events: every file is looked at, at every interval[/]")
    if one.trouble:
        out.print(f"  [bold yellow]{escape(one.trouble)}[/]")
    if one.why:
        out.print(f"  [bold red]{escape(one.why)}[/]")
        out.print(f"  [dim]log: {escape(one.log)}[/]")
    if skipped:
        for item in one.left_out:
            out.print(f"  [dim]skipped[/] {escape(item.path)}: {escape(item.reason)}")
        if one.skipped > len(one.left_out):
            out.print(f"  [dim]… and {one.skipped - len(one.left_out)} more[/]")


def _facts(one: Fare) -> Iterator[str]:
    yield "no snapshot yet" if one.last is None else f"last snapshot {_ago(time.time() - one.last)} ago"
    yield f"{one.snapshots or 0} in all"
    yield f"{one.skipped} skipped"
    yield f"store {(one.store_bytes or 0) / 1e6:.1f} MB"
    if one.build is None or one.since is None:
        yield f"build not known ({one.builds or 'no report yet'})"
    else:
        day = "%H:%M" if time.time() - one.since < 20 * 3600 else "%F %H:%M"
        when = time.strftime(day, time.localtime(one.since))
        yield f"build [{_COLOURS.get(one.build, 'yellow')}]{one.build.value}[/] since {when}"


def _ago(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Part):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value
