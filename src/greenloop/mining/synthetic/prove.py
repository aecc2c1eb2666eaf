"""Proving mutants: written as trees, judged by builds and tests, and turned into examples by the rules of all fixes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from greenloop.builds.fixed import first_error
from greenloop.builds.judge import Judge
from greenloop.mining.episodes import is_red
from greenloop.mining.example import Proposal, example_of
from greenloop.mining.own import NOTHING
from greenloop.mining.synthetic.code import Mutant
from greenloop.mining.synthetic.inference import inferable
from greenloop.mining.synthetic.plan import Plan
from greenloop.mining.synthetic.project import Project
from greenloop.records import Category, Example, Origin, Stage, Suite, TreeId, Verdict
from greenloop.workspace.store import Entry, TreeStore
from greenloop.workspace.syntax import language_of
from greenloop.workspace.tokens import same_code

SAME = "the same code"
UNREAD = "a file that the build does not read"
UNKNOWABLE = "what is to be restored cannot be known"
GREEN = "still green"
UNCLEAR = "timed out, or red without an error"
MASKED = "a warning is printed before the error"
"""Warnings that the dev profile makes errors: one that only follows from the mutant would be asked for in its place."""
NAMES = (SAME, UNREAD, UNKNOWABLE, GREEN, UNCLEAR, MASKED)
_NONSENSE = b"\n)\n"
"""Text that no OCaml file and no dune file can end in."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A mutant, and the suites that may turn it red, in order."""

    mutant: Mutant
    suites: tuple[Suite, ...]


class Prover:
    """Judges mutants of the tree to which the verdicts ``base`` belong, by suite."""

    def __init__(
        self, store: TreeStore, judge: Judge, project: Project, base: Mapping[Suite, Verdict], plan: Plan
    ) -> None:
        self._store = store
        self._judge = judge
        self._project = project
        self._base = base
        self._plan = plan
        self._tree = next(iter(base.values())).tree
        self._read: dict[str, bool] = {}

    def prove(self, attempts: Iterable[Attempt]) -> Iterator[tuple[Attempt, Example | str]]:
        """Yield what became of each attempt: an example, or the name of the rule against it."""
        batch = list(attempts)
        self._ask_which_are_read({one.mutant.path for one in batch} - set(self._read))
        with self._store.staged():
            trees = {number: self._broken(one) for number, one in enumerate(batch)}
        verdicts: dict[int, Verdict] = {}
        for suite in self._base:
            todo = {
                number: tree for number, tree in trees.items()
                if isinstance(tree, tuple) and suite in batch[number].suites and number not in verdicts
            }  # fmt: skip
            judged = self._judge.judge_many([tree for tree, _ in todo.values()], suite)
            verdicts |= {number: judged[tree] for number, (tree, _) in todo.items() if not judged[tree].green}
        for number, attempt in enumerate(batch):
            tree = trees[number]
            yield attempt, tree if isinstance(tree, str) else self._result(attempt, verdicts.get(number), tree[1])

    def _ask_which_are_read(self, paths: set[str]) -> None:
        """Break whole files first: what stays green then is no part of the build, and no mutant of it can be red."""
        with self._store.staged():
            spoilt = {path: self._with(path, self._source(path) + _NONSENSE) for path in sorted(paths)}
        verdicts = self._judge.judge_many(spoilt.values(), Suite.CHECK)
        self._read |= {path: not verdicts[tree].green for path, tree in spoilt.items()}

    def _broken(self, attempt: Attempt) -> tuple[TreeId, bool] | str:
        """Return the broken tree and whether its repair can be known, or the rule against it."""
        mutant = attempt.mutant
        if not self._read[mutant.path]:
            return UNREAD
        source, language = self._source(mutant.path), language_of(mutant.path)
        broken = mutant.broken(source)
        if same_code(source, broken, language):
            return SAME
        known = inferable(mutant, source, broken, language, self._project.words_beside(mutant.path))
        if not known and Suite.TEST not in attempt.suites:
            return UNKNOWABLE
        return self._with(mutant.path, broken), known

    def _result(self, attempt: Attempt, verdict: Verdict | None, known: bool) -> Example | str:
        if verdict is None:
            return GREEN
        if not is_red(verdict):
            return UNCLEAR
        if first_error(verdict).category is Category.WARNING and not _all_warnings(verdict):
            return MASKED
        if not known and verdict.stages[-1].stage is not Stage.TESTS:
            return UNKNOWABLE
        proposal = Proposal(
            base=verdict,
            targets=(self._base[verdict.suite],),
            origin=Origin.SYNTHETIC,
            workspace=self._plan.workspace,
            author=self._plan.author or f"synthetic: {attempt.mutant.path}",
            time=0.0,
            suite=verdict.suite,
            accepted=NOTHING,
            rules=self._plan.rules,
        )
        return example_of(self._store, proposal)

    def _source(self, path: str) -> bytes:
        return self._store.read_blob(self._entry(path).blob)

    def _entry(self, path: str) -> Entry:
        entry = self._store.entry(self._tree, path)
        assert entry is not None, "a mutant's file is in the tree that it was found in"
        return entry

    def _with(self, path: str, content: bytes) -> TreeId:
        entry = Entry(self._entry(path).mode, self._store.write_blob(content))
        return self._store.update(self._tree, {path: entry})


def _all_warnings(verdict: Verdict) -> bool:
    return all(error.category is Category.WARNING for error in verdict.errors)
