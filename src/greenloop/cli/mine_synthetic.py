"""``greenloop mine --synthetic``: examples from a green tree, for a team that has no history yet."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer
from rich.markup import escape

from greenloop.cli.console import out, progress
from greenloop.cli.mined import Written, funnel_file, group, write_mined
from greenloop.cli.prompting import prompted, tell_of_model
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench
from greenloop.cli.turns import Present, folder_name, present
from greenloop.datasets.load import read_examples
from greenloop.mining.dropped import LeftOut
from greenloop.mining.funnel import Funnel, Step
from greenloop.mining.rules import Rules
from greenloop.mining.sources.synthetic import SyntheticSource
from greenloop.mining.synthetic.mix import Mix
from greenloop.mining.synthetic.plan import Plan
from greenloop.records import TreeId
from greenloop.workspace.vcs import read_revision

COUNT = 300
"""Examples, unless the command line says how many."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for; ``None`` is what was not given."""

    count: int | None
    seed: int | None
    like: Path | None
    revision: str | None


def mine_synthetic(context: typer.Context, rules: Rules, wanted: Wanted, target: Path, *, as_json: bool) -> None:
    """Break the green tree at hand and write the proven repairs to ``target`` and the files beside it.

    Raises ``InputError`` when the tree is not green, ``typer.Exit`` with 1 when nothing could be proven.
    """
    now = present(context, Path())
    judge = bench(now.app.home, now.settings, now.judge.toolchain, widest=True)
    plan = Plan(
        count=COUNT if wanted.count is None else wanted.count,
        seed=wanted.seed or 0,
        mix=mix_of(wanted),
        deepest=judge.suite,
        workspace=f"synthetic: {folder_name(now.checkout.root)}",
        author="",
        rules=rules,
    )
    began = time.monotonic()
    dropped: list[LeftOut] = []
    source = SyntheticSource(now.app.home.trees, judge.engine, _tree(now, wanted.revision), plan, note=dropped.append)
    with progress(f"breaking and judging ({judge.toolchain})", "examples") as report:
        found = tuple(source.examples(report))
    minutes = (time.monotonic() - began) / 60
    examples, prompts = prompted(now.app.home, now.settings, found)
    funnel, written = source.funnel(), Written.of(examples)
    counts = {
        **_counts(source, written, plan),
        "prompts": prompts,
        "groups": [group(judge.toolchain, judge.engine.fingerprint, written.categories, funnel)],
    }
    # what a clock says is no count: the same again is the same bytes
    write_mined(target, examples, {**counts, "mutants": _places(source)}, dropped=dropped, funnel=funnel)
    rate = written.count / minutes if minutes else 0.0
    if as_json:
        print(json.dumps({**counts, "minutes": round(minutes, 2), "per_minute": round(rate, 1)}))
    else:
        _show(source, written, plan, rate)
        tell_of_model(prompts)
        out.print(f"Written to {escape(str(target))} and {escape(str(funnel_file(target)))}.")
    if not written.count:
        raise typer.Exit(1)


def mix_of(wanted: Wanted) -> Mix:
    """Return which errors are wanted."""
    return Mix.usual() if wanted.like is None else Mix.like(read_examples(wanted.like))


def _places(source: SyntheticSource) -> dict[str, object]:
    return {id_: {"kind": one.kind, "path": one.path, "line": one.line} for id_, one in source.mutants.items()}


def _kinds(source: SyntheticSource) -> Counter[str]:
    return Counter(one.kind for one in source.mutants.values())


def _tree(now: Present, revision: str | None) -> TreeId:
    if revision is None:
        return now.checkout.tree
    read = read_revision(
        now.checkout.root, revision, now.app.home.trees, max_file_bytes=now.settings.record.max_file_bytes
    )
    return read.tree


def _counts(source: SyntheticSource, written: Written, plan: Plan) -> dict[str, object]:
    return {
        "verified": written.count,
        "wanted": plan.count,
        "seed": plan.seed,
        "kinds": dict(sorted(_kinds(source).items())),
        "categories": dict(sorted(written.categories.items())),
        "mix": {name.value: count for name, count in plan.mix.quotas(plan.count).items()},
        "short": [name.value for name in source.short],
        "candidates": dict(source.candidates),
        "tried": sum(step.seen for step in _first_steps(source.funnel())),
    }


def _show(source: SyntheticSource, written: Written, plan: Plan, rate: float) -> None:
    kinds, funnel = _kinds(source), source.funnel()
    lines = []
    for step in _first_steps(funnel):
        kind = step.unit.removeprefix("mutants: ")
        drops = [one for one in funnel.steps if one.unit == step.unit and one.dropped]
        why = ", ".join(f"{one.dropped} {one.name}" for one in drops)
        lines.append((kind, str(source.candidates[kind]), str(step.seen), str(kinds[kind]), why))
    table("mutants", ("kind", "there are", "tried", "proven", "dropped"), lines)
    asked = {name.value: count for name, count in plan.mix.quotas(plan.count).items()}
    achieved = sorted(written.categories.items())
    mix = ", ".join(f"{count} {name} (asked for {asked.get(name, 0)})" for name, count in achieved)
    out.print(f"[bold]{written.count} verified examples[/] of {plan.count}, {rate:.0f} a minute: {mix}")
    if source.short:
        out.print(f"There were too few of: {', '.join(source.short)}; others took their place where there were any.")


def _first_steps(funnel: Funnel) -> Iterator[Step]:
    """Yield the first step of each kind that was tried."""
    units: set[str] = set()
    for step in funnel.steps:
        if step.unit not in units and step.seen:
            units.add(step.unit)
            yield step
