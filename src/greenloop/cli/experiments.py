"""``greenloop experiments``: what is tried on whom, and what came of it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from greenloop.aid.experiments.settings import ExperimentSettings
from greenloop.aid.metrics.retention import settle
from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.cli.metrics import beats
from greenloop.cli.moments import FORMS, moment
from greenloop.cli.turns import project_root
from greenloop.feedback import sharing
from greenloop.records import InputError

if TYPE_CHECKING:
    from greenloop.evals.experiments.report import Design, Difference, ExperimentReport

app = typer.Typer(no_args_is_help=True, help="Compare models, strategies and context recipes on real work.")


@app.command()
def report(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="One experiment of greenloop.toml [default: all].")] = "",
    folder: Annotated[Path, typer.Option("--in", help="The project, or a folder in it.")] = Path(),
    others: Annotated[
        list[Path] | None,
        typer.Option("--with", help="A file that somebody else exported; may be given several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Report experiments: whether the arms got their shares, the effect on the one measure, the guardrails.

    It may be run every day, and an experiment may be stopped as soon as an effect is told: the intervals hold at all
    times together. Exit status 1: a sample ratio is wrong, so that no effect is told.
    """
    # scipy takes seconds to import, which no other command should wait for
    from greenloop.evals.experiments.report import report as reported
    from greenloop.evals.experiments.tasks import tasks

    home = App.of(context)
    experiments = home.settings(project_root(folder)).experiments
    if name and name not in experiments:
        raise InputError(f"there is no experiment {name!r}", f"there is: {', '.join(experiments) or 'none'}")
    if not experiments:
        raise InputError("there are no experiments", "a table [experiments.NAME] adds one: docs/experiments.md")
    settle(home.home.funnel, home.home.snapshots, alive=beats(home).__getitem__)
    told = sharing.read(home.home.funnel, others or [])
    counted = tasks(told.events, told.retained)
    found = [reported(_design(one, experiments[one]), counted) for one in ([name] if name else experiments)]
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in found]))
    else:
        for one in found:
            _show(one)
    if any(one.stopped for one in found):
        raise typer.Exit(1)


@app.command()
def export(
    context: typer.Context,
    target: Annotated[Path, typer.Option("--out", "-o", help="The file to write, JSON lines.")],
    since: Annotated[str, typer.Option(metavar="TIME", help=f"Events from then on: {FORMS}.")] = "",
) -> None:
    """Write this machine's events to a file, for a report over a team: numbers and labels, no prompt, code or path."""
    home = App.of(context)
    settle(home.home.funnel, home.home.snapshots, alive=beats(home).__getitem__)
    count = sharing.write(home.home.funnel, target, moment(since, "--since") if since else 0.0)
    out.print(f"{escape(str(target))}: {count} lines.")


def _design(name: str, settings: ExperimentSettings) -> "Design":
    from greenloop.evals.experiments.report import Design

    return Design(
        name=name,
        weights={arm: one.weight for arm, one in settings.arms.items()},
        control=settings.control,
        primary=settings.primary,
        guardrails=settings.guardrails,
    )


def _show(found: "ExperimentReport") -> None:
    from greenloop.evals.experiments.report import NEEDED

    out.print(f"[bold]{escape(found.name)}[/]")
    shares = ", ".join(f"{arm} {count}" for arm, count in found.exposed.items())
    out.print(f"tasks shown: {escape(shares)}; sample ratio p = {found.sample_ratio_p:.3g}")
    if found.stopped:
        out.print(f"[bold red]Stopped:[/] {escape(found.stopped)}.")
        return
    for title, ones in (("primary", found.differences), ("guardrail", found.guardrails)):
        for one in ones:
            out.print(f"{title} {one.measure.value}, {escape(one.arm)}: {_words(one, found.confidence)}")
    if any(one.verdict == "too early" for one in (*found.differences, *found.guardrails)):
        out.print(f"[dim]Too early means fewer than {NEEDED}.[/]")
    for measure in found.breached:
        out.print(f"[bold red]Guardrail:[/] {measure.value} is worse.")


def _words(one: "Difference", confidence: float) -> str:
    colour = {"better": "green", "worse": "red"}.get(one.verdict, "yellow")
    told = f"[bold {colour}]{one.verdict}[/]"
    if one.estimate is None or one.low is None or one.high is None:
        return f"{told}, {one.tasks} tasks"
    return (
        f"{told}, by {one.estimate:+.3g} ({100 * confidence:g} %: {one.low:+.3g} to {one.high:+.3g}), "
        f"from {one.control_mean:.3g} to {one.mean:.3g}; {one.tasks} tasks of {one.developers} developers"
    )
