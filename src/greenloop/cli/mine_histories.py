"""``greenloop mine`` without further words: recorded and imported histories."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.markup import escape

from greenloop.builds.toolchains import ToolchainName
from greenloop.cli.app import App
from greenloop.cli.config import Config
from greenloop.cli.console import out, progress
from greenloop.cli.history import choose
from greenloop.cli.mined import dropped_file, funnel_file, group, picture_file, rows, write_mined
from greenloop.cli.prompting import prompted, tell_of_model
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.mining.dropped import DroppedTrace
from greenloop.mining.filters import UNIT as CANDIDATES
from greenloop.mining.funnel import merged
from greenloop.mining.minimise.minimise import Minimised
from greenloop.mining.own import Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources.episodes import EpisodeSource
from greenloop.records import Example, InputError, Workspace


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
    accepted = Accepted.read(app.home.trees, app.home.feedback.accepted())
    results: list[_Result] = []
    dropped = DroppedTrace()
    for name, members in groups.items():
        judge = bench(app.home, settings, name)
        with progress(f"judging ({name})", "trees") as report:
            source = EpisodeSource(
                snapshots,
                judge.engine,
                app.home.trees,
                judge.suite,
                rules=given,
                accepted=accepted,
                workspaces=members,
                workers=settings.build.workers,
                trace=dropped,
            )
            results.append(_Result(name, judge.engine.fingerprint, source, tuple(source.examples(report))))
    counts = _counts(sum(snapshots.count(one.id) for one in chosen), results)
    examples, prompts = prompted(app.home, settings, [example for one in results for example in one.examples])
    counts["prompts"] = prompts
    funnel = merged([one.source.funnel() for one in results])
    write_mined(target, examples, counts, dropped=dropped.lines(), funnel=funnel)
    if as_json:
        print(json.dumps(counts))
    else:
        _show(results, target)
        tell_of_model(prompts)


@dataclass(frozen=True)
class _Result:
    """What the histories of one toolchain gave."""

    toolchain: str
    fingerprint: str
    source: EpisodeSource
    examples: tuple[Example, ...]

    @property
    def classes(self) -> Counter[str]:
        """The examples by the class of their error."""
        return Counter(one.category.value for one in self.examples)

    @property
    def kinds(self) -> Counter[str]:
        """The episodes of the whole fixes by their kind."""
        return Counter(one.kind.value for one in self.source.episodes)


def _counts(snapshots: int, results: list[_Result]) -> dict[str, object]:
    return {
        "snapshots": snapshots,
        "trees": sum(sum(one.source.trees.values()) for one in results),
        "mined": sum(one.source.funnel().seen(CANDIDATES) for one in results),
        "verified": sum(len(one.examples) for one in results),
        "minimised": asdict(sum((one.source.minimised for one in results), Minimised())),
        "groups": [
            {
                **group(one.toolchain, one.fingerprint, one.classes, one.source.funnel()),
                "trees": one.source.trees,
                "cuts": one.source.cuts,
                "kinds": dict(sorted(one.kinds.items())),
            }
            for one in results
        ],
    }


def _show(results: list[_Result], target: Path) -> None:
    for one in results:
        trees = ", ".join(f"{count} {status}" for status, count in one.source.trees.items())
        title = f"{one.toolchain}: {sum(one.source.trees.values())} trees judged ({trees})"
        table(title, ("rule", "dropped", "left"), list(rows(one.source.funnel())))
        listed = [_listed(sorted(one.kinds.items())), _listed(one.classes.most_common())]
        out.print(": ".join([f"[bold]{len(one.examples)} verified examples[/]", "; ".join(filter(None, listed))]))
        if less := one.source.minimised.examples:
            out.print(f"[bold]{less}[/] of them cut to what the error asked for: {_saved(one.source.minimised)}")
    beside = ", ".join(file(target).name for file in (funnel_file, picture_file, dropped_file))
    out.print(f"Written to {escape(str(target))}, and beside it {escape(beside)}.")


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts)


def _saved(counts: Minimised) -> str:
    return (
        f"{counts.hunks_after} of {counts.hunks_before} hunks, {counts.lines_after} of {counts.lines_before} "
        f"changed lines; {counts.builds} builds"
    )
