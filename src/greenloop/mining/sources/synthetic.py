"""A green tree as a source: broken in typed ways, each break proven red, and each way back an example."""

from collections.abc import Iterator, Mapping

from greenloop.builds.judge import Judge
from greenloop.mining.dropped import Note, note_nothing
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.sources.seam import Tell, tell_nobody
from greenloop.mining.synthetic.code import Mutant
from greenloop.mining.synthetic.make import Maker, queues_of, tally_of
from greenloop.mining.synthetic.plan import Plan
from greenloop.mining.synthetic.project import Project
from greenloop.mining.synthetic.prove import Prover
from greenloop.mining.synthetic.registry import MUTATIONS
from greenloop.records import Category, Example, InputError, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore


class SyntheticSource:
    """Breaks ``tree`` until ``plan.count`` examples are proven, or nothing is left to try.

    ``note`` is told of each mutant that was tried and left out.
    """

    def __init__(self, store: TreeStore, judge: Judge, tree: TreeId, plan: Plan, *, note: Note = note_nothing) -> None:
        self._store = store
        self._judge = judge
        self._tree = tree
        self._plan = plan
        self._note = note
        self._tally = Tally(())
        self.candidates: Mapping[str, int] = {}
        """How many mutants of each kind there are. This and what follows is known once the examples were asked for."""
        self.mutants: dict[str, Mutant] = {}
        """The mutant that each example undoes, by the example's id."""
        self.short: tuple[Category, ...] = ()
        """The categories of the mix of which there were too few; others took their place."""

    def examples(self, tell: Tell | None = None) -> Iterator[Example]:
        """See ``Source``; what is told are examples, of those that are wanted.

        Raises ``InputError`` when the tree is not green so often as ``plan.rules.confirmations`` says, or holds nothing
        to break.
        """
        deepest = len(self._plan.deepest.stages)
        suites = tuple(suite for suite in (Suite.CHECK, Suite.TEST) if len(suite.stages) <= deepest)
        # a test that fails now and then would make false reds
        base = {suite: self._green(suite) for suite in suites}
        project = Project.read(self._store, self._tree, seed=self._plan.seed)
        mutations = [one for one in MUTATIONS if set(one.suites) & set(suites)]
        queues, self.candidates = queues_of(project, mutations)
        if not self.candidates:
            raise InputError(
                "there is nothing to break: no .ml, .mli or dune file that can be read",
                "name a folder or a revision with an OCaml project in it",
            )
        self._tally = tally_of(self.candidates, self._plan.rules)
        prover = Prover(self._store, self._judge, project, base, self._plan)
        maker = Maker(self._plan, prover, self._judge, queues, self._tally, self._note)
        maker.run(tell or tell_nobody)
        self.short = tuple(maker.short)
        self.mutants = {one.example.id: one.mutant for one in maker.made}
        yield from (one.example for one in maker.made)

    def funnel(self) -> Funnel:
        """See ``Source``: the count of every rule for each kind of mutant."""
        return self._tally.funnel()

    def _green(self, suite: Suite) -> Verdict:
        way_out = "mend it first, or name a green revision: a break of a red tree proves nothing"
        verdict = self._judge.judge(self._tree, suite)
        if not verdict.green:
            first = verdict.errors[0].message.partition("\n")[0] if verdict.errors else verdict.note
            raise InputError(f"the tree is {verdict.status} (suite {suite}): {first}", way_out)
        times = self._plan.rules.confirmations
        if self._judge.confirm([self._tree], suite, times):
            raise InputError(f"judged {times} times, the tree was not always green (suite {suite})", way_out)
        return verdict
