"""The model-free search: what it fixes of held-out tasks, within how many checks, and what would be shown first.

    python benchmarks/search.py --dataset FOLDER [--part test] [--n 100] [--checks 120] [--json]

Each task's edits are judged in their order by the real engine, up to ``--checks`` of them; nothing stops earlier, so
that one run shows every bound. *Fixed* is ``builds.fixed``; *exact* is the person's own edit, white space aside;
*shown* is what ``candidates.ranking`` puts first, with the stop rule of the settings' defaults. The part must be one
whose authors the weights were not fitted to: ``valid`` or ``test``.

The last line of ``--json`` is one object:

    {"n":…, "fixed_at_22":…, …, "exact_at_120":…, "shown_fixed":…, "shown_exact":…, "checks":…, "seconds":…,
     "order_ms":…, "whole":{…}, "subfix":{…}, "type":{…}, …}

``checks`` and ``seconds`` are means a task under the stop rule, ``order_ms`` is the median time before the first
proposal.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import mean, median
from typing import Any

from rich.console import Console
from rich.table import Table
from search_bench import bare, bench, drawn, red

from greenloop.builds.engine import Engine
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.examine import Rules
from greenloop.candidates.mechanical.source import SearchSource
from greenloop.candidates.ranking import distinct, ranked
from greenloop.candidates.searching import Search, searched
from greenloop.prompts.question import Question
from greenloop.records import Example, Origin, Verdict
from greenloop.workspace.store import TreeStore

BOUNDS = (5, 22, 60, 120)


@dataclass(frozen=True)
class Walk:
    """One task: its attempts in order, which of them are the person's own edit, and how long the stop rule took."""

    example: Example
    attempts: tuple[Attempt, ...]
    exact: frozenset[int]
    stopped: tuple[Attempt, ...]
    seconds: float
    order_seconds: float

    def fixed_at(self, bound: int) -> bool:
        """Whether one of the first ``bound`` fixed it."""
        return any(one.fixed for one in self.attempts[:bound])

    def exact_at(self, bound: int) -> bool:
        """Whether one of the first ``bound`` that fixed it is the person's own."""
        return any(one.fixed and one.index in self.exact for one in self.attempts[:bound])

    @property
    def shown(self) -> Attempt | None:
        """What would be put before a person."""
        best = ranked(distinct(self.stopped))[:1]
        return best[0] if best and best[0].fixed else None


def walk(store: TreeStore, judge: Engine, example: Example, before: Verdict, checks: int) -> Walk:
    """Search one task twice: by the stop rule, timed, then on up to ``checks``, of which the first are known."""
    question = Question(example.base, example.prompt, before.diagnostics)
    rules, source = Rules(suite=example.suite), SearchSource()
    began = time.perf_counter()
    proposals = source.proposals(store, question)
    head = [one for one in (next(proposals, None),) if one is not None]
    ordered = time.perf_counter() - began
    stopped = searched(store, judge, before, chain(head, proposals), rules, Search(source))
    seconds = time.perf_counter() - began
    every = Search(source, max_checks=checks, enough=checks + 1, first=checks)
    attempts = searched(store, judge, before, source.proposals(store, question), rules, every)
    wanted = bare(store, example.target)
    exact = frozenset(one.index for one in attempts if one.fixed and bare(store, one.result) == wanted)
    return Walk(example, attempts, exact, stopped, seconds, ordered)


def figures(walks: Sequence[Walk], checks: int) -> dict[str, Any]:
    """Return the shares of some tasks."""
    bounds = [bound for bound in BOUNDS if bound <= checks]
    shown = [one.shown for one in walks]
    right = [best is not None and best.index in one.exact for one, best in zip(walks, shown, strict=True)]
    return (
        {"n": len(walks)}
        | {f"fixed_at_{bound}": _share([one.fixed_at(bound) for one in walks]) for bound in bounds}
        | {f"exact_at_{bound}": _share([one.exact_at(bound) for one in walks]) for bound in bounds}
        | {"shown_fixed": _share([best is not None for best in shown]), "shown_exact": _share(right)}
        | {"checks": round(mean(len(one.stopped) for one in walks), 1)}
        | {"seconds": round(mean(one.seconds for one in walks), 2)}
        | {"order_ms": round(1000 * median(one.order_seconds for one in walks))}
    )


def _share(hits: Sequence[bool]) -> float:
    return round(sum(hits) / len(hits), 3)


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--dataset", type=Path, required=True, help="a dataset of single OCaml files")
    parser.add_argument("--part", default="test", choices=("valid", "test"))
    parser.add_argument("--n", type=int, default=100, help="tasks at most")
    parser.add_argument("--checks", type=int, default=120, help="judged edits a task at most")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    options = parser.parse_args()
    walks: list[Walk] = []
    with bench(options.dataset) as (dataset, store, judge):
        for example in drawn(dataset.examples(options.part), options.n):
            before = red(judge, example)
            if before is not None:
                walks.append(walk(store, judge, example, before, options.checks))
    groups = {"whole": [one for one in walks if one.example.origin is not Origin.SUBFIX]}
    groups["subfix"] = [one for one in walks if one.example.origin is Origin.SUBFIX]
    for one in walks:
        groups.setdefault(one.example.category.value, []).append(one)
    found = figures(walks, options.checks)
    parts = {name: figures(held, options.checks) for name, held in groups.items() if held}
    table = Table("figure", "all", *parts, title="The model-free search")
    for name, value in found.items():
        table.add_row(name, str(value), *(str(part[name]) for part in parts.values()))
    Console().print(table)
    if options.json:
        print(json.dumps(found | parts))


if __name__ == "__main__":
    main()
