"""The commits of a repository as a source: parent tree → tree, red → green as a fix, green → green as a change.

Commits come in batches, parents first. A batch is read, the rules are asked, what is left is judged together, the large
commits are split, and both ends of every example are confirmed; then it is let go. What grows with the history are
twenty bytes a tree, to know it again.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from greenloop.builds.judge import Judge
from greenloop.mining import filters
from greenloop.mining.commits.change import CommitChange
from greenloop.mining.commits.rules import MESSAGES, changes
from greenloop.mining.commits.subject import as_request
from greenloop.mining.commits.trees import CommitTrees
from greenloop.mining.confirming import unsteady
from greenloop.mining.dropped import LeftOut, Note, note_nothing
from greenloop.mining.episodes import is_clear
from greenloop.mining.example import Proposal, example_of
from greenloop.mining.funnel import Funnel, Tally
from greenloop.mining.own import NOTHING, Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.sources import features
from greenloop.mining.sources.seam import Tell
from greenloop.mining.states import UNCLEAR
from greenloop.records import Example, Feature, Origin, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import Commit, History

UNIT = "commits"
ELSEWHERE = "the folder is not in it, or not in its parent"
RED_RED = "red before and after"
GREEN_RED = "green before, red after"
BATCH = 128
"""Commits at a time: enough to keep all workers busy, few enough to hold their verdicts in memory."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A commit that no rule dropped."""

    commit: Commit
    base: TreeId
    target: TreeId
    large: bool


class CommitSource:
    """The commits of ``history``, judged by ``judge`` with ``suite``.

    ``workspace`` is what examples call the repository; ``accepted`` is what people took over from Greenloop's
    suggestions: no example holds it. ``batch`` is how many commits are taken at a time; the examples are the same.
    ``note`` is told of each commit, piece and candidate that is left out.
    """

    def __init__(
        self,
        history: History,
        trees: CommitTrees,
        store: TreeStore,
        judge: Judge,
        suite: Suite,
        *,
        workspace: str,
        rules: Rules | None = None,
        accepted: Accepted = NOTHING,
        batch: int = BATCH,
        note: Note = note_nothing,
    ) -> None:
        self._history = history
        self._trees = trees
        self._store = store
        self._judge = judge
        self._suite = suite
        self._workspace = workspace
        self._rules = rules or Rules()
        self._accepted = accepted
        self._batch = batch
        self._note = note
        self._changes = changes(self._rules)
        ends = (UNCLEAR, RED_RED, GREEN_RED, *(rule.name for rule in filters.filters(self._rules)))
        self._tally = Tally(
            (
                (UNIT, (*(rule.name for rule in MESSAGES), ELSEWHERE, *(rule.name for rule in self._changes))),
                (filters.UNIT, (*ends, *filters.AT_THE_END)),
                *features.plan(self._rules),
            )
        )
        self._pieces = features.Pieces(
            store, judge, suite, self._tally, rules=self._rules, accepted=accepted, note=note
        )
        self._seen: set[bytes] = set()
        self._made: set[str] = set()

    def examples(self, tell: Tell | None = None) -> Iterator[Example]:
        """See ``Source``; what is told are commits."""
        total, done = self._history.count(), 0
        commits = self._history.commits()
        while batch := list(islice(commits, self._batch)):
            # one half is judging, the other judging again
            halves = [_part(tell, total, done + half * len(batch) / 2, len(batch) / 2) for half in (0, 1)]
            with self._trees.reading():
                steps = [step for commit in batch if (step := self._step(commit)) is not None]
            found = list(self._examples(steps, self._verdicts(steps, halves[0])))
            yield from self._kept(found, halves[1])
            done += len(batch)
            halves[1](1, 1)

    def funnel(self) -> Funnel:
        """See ``Source``."""
        return self._tally.funnel()

    def _step(self, commit: Commit) -> _Step | None:
        """Return the commit as a step between trees, or count the rule that drops it."""
        self._tally.see(UNIT)
        against = next((rule.name for rule in MESSAGES if rule.drops(commit)), None)
        target = self._trees.of(commit.id)
        if against is not None:
            self._know(target)
            self._drop(UNIT, against, commit, None, target)
            return None
        base = self._trees.of(commit.parents[0])
        self._know(base)
        returns = self._know(target)
        if base is None or target is None:
            self._drop(UNIT, ELSEWHERE, commit, base, target)
            return None
        change = CommitChange(self._store, commit, base, target, returns=returns)
        against = next((rule.name for rule in self._changes if rule.drops(change)), None)
        if against is not None:
            self._drop(UNIT, against, commit, base, target)
            return None
        return _Step(commit, base, target, change.changed_lines > self._rules.max_changed_lines)

    def _know(self, tree: TreeId | None) -> bool:
        """Note a tree; return whether it was seen before."""
        if tree is None:
            return False
        name = bytes.fromhex(tree)
        known = name in self._seen
        self._seen.add(name)
        return known

    def _verdicts(self, steps: Iterable[_Step], tell: Tell) -> Mapping[TreeId, Verdict]:
        # the splitter asks for the ends of large ones itself: they too are judged together
        return self._judge.judge_many([tree for step in steps for tree in (step.base, step.target)], self._suite, tell)

    def _examples(
        self, steps: Iterable[_Step], verdicts: Mapping[TreeId, Verdict]
    ) -> Iterator[tuple[str, Commit, Example]]:
        """Yield the unit, the commit and the example of what passed every rule but the last two."""
        for step in steps:
            if step.large:
                named = features.Named(self._feature(step), self._workspace, self._episode(step))
                yield from ((features.PIECES, step.commit, one) for one in self._pieces.of(named)[1])
                continue
            self._tally.see(filters.UNIT)
            found = self._example(step, verdicts[step.base], verdicts[step.target])
            if isinstance(found, str):
                self._drop(filters.UNIT, found, step.commit, step.base, step.target)
            else:
                yield filters.UNIT, step.commit, found

    def _example(self, step: _Step, base: Verdict, target: Verdict) -> Example | str:
        if not (is_clear(base) and is_clear(target)):
            return UNCLEAR
        if not target.green:
            return GREEN_RED if base.green else RED_RED
        proposal = Proposal(
            base=base,
            targets=(target,),
            origin=Origin.COMMIT,
            workspace=self._workspace,
            author=step.commit.author,
            time=step.commit.time,
            suite=self._suite,
            accepted=self._accepted,
            rules=self._rules,
            episode=self._episode(step),
            title=step.commit.subject,
        )
        return example_of(self._store, proposal)

    def _kept(self, found: list[tuple[str, Commit, Example]], tell: Tell) -> Iterator[Example]:
        flaky = unsteady((one for _, _, one in found), self._judge, self._rules, tell)
        for unit, commit, one in found:
            if one.id in self._made:
                self._drop(unit, filters.DUPLICATE, commit, one.base, one.target)
            elif one.id in flaky:
                self._drop(unit, filters.FLAKY, commit, one.base, one.target)
            else:
                self._made.add(one.id)
                yield one

    def _drop(self, unit: str, rule: str, commit: Commit, base: TreeId | None, target: TreeId | None) -> None:
        self._tally.drop(unit, rule)
        self._note(LeftOut(rule=rule, unit=unit, workspace=self._workspace, what=commit.id, base=base, target=target))

    def _feature(self, step: _Step) -> Feature:
        return Feature(
            base=step.base,
            target=step.target,
            title=as_request(step.commit.subject),
            description=step.commit.message,
            author=step.commit.author,
            time=step.commit.time,
            source=f"{self._workspace} {step.commit.id}",
        )

    def _episode(self, step: _Step) -> str:
        """What the examples of one commit share: a dataset never parts them."""
        return f"{self._workspace}@{step.commit.id}"


def _part(tell: Tell | None, total: int, start: float, size: float) -> Tell:
    """Return how (trees done, trees in all) of a part of the commits are told as commits."""

    def told(done: int, of: int) -> None:
        if tell is not None:
            tell(int(start + size * done / max(of, 1)), total)

    return told
