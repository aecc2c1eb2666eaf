"""How a recording fares, in the words that ``greenloop record status`` prints."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.records import BuildReport, Part, Status
from greenloop.snapshots import heartbeat
from greenloop.snapshots.enrolment import Desk
from greenloop.snapshots.heartbeat import LeftOut, State
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
    snapshots: int
    skipped: int
    left_out: tuple[LeftOut, ...]
    store_bytes: int
    """Of the whole store, which all folders of a home share."""
    build: Status | None
    since: float | None
    """Since when the build is as it is, as far as snapshots tell."""
    builds: str
    watching: str
    trouble: str
    """What is wrong beside the recording itself."""
    log: str


def fare(app: App, desk: Desk) -> Fare:
    """Return how the recording of an enrolled folder fares."""
    enrolment = desk.enrolment
    beat = heartbeat.read(desk.heartbeat)
    state = heartbeat.state(desk)
    snapshots = app.home.snapshots
    last = snapshots.last(enrolment.workspace.id)
    build, since = _standing(snapshots.newest_reports(enrolment.workspace.id))
    why = beat.halted if state is State.HALTED and beat is not None else _WAYS_OUT.get(state, "")
    if desk.wish.damaged:
        why = f"{desk.path / 'wish.json'} is damaged: `greenloop record start` writes it anew"
    return Fare(
        root=enrolment.root,
        workspace=enrolment.workspace.id,
        state=state,
        why=why,
        last=None if last is None else last.time,
        snapshots=snapshots.count(enrolment.workspace.id),
        skipped=0 if beat is None else beat.skipped,
        left_out=() if beat is None else beat.left_out,
        store_bytes=Upkeep(snapshots.trees).size_bytes(),
        build=build,
        since=since,
        builds="" if beat is None else beat.builds,
        watching="" if beat is None else beat.watching,
        trouble="" if beat is None else beat.trouble,
        log=str(desk.log),
    )


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
    ago = "no snapshot yet" if one.last is None else f"last snapshot {_ago(time.time() - one.last)} ago"
    facts = [ago, f"{one.snapshots} in all", f"{one.skipped} skipped", f"store {one.store_bytes / 1e6:.1f} MB"]
    if one.build is None or one.since is None:
        facts.append(f"build not known ({one.builds or 'no report yet'})")
    else:
        day = "%H:%M" if time.time() - one.since < 20 * 3600 else "%F %H:%M"
        when = time.strftime(day, time.localtime(one.since))
        facts.append(f"build [{_COLOURS.get(one.build, 'yellow')}]{one.build.value}[/] since {when}")
    out.print("  " + ", ".join(facts))
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
