"""Breaking a green tree and proving each break: from mutants to examples, in the mix that was asked for."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest

from greenloop.builds.judge import Judge
from greenloop.mining.filters import DUPLICATE, LEAKING, filters
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.rules import Rules
from greenloop.mining.synthetic.code import Mutant, drawn
from greenloop.mining.synthetic.plan import Plan
from greenloop.mining.synthetic.project import Project
from greenloop.mining.synthetic.prove import NAMES, Attempt, Prover
from greenloop.mining.synthetic.registry import MUTATIONS, Mutation
from greenloop.records import Category, Example, InputError, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore

BASE_RUNS = 3
"""How often the tree must be green before it is broken: a test that fails now and then would make false reds."""
_BATCH = 48
"""Mutants judged at a time: enough for all workers, few enough to stop near the count."""
OVER = "more of its category than the mix asks for"

Afresh = Callable[[TreeId, Suite], Verdict]
"""Judges a tree though its verdict is known."""
Tell = Callable[[int, int], None]
"""Called with (examples so far, examples wanted)."""


@dataclass(frozen=True, slots=True)
class Made:
    """An example and the mutant that it undoes."""

    example: Example
    mutant: Mutant


@dataclass(frozen=True, slots=True)
class SyntheticResult:
    """What was made, in order; the count of every rule for each kind; how many mutants of each kind there were.

    ``short`` are the categories of the mix of which there were too few; others took their place.
    """

    made: tuple[Made, ...]
    funnel: Funnel
    candidates: Mapping[str, int]
    short: tuple[Category, ...]


def make(
    store: TreeStore, judge: Judge, afresh: Afresh, tree: TreeId, plan: Plan, tell: Tell | None = None
) -> SyntheticResult:
    """Break ``tree`` until ``plan.count`` examples are proven, or nothing is left to try.

    Raises ``InputError`` when the tree is not green three times or holds nothing to break, ``InfrastructureError``
    when a verdict could not be reached.
    """
    suites = tuple(suite for suite in (Suite.CHECK, Suite.TEST) if len(suite.stages) <= len(plan.deepest.stages))
    base = {suite: _green(afresh, tree, suite) for suite in suites}
    project = Project.read(store, tree, seed=plan.seed)
    mutations = [one for one in MUTATIONS if set(one.suites) & set(suites)]
    queues, candidates = _queues(project, mutations)
    if not candidates:
        raise InputError(
            "there is nothing to break: no .ml, .mli or dune file that can be read",
            "name a folder or a revision with an OCaml project in it",
        )
    prover = Prover(store, judge, project, base, plan)
    maker = _Maker(plan, prover, queues, _tally(candidates, plan.rules), tell or _silent)
    maker.run()
    return SyntheticResult(tuple(maker.made), maker.tally.funnel(), candidates, tuple(maker.short))


def _silent(_done: int, _of: int) -> None:
    """Report to nobody."""


def _green(afresh: Afresh, tree: TreeId, suite: Suite) -> Verdict:
    verdict = None
    for run in range(BASE_RUNS):
        verdict = afresh(tree, suite)
        if not verdict.green:
            first = verdict.errors[0].message.partition("\n")[0] if verdict.errors else verdict.note
            raise InputError(
                f"the tree is {verdict.status} at run {run + 1} of {BASE_RUNS} (suite {suite}): {first}",
                "mend it first, or name a green revision: a break of a red tree proves nothing",
            )
    assert verdict is not None
    return verdict


Queue = Iterator[Attempt]


def _queues(project: Project, mutations: list[Mutation]) -> tuple[dict[Category, Queue], dict[str, int]]:
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


def _tally(candidates: Mapping[str, int], rules: Rules) -> Tally:
    names = (*NAMES, *(rule.name for rule in filters(rules)), LEAKING, DUPLICATE, OVER)
    return Tally((f"mutants: {kind}", names) for kind in candidates)


class _Maker:
    """The state of one run: what is made, what is left over, what is still to be had."""

    def __init__(self, plan: Plan, prover: Prover, queues: dict[Category, Queue], tally: Tally, tell: Tell) -> None:
        self._plan = plan
        self._prover = prover
        self._queues = queues
        self._tell = tell
        self._quotas = plan.mix.quotas(plan.count)
        self._spare: dict[Category, list[Made]] = {}
        self._have: Counter[Category] = Counter()
        self._seen: set[str] = set()
        self.tally = tally
        self.made: list[Made] = []
        self.short: list[Category] = []

    def run(self) -> None:
        while len(self.made) < self._plan.count:
            batch = self._batch()
            if not batch and not self._fewer():
                break
            for attempt, found in self._prover.prove(batch):
                self._take(attempt, found)
            self._tell(len(self.made), self._plan.count)
        for made in chain.from_iterable(self._spare.values()):
            self.tally.drop(f"mutants: {made.mutant.kind}", OVER)

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

    def _take(self, attempt: Attempt, found: Example | str) -> None:
        unit = f"mutants: {attempt.mutant.kind}"
        self.tally.see(unit)
        if isinstance(found, str):
            self.tally.drop(unit, found)
        elif found.id in self._seen:
            self.tally.drop(unit, DUPLICATE)
        else:
            self._seen.add(found.id)
            made = Made(found, attempt.mutant)
            if self._have[found.category] < self._quotas.get(found.category, 0):
                self._keep(made)
            else:
                self._spare.setdefault(found.category, []).append(made)

    def _keep(self, made: Made) -> None:
        self._have[made.example.category] += 1
        self.made.append(made)
