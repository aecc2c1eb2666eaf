"""``greenloop mine`` without further words: recorded and imported histories."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.markup import escape

from greenloop.builds.toolchains import ToolchainName
from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.console import out, progress
from greenloop.cli.history import choose
from greenloop.cli.mined import funnel_file, rows, write_mined
from greenloop.cli.prompting import prompted, tell_of_model
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.mining.dropped import DroppedTrace
from greenloop.mining.filters import UNIT as CANDIDATES
from greenloop.mining.funnel import merged
from greenloop.mining.mine import MiningResult, Progress, mine
from greenloop.mining.minimise.minimise import Minimised
from greenloop.mining.picture import funnel_svg
from greenloop.mining.rules import Rules
from greenloop.records import InputError, Workspace


def mine_histories(
    app: App, settings: Config, given: Rules, patterns: Sequence[str], target: Path, *, as_json: bool
) -> None:
    """Mine the workspaces that ``patterns`` name, all where there is none, into ``target`` and the files beside it.

    Raises ``InputError`` when there is no history, or a pattern names none.
    """
    snapshots = app.home.snapshots
    everything = snapshots.workspaces()
    chosen = tuple(one for pattern in patterns for one in choose(everything, pattern)) or everything
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

            result = mine(
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
    picture = funnel_svg(merged([result.funnel for _, _, result in results]))
    write_mined(target, examples, counts, dropped=dropped.lines(), picture=picture)
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
        title = f"{name}: {sum(result.trees.values())} trees judged ({trees})"
        table(title, ("rule", "dropped", "left"), list(rows(result.funnel)))
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
