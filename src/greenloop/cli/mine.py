"""``greenloop mine``: from histories to proven examples."""

from pathlib import Path
from typing import Annotated

import typer

from greenloop.cli.app import App
from greenloop.cli.config import MiningSettings
from greenloop.cli.mine_again import explain, why_dropped
from greenloop.cli.mine_commits import mine_commits
from greenloop.cli.mine_histories import mine_histories
from greenloop.cli.mine_synthetic import Wanted, mine_synthetic
from greenloop.cli.mine_synthetic_recorded import mine_recorded
from greenloop.cli.mined import check_place
from greenloop.cli.prompting import wished
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.rules import Rules
from greenloop.records import InputError

Target = Annotated[Path, typer.Option("--out", "-o", help="Where the examples go, one JSON object a line.")]
Workspaces = Annotated[
    list[str] | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Only this workspace and those below it, may be given again; synthetic: break its last green tree.",
    ),
]
Synthetic = Annotated[
    bool, typer.Option("--synthetic", help="Break the checkout at hand, which is green, in place of a history.")
]
Commits = Annotated[
    bool, typer.Option("--commits", help="Mine the commits of the repository at hand, git or Mercurial.")
]
Most = Annotated[int | None, typer.Option("--max-commits", min=1, help="Commits: the newest alone; all unless given.")]
Count = Annotated[int | None, typer.Option(min=1, help="Synthetic: how many examples; 300 unless given.")]
Seed = Annotated[
    int | None, typer.Option(help="Synthetic: the same seed and tree give the same examples; 0 unless given.")
]
Like = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Synthetic: real examples whose mix of errors to follow."),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--rev",
        help="Commits: BASE..TIP, or all that led to TIP. Synthetic: a green revision in place of the checkout.",
    ),
]
Explained = Annotated[
    str | None,
    typer.Option("--explain", metavar="ID", help="Say where this example of FILE comes from; mines nothing else."),
]
WhyDropped = Annotated[
    str | None, typer.Option("--why-dropped", metavar="WORKSPACE#NUMBER", help="Say what became of this snapshot.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the counts, or the answer, as one JSON object.")]


def rules(settings: MiningSettings, prompts: Distribution) -> Rules:
    """Turn settings, and the distribution that ``prompting.wished`` gives, into mining's rules."""
    return Rules(
        idle_minutes=settings.idle_minutes,
        max_files_per_tick=settings.max_files_per_tick,
        stable_seconds=settings.stable_seconds,
        max_changed_lines=settings.max_changed_lines,
        max_step_lines=settings.max_step_lines,
        max_commit_files=settings.max_commit_files,
        max_commit_lines=settings.max_commit_lines,
        confirmations=settings.confirmations,
        minimise_builds=settings.minimise_builds,
        prompts=prompts,
    )


def mine(
    context: typer.Context,
    target: Target = Path("examples.jsonl"),
    workspace: Workspaces = None,
    synthetic: Synthetic = False,
    commits: Commits = False,
    most: Most = None,
    count: Count = None,
    seed: Seed = None,
    like: Like = None,
    revision: Revision = None,
    explained: Explained = None,
    asked: WhyDropped = None,
    as_json: AsJson = False,
) -> None:
    """Find red→green episodes, or green→green commits, prove both ends by verdicts, and write them as examples.

    Beside the examples lie FILE.funnel.json with the count of everything that was dropped, and why, FILE.funnel.svg
    with the same as a picture, and FILE.dropped.jsonl with each run of red, commit, mutant and candidate that became
    no example.
    """
    app = App.of(context)
    settings = app.settings(Path())
    given = rules(settings.mining, wished(app.home, settings.mining))
    wanted = Wanted(count=count, seed=seed, like=like, revision=revision)
    _check_words(wanted, synthetic=synthetic, commits=commits, most=most, workspace=workspace or [])
    questions = [one for one in (explained, asked) if one is not None]
    if len(questions) > 1 or (questions and (synthetic or commits or workspace)):
        raise InputError("`--explain` and `--why-dropped` ask one thing each", "leave out the other words")
    if not questions:
        check_place(target)
    if explained is not None:
        explain(app, given, target, explained, as_json=as_json)
    elif asked is not None:
        why_dropped(app, given, asked, as_json=as_json)
    elif commits:
        mine_commits(app, settings, given, revision or "", most or 0, target, as_json=as_json)
    elif synthetic:
        if workspace:
            mine_recorded(app, settings, given, wanted, workspace, target, as_json=as_json)
        else:
            mine_synthetic(context, given, wanted, target, as_json=as_json)
    else:
        mine_histories(app, settings, given, workspace or [], target, as_json=as_json)


def _check_words(wanted: Wanted, *, synthetic: bool, commits: bool, most: int | None, workspace: list[str]) -> None:
    """Raise ``InputError`` where a word was given that another way of mining knows, and this one would pass over."""
    if synthetic and commits:
        raise InputError("`--synthetic` and `--commits` are two ways of mining", "run them one after the other")
    if workspace and commits:
        raise InputError("`--commits` reads a checkout, it looks at no workspace", "leave out `--workspace`")
    if workspace and synthetic and wanted.revision is not None:
        raise InputError("`--workspace` names recorded trees, `--rev` one of the checkout", "leave out one of them")
    if most is not None and not commits:
        raise InputError("`--max-commits` is for commits", "add `--commits`, or leave out `--max-commits`")
    named = {"--count": wanted.count, "--seed": wanted.seed, "--like": wanted.like}
    given = next((name for name, value in named.items() if value is not None), None)
    if given is not None and not synthetic:
        raise InputError(f"`{given}` is for synthetic examples", f"add `--synthetic`, or leave out `{given}`")
    if wanted.revision is not None and not (synthetic or commits):
        raise InputError("`--rev` is for checkouts", "add `--commits` or `--synthetic`, or leave out `--rev`")
