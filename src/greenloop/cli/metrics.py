"""``greenloop metrics``: what became of turns, from the request to what is still there after ten minutes."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from greenloop.aid.metrics.retention import AT_COMMIT, HORIZONS, settle
from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.cli.desks import enrolments
from greenloop.cli.moments import FORMS, moment
from greenloop.cli.show import table
from greenloop.snapshots import heartbeat

if TYPE_CHECKING:
    from greenloop.evals.funnel import FunnelFigures


def metrics(
    context: typer.Context,
    since: Annotated[str, typer.Option(metavar="TIME", help=f"Count from then on: {FORMS}.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    prometheus: Annotated[bool, typer.Option("--prometheus", help="Print Prometheus' text format.")] = False,
) -> None:
    """Show the funnel: requested, parsed, applied, verified, shown, accepted, kept, undone; and how long it took.

    What was kept is read from the recorder's snapshots, so it is known of recorded folders only. Turns that were
    cancelled count as waits that lasted longer. Nothing of it holds prompts, code or paths.
    """
    # scipy takes seconds to import, which no other command should wait for
    from greenloop.aid.metrics.prometheus import PrometheusSink
    from greenloop.evals.funnel import figures

    app = App.of(context)
    start = moment(since, "--since") if since else 0.0
    settle(app.home.funnel, app.home.snapshots, alive=beats(app).__getitem__)
    if prometheus:
        sink = PrometheusSink()
        for event in app.home.funnel.events(start):
            sink.note(event)
        sys.stdout.write(sink.text().decode())
        return
    found = figures(app.home.funnel.events(start), app.home.funnel.retained())
    if as_json:
        print(found.model_dump_json())
    else:
        _show(found)


class _Beats(dict[str, float]):
    def __missing__(self, key: str) -> float:
        return 0.0


def beats(app: App) -> _Beats:
    """Return until when each workspace's recorder has looked, by its heartbeat."""
    found = _Beats()
    for desk in enrolments(app).desks():
        beat = heartbeat.read(desk.heartbeat)
        if beat is not None and not beat.halted:
            found[desk.enrolment.workspace.id] = beat.beat
    return found


def _show(found: "FunnelFigures") -> None:
    if not found.turns:
        out.print("No turns yet: they are counted when an editor asks through the sidecar.")
        return
    rows = [("turns requested", str(found.turns), "")]
    rows += [(f"candidates {step}", str(count), "") for step, count in found.candidates.items()]
    shown, hunks = found.suggestions["shown"], found.hunks["shown"]
    rows += [(f"suggestions {step}", str(count), _share(count, shown)) for step, count in found.suggestions.items()]
    rows += [(f"hunks {step}", str(count), _share(count, hunks)) for step, count in found.hunks.items()]
    for horizon in (*HORIZONS, AT_COMMIT):
        kept = found.kept.get(horizon)
        if kept is not None:
            words = f"lines kept {'at the commit' if horizon == AT_COMMIT else f'after {horizon}'}"
            rows.append((words, f"{kept.lines} of {kept.of}", _share(kept.lines, kept.of)))
    rows += [(f"turns {outcome}", str(count), _share(count, found.turns)) for outcome, count in found.outcomes.items()]
    table("", ("step", "count", "share"), rows)
    names = {"first_token": "first token", "first_diff": "first diff", "verified": "verified diff", "total": "end"}
    waits = [
        (names[step], *(_seconds(value) for value in (one.p50, one.p95, one.p99)), f"{one.censored} of {one.turns}")
        for step, one in found.waits.items()
        if one.turns
    ]
    if waits:
        out.print()
        table("seconds from the request to the", ("", "p50", "p95", "p99", "ended before"), waits)


def _share(count: int, whole: int) -> str:
    return f"{100 * count / whole:.1f} %" if whole else ""


def _seconds(milliseconds: float | None) -> str:
    return "longer than any" if milliseconds is None else f"{milliseconds / 1000:.2f}"
