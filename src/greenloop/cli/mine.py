"""``greenloop mine``: from histories to proven examples."""

from pathlib import Path
from typing import Annotated

import typer

from greenloop.cli.app import App
from greenloop.cli.config import MiningSettings
from greenloop.cli.mine_again import Question, answer
from greenloop.cli.mine_commits import mine_commits
from greenloop.cli.mine_histories import mine_histories
from greenloop.cli.mine_synthetic import Wanted, check_words, mine_synthetic
from greenloop.cli.mined import check_place
from greenloop.cli.prompting import wished
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.rules import Rules
from greenloop.records import InputError


def rules(settings: MiningSettings, prompts: Distribution) -> Rules:
    """Turn settings, and the distribution that ``prompting.wished`` gives, into mining's rules."""
    return Rules(
        idle_minutes=settings.idle_minutes,
        max_files_per_tick=settings.max_files_per_tick,
        stable_seconds=settings.stable_seconds,
        max_changed_lines=settings.max_changed_lines,
        max_step_lines=settings.max_step_lines,
        confirmations=settings.confirmations,
        minimise_builds=settings.minimise_builds,
        prompts=prompts,
    )


def mine(
    context: typer.Context,
    target: Annotated[Path, typer.Option("--out", "-o", help="Where the examples go, one JSON object a line.")] = Path(
        "examples.jsonl"
    ),
    workspace: Annotated[
        list[str] | None, typer.Option("--workspace", "-w", help="Only this workspace; may be given again.")
    ] = None,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Break the checkout at hand, which is green, in place of a history.")
    ] = False,
    commits: Annotated[
        bool, typer.Option("--commits", help="Mine the commits of the repository at hand, git or Mercurial.")
    ] = False,
    most: Annotated[
        int | None, typer.Option("--max-commits", min=1, help="Commits: the newest alone; all unless given.")
    ] = None,
    count: Annotated[int | None, typer.Option(min=1, help="Synthetic: how many examples; 300 unless given.")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Synthetic: the same seed and tree give the same examples; 0 unless given.")
    ] = None,
    like: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Synthetic: real examples whose mix of errors to follow."),
    ] = None,
    revision: Annotated[
        str | None,
        typer.Option(
            "--rev",
            help="Commits: BASE..TIP, or all that led to TIP. Synthetic: a green revision in place of the checkout.",
        ),
    ] = None,
    explained: Annotated[
        str | None,
        typer.Option("--explain", metavar="ID", help="Say where this example of FILE comes from; mines nothing else."),
    ] = None,
    asked: Annotated[
        str | None,
        typer.Option("--why-dropped", metavar="WORKSPACE#NUMBER", help="Say what became of this snapshot."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the counts, or the answer, as one JSON object.")
    ] = False,
) -> None:
    """Find red→green episodes, or green→green commits, prove both ends by verdicts, and write them as examples.

    Beside the examples lie FILE.funnel.json with the count of everything that was dropped, and why; of histories also
    FILE.funnel.svg with the same as a picture, and FILE.dropped.jsonl with each run of red and each candidate that
    became no example.
    """
    app = App.of(context)
    settings = app.settings(Path())
    given = rules(settings.mining, wished(app.home, settings.mining))
    wanted = Wanted(count=count, seed=seed, like=like, revision=revision)
    check_words(wanted, synthetic=synthetic, commits=commits, most=most, workspace=workspace or [])
    if explained is not None or asked is not None:
        if synthetic or commits or workspace:
            raise InputError("`--explain` and `--why-dropped` ask one thing each", "leave out the other words")
        answer(app, given, Question(target, explained, asked), as_json=as_json)
        return
    check_place(target)
    if commits:
        mine_commits(context, Path(), revision or "", most or 0, target, rules=given, as_json=as_json)
        return
    if synthetic:
        mine_synthetic(context, Path(), wanted, target, rules=given, as_json=as_json)
        return
    mine_histories(app, settings, given, workspace or [], target, as_json=as_json)
