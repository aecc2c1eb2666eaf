"""``greenloop mine``: from histories to proven examples."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.builds.toolchains import ToolchainName
from greenloop.cli.app import App
from greenloop.cli.config import MiningSettings
from greenloop.cli.console import out, progress
from greenloop.cli.history import choose
from greenloop.cli.mine_again import explain, why_dropped
from greenloop.cli.mine_commits import mine_commits
from greenloop.cli.mine_synthetic import Wanted, check_words, mine_synthetic
from greenloop.cli.prompting import prompted, tell_of_model, wished
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.mining.dropped import DroppedTrace
from greenloop.mining.filters import UNIT as CANDIDATES
from greenloop.mining.funnel import merged
from greenloop.mining.mine import MiningResult, Progress
from greenloop.mining.mine import mine as mine_histories
from greenloop.mining.minimise.minimise import Minimised
from greenloop.mining.picture import funnel_svg
from greenloop.mining.prompting.distribution import Distribution
from greenloop.mining.rules import Rules
from greenloop.records import InputError, Workspace
from greenloop.storage import write_atomically


def funnel_file(examples: Path) -> Path:
    """Return where the counts of a mining run lie: beside its examples."""
    return examples.with_suffix(".funnel.json")


def dropped_file(examples: Path) -> Path:
    """Return where the runs and candidates lie that became no example, one JSON object a line."""
    return examples.with_suffix(".dropped.jsonl")


def picture_file(examples: Path) -> Path:
    """Return where the picture of those counts lies."""
    return examples.with_suffix(".funnel.svg")


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

    Beside the examples lie FILE.funnel.json with the count of everything that was dropped, and why, FILE.funnel.svg
    with the same as a picture, and FILE.dropped.jsonl with each run of red and each candidate that became no example.
    """
    app = App.of(context)
    settings = app.settings(Path())
    given = rules(settings.mining, wished(app.home, settings.mining))
    wanted = Wanted(count=count, seed=seed, like=like, revision=revision)
    check_words(wanted, synthetic=synthetic, commits=commits, most=most, workspace=workspace or [])
    if explained is not None or asked is not None:
        if synthetic or commits or workspace or (explained is not None and asked is not None):
            raise InputError("`--explain` and `--why-dropped` ask one thing each", "leave out the other words")
        if explained is not None:
            explain(app, given, target, explained, as_json=as_json)
        if asked is not None:
            why_dropped(app, given, asked, as_json=as_json)
        return
    if target.is_dir():
        raise InputError(f"{target} is a folder", "name the file that the examples go to by --out")
    beside = funnel_file(target)
    if commits:
        mine_commits(context, Path(), revision or "", most or 0, target, beside, rules=given, as_json=as_json)
        return
    if synthetic:
        mine_synthetic(context, Path(), wanted, target, beside, rules=given, as_json=as_json)
        return
    snapshots = app.home.snapshots
    everything = snapshots.workspaces()
    chosen = tuple(one for pattern in workspace or [] for one in choose(everything, pattern)) or everything
    if not chosen:
        raise InputError("there is no history to mine", "start with `greenloop record` or `greenloop import`")
    groups: dict[ToolchainName, list[Workspace]] = {}
    for one in chosen:
        last = snapshots.last(one.id)
        if last is not None:
            groups.setdefault(toolchain_name(app.home, settings, last.tree), []).append(one)
    accepted = frozenset(app.home.feedback.accepted_trees())
    results: list[tuple[str, str, MiningResult]] = []
    dropped = DroppedTrace()
    for name, members in groups.items():
        judge = bench(app.home, settings, name)
        with progress(f"judging ({name})", "trees") as report:

            def tell(state: Progress) -> None:
                report(state.judged, state.to_judge)

            result = mine_histories(
                snapshots,
                judge.engine,
                app.home.trees,
                judge.suite,
                rules=given,
                accepted=accepted,
                workspaces=members,
                workers=settings.build.workers,
                progress=tell,
                trace=dropped,
            )
        results.append((name, judge.engine.fingerprint, result))
    counts = _counts(sum(snapshots.count(one.id) for one in chosen), results)
    examples, prompts = prompted(
        app.home, settings, [example for _, _, result in results for example in result.examples]
    )
    counts["prompts"] = prompts
    write_atomically(target, "".join(example.to_json() + "\n" for example in examples).encode())
    write_atomically(dropped_file(target), "".join(one.to_json() + "\n" for one in dropped.lines()).encode())
    write_atomically(picture_file(target), funnel_svg(merged([result.funnel for _, _, result in results])))
    write_atomically(funnel_file(target), (json.dumps(counts, sort_keys=True, indent=1) + "\n").encode())
    if as_json:
        print(json.dumps(counts))
    else:
        _show(results, target)
        tell_of_model(prompts)


def _counts(snapshots: int, results: list[tuple[str, str, MiningResult]]) -> dict[str, object]:
    return {
        "snapshots": snapshots,
        "trees": sum(sum(result.trees.values()) for _, _, result in results),
        "mined": sum(result.funnel.seen(CANDIDATES) for _, _, result in results),
        "verified": sum(len(result.examples) for _, _, result in results),
        "minimised": asdict(sum((result.minimised for _, _, result in results), Minimised())),
        "groups": [
            {
                "toolchain": name,
                "fingerprint": fingerprint,
                "trees": result.trees,
                "cuts": result.cuts,
                "categories": dict(sorted(Counter(one.category.value for one in result.examples).items())),
                "kinds": dict(sorted(Counter(one.kind.value for one in result.episodes).items())),
                "funnel": json.loads(result.funnel.to_json()),
            }
            for name, fingerprint, result in results
        ],
    }


def _show(results: list[tuple[str, str, MiningResult]], target: Path) -> None:
    for name, _, result in results:
        trees = ", ".join(f"{count} {status}" for status, count in result.trees.items())
        table(
            f"{name}: {sum(result.trees.values())} trees judged ({trees})", ("rule", "dropped", "left"), _rows(result)
        )
        kinds = Counter(one.kind.value for one in result.episodes)
        classes = Counter(one.category.value for one in result.examples)
        out.print(
            f"[bold]{len(result.examples)} verified examples[/]: "
            + ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
            + "; "
            + ", ".join(f"{count} {kind}" for kind, count in classes.most_common())
        )
        if less := result.minimised.examples:
            out.print(f"[bold]{less}[/] of them hold what their error asked for alone: {_saved(result.minimised)}")
    out.print(f"Written to {escape(str(target))}, and beside it {escape(funnel_file(target).name)}.")


def _saved(counts: Minimised) -> str:
    return (
        f"{counts.hunks_after} of {counts.hunks_before} hunks, {counts.lines_after} of {counts.lines_before} "
        f"changed lines; {counts.builds} builds"
    )


def _rows(result: MiningResult) -> list[tuple[str, str, str]]:
    """Return the rules that dropped something, and what was left of each kind of thing; the file has them all."""
    steps = result.funnel.steps
    rows = []
    for number, step in enumerate(steps):
        if step.dropped:
            rows.append((f"  {step.name}", str(step.dropped), str(step.kept)))
        if number + 1 == len(steps) or steps[number + 1].unit != step.unit:
            rows.append((step.unit, "", str(step.kept)))
    return rows
