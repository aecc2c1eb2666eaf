"""From mutants to examples, in the mix that was asked for: batch after batch, until there are enough."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest

from greenloop.builds.judge import Judge, Progress
from greenloop.mining.confirming import unsteady
from greenloop.mining.dropped import LeftOut, Note
from greenloop.mining.filters import AT_THE_END, DUPLICATE, FLAKY, filters
from greenloop.mining.funnel import Tally
from greenloop.mining.rules import Rules
from greenloop.mining.synthetic.code import Mutant, drawn
from greenloop.mining.synthetic.plan import Plan
from greenloop.mining.synthetic.project import Project
from greenloop.mining.synthetic.prove import NAMES, Attempt, Prover
from greenloop.mining.synthetic.registry import Mutation
from greenloop.records import Category, Example

_BATCH = 48
"""Mutants judged at a time: enough for all workers, few enough to stop near the count."""
_UNIT = "mutants: "
OVER = "more of its category than the mix asks for"


@dataclass(frozen=True, slots=True)
class Made:
    """An example and the mutant that it undoes."""

    example: Example
    mutant: Mutant


Queue = Iterator[Attempt]


def queues_of(project: Project, mutations: list[Mutation]) -> tuple[dict[Category, Queue], dict[str, int]]:
    """Return the mutants of each category, kinds in turn, and how many of each kind there are."""
    kinds: dict[Category, dict[str, list[Attempt]]] = {}
    counts: Counter[str] = Counter()
    for mutation in mutations:
        for mutant in mutation.find(project):
            counts[mutant.kind] += 1
            held = kinds.setdefault(mutation.category, {})
            held.setdefault(mutant.kind, []).append(Attempt(mutant, mutation.suites))
    queues: dict[Category, Queue] = {}
    for category, held in kinds.items():
        rows = [sorted(held[kind], key=lambda one: _order(project.seed, one.mutant)) for kind in sorted(held)]
        in_turn = chain.from_iterable(zip_longest(*rows))
        queues[category] = (one for one in in_turn if one is not None)
    return queues, dict(sorted(counts.items()))


def _order(seed: int, mutant: Mutant) -> tuple[int, str, int]:
    first = mutant.patches[0]
    return drawn(seed, mutant.kind, mutant.path, *mutant.patches), mutant.path, first.start


def tally_of(candidates: Mapping[str, int], rules: Rules) -> Tally:
    names = (*NAMES, *(rule.name for rule in filters(rules)), *AT_THE_END, OVER)
    return Tally((f"{_UNIT}{kind}", names) for kind in candidates)


def _unit(mutant: Mutant) -> str:
    return f"{_UNIT}{mutant.kind}"


class Maker:
    """The state of one run: what is made, what is left over, what is still to be had."""

    def __init__(
        self, plan: Plan, prover: Prover, judge: Judge, queues: dict[Category, Queue], tally: Tally, note: Note
    ) -> None:
        self._plan = plan
        self._note = note
        self._judge = judge
        self._prover = prover
        self._queues = queues
        self._quotas = plan.mix.quotas(plan.count)
        self._spare: dict[Category, list[Made]] = {}
        self._have: Counter[Category] = Counter()
        self._seen: set[str] = set()
        self.tally = tally
        self.made: list[Made] = []
        self.short: list[Category] = []

    def run(self, tell: Progress) -> None:
        """Make what the plan asks for, or as much of it as there is."""
        while len(self.made) < self._plan.count:
            batch = self._batch()
            if not batch and not self._fewer():
                break
            results = tuple(self._prover.prove(batch))
            flaky = unsteady((one for _, one in results if isinstance(one, Example)), self._judge, self._plan.rules)
            for attempt, found in results:
                self._take(attempt, found, flaky)
            tell(len(self.made), self._plan.count)
        for made in chain.from_iterable(self._spare.values()):
            self._drop(made.mutant, OVER)

    def _batch(self) -> list[Attempt]:
        """Return the next mutants of the categories that lack examples, in the share in which they lack them."""
        lacking = {name: want - self._have[name] for name, want in self._quotas.items() if want > self._have[name]}
        total = max(1, sum(lacking.values()))
        batch: list[Attempt] = []
        for name, lack in lacking.items():
            queue = self._queues.get(name, iter(()))
            # not all turn out red: a little more than what lacks, within the category's share of a batch
            wanted = min(lack + lack // 3 + 1, max(1, _BATCH * lack // total))
            batch += [one for _, one in zip(range(wanted), queue, strict=False)]
        return batch

    def _fewer(self) -> bool:
        """Give what cannot be had to the other categories; return whether there is anything left to try."""
        missing = [name for name, want in self._quotas.items() if want > self._have[name] and name not in self.short]
        self.short += missing
        held = sum(self._have[name] for name in self.short)
        self._quotas = {name: self._have[name] for name in self.short}
        self._quotas |= self._plan.mix.quotas(self._plan.count - held, without=self.short)
        for name, made in self._spare.items():
            while made and self._have[name] < self._quotas.get(name, 0):
                self._keep(made.pop(0))
        return bool(missing)

    def _take(self, attempt: Attempt, found: Example | str, flaky: frozenset[str]) -> None:
        self.tally.see(_unit(attempt.mutant))
        if isinstance(found, str):
            self._drop(attempt.mutant, found)
        elif found.id in self._seen:
            self._drop(attempt.mutant, DUPLICATE)
        elif found.id in flaky:
            self._drop(attempt.mutant, FLAKY)
        else:
            self._seen.add(found.id)
            made = Made(found, attempt.mutant)
            if self._have[found.category] < self._quotas.get(found.category, 0):
                self._keep(made)
            else:
                self._spare.setdefault(found.category, []).append(made)

    def _drop(self, mutant: Mutant, rule: str) -> None:
        self.tally.drop(_unit(mutant), rule)
        what = f"{mutant.path}:{mutant.line}"
        self._note(LeftOut(rule=rule, unit=_unit(mutant), workspace=self._plan.workspace, what=what))

    def _keep(self, made: Made) -> None:
        self._have[made.example.category] += 1
        self.made.append(made)
