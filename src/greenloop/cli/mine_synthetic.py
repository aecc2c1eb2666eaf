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
from greenloop.cli.mined import funnel_file, write_mined
from greenloop.cli.prompting import prompted, tell_of_model
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench
from greenloop.cli.turns import Present, folder_name, present
from greenloop.datasets.load import read_examples
from greenloop.mining.funnel import Step
from greenloop.mining.rules import Rules
from greenloop.mining.synthetic.make import SyntheticResult, make
from greenloop.mining.synthetic.mix import Mix
from greenloop.mining.synthetic.plan import Plan
from greenloop.records import InputError, TreeId
from greenloop.workspace.vcs import read_revision

_COUNT = 300
"""Examples, unless the command line says how many."""


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for; ``None`` is what was not given."""

    count: int | None
    seed: int | None
    like: Path | None
    revision: str | None


def check_words(wanted: Wanted, *, synthetic: bool, commits: bool, most: int | None, workspace: list[str]) -> None:
    """Raise ``InputError`` where a word was given that another way of mining knows, and this one would pass over."""
    if synthetic and commits:
        raise InputError("`--synthetic` and `--commits` are two ways of mining", "run them one after the other")
    if workspace and (synthetic or commits):
        way = "`--synthetic` breaks" if synthetic else "`--commits` reads"
        raise InputError(f"{way} a checkout, it looks at no workspace", "leave out `--workspace`")
    if most is not None and not commits:
        raise InputError("`--max-commits` is for commits", "add `--commits`, or leave out `--max-commits`")
    named = {"--count": wanted.count, "--seed": wanted.seed, "--like": wanted.like}
    given = next((name for name, value in named.items() if value is not None), None)
    if given is not None and not synthetic:
        raise InputError(f"`{given}` is for synthetic examples", f"add `--synthetic`, or leave out `{given}`")
    if wanted.revision is not None and not (synthetic or commits):
        raise InputError("`--rev` is for checkouts", "add `--commits` or `--synthetic`, or leave out `--rev`")


def mine_synthetic(
    context: typer.Context, folder: Path, wanted: Wanted, target: Path, *, rules: Rules, as_json: bool
) -> None:
    """Break the green tree at ``folder`` and write the proven repairs to ``target``, their counts beside it."""
    mix = Mix.usual() if wanted.like is None else Mix.like(read_examples(wanted.like))
    now = present(context, folder)
    judge = bench(now.app.home, now.settings, now.judge.toolchain, widest=True)
    plan = Plan(
        count=_COUNT if wanted.count is None else wanted.count,
        seed=wanted.seed or 0,
        mix=mix,
        deepest=judge.suite,
        workspace=f"synthetic: {folder_name(now.checkout.root)}",
        rules=rules,
    )
    began = time.monotonic()
    with progress(f"breaking and judging ({judge.toolchain})", "examples") as report:
        engine = judge.engine
        result = make(
            now.app.home.trees,
            engine,
            lambda tree, suite: engine.trial(tree, suite, fresh=True).verdict,
            _tree(now, wanted.revision),
            plan,
            report,
        )
    minutes = (time.monotonic() - began) / 60
    counts = _counts(result, plan, judge.toolchain, engine.fingerprint, minutes)
    made = [one.example for one in result.made]
    examples, prompts = prompted(now.app.home, now.settings, made)
    counts["prompts"] = prompts
    places = {one.example.id: _place(one.mutant.kind, one.mutant.path, one.mutant.line) for one in result.made}
    write_mined(target, examples, {**counts, "mutants": places})
    if as_json:
        print(json.dumps(counts))
    else:
        _show(result, plan, minutes)
        tell_of_model(prompts)
        out.print(f"Written to {escape(str(target))} and {escape(str(funnel_file(target)))}.")
    if not result.made:
        raise typer.Exit(1)


def _place(kind: str, path: str, line: int) -> dict[str, object]:
    return {"kind": kind, "path": path, "line": line}


def _tree(now: Present, revision: str | None) -> TreeId:
    if revision is None:
        return now.checkout.tree
    read = read_revision(
        now.checkout.root, revision, now.app.home.trees, max_file_bytes=now.settings.record.max_file_bytes
    )
    return read.tree


def _counts(result: SyntheticResult, plan: Plan, toolchain: str, fingerprint: str, minutes: float) -> dict[str, object]:
    made = len(result.made)
    return {
        "verified": made,
        "wanted": plan.count,
        "seed": plan.seed,
        "minutes": round(minutes, 2),
        "per_minute": round(made / minutes, 1) if minutes else 0.0,
        "kinds": dict(sorted(Counter(one.mutant.kind for one in result.made).items())),
        "categories": _categories(result),
        "mix": {name.value: count for name, count in plan.mix.quotas(plan.count).items()},
        "short": [name.value for name in result.short],
        "candidates": dict(result.candidates),
        "tried": sum(step.seen for step in _first_steps(result)),
        "groups": [
            {
                "toolchain": toolchain,
                "fingerprint": fingerprint,
                "categories": _categories(result),
                "funnel": json.loads(result.funnel.to_json()),
            }
        ],
    }


def _categories(result: SyntheticResult) -> dict[str, int]:
    return dict(sorted(Counter(one.example.category.value for one in result.made).items()))


def _show(result: SyntheticResult, plan: Plan, minutes: float) -> None:
    kinds = Counter(one.mutant.kind for one in result.made)
    rows = []
    for step in _first_steps(result):
        kind = step.unit.removeprefix("mutants: ")
        drops = [one for one in result.funnel.steps if one.unit == step.unit and one.dropped]
        why = ", ".join(f"{one.dropped} {one.name}" for one in drops)
        rows.append((kind, str(result.candidates[kind]), str(step.seen), str(kinds[kind]), why))
    table("mutants", ("kind", "there are", "tried", "proven", "dropped"), rows)
    achieved = _categories(result)
    asked = {name.value: count for name, count in plan.mix.quotas(plan.count).items()}
    mix = ", ".join(f"{count} {name} (asked for {asked.get(name, 0)})" for name, count in achieved.items())
    rate = len(result.made) / minutes if minutes else 0.0
    out.print(f"[bold]{len(result.made)} verified examples[/] of {plan.count}, {rate:.0f} a minute: {mix}")
    if result.short:
        out.print(f"There were too few of: {', '.join(result.short)}; others took their place where there were any.")


def _first_steps(result: SyntheticResult) -> Iterator[Step]:
    """Yield the first step of each kind that was tried."""
    units: set[str] = set()
    for step in result.funnel.steps:
        if step.unit not in units and step.seen:
            units.add(step.unit)
            yield step
