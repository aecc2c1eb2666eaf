"""Examples in their smaller form: the searches of many fixes wait for one batch of builds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial

from greenloop.builds import lint
from greenloop.builds.fixed import error_left, names_lost
from greenloop.builds.judge import Judge
from greenloop.mining.episodes import is_red
from greenloop.mining.example import Proposal, example_of
from greenloop.mining.minimise.search import Smaller, smaller
from greenloop.mining.own import Accepted
from greenloop.mining.rules import Rules
from greenloop.records import Example, Origin, Suite, TreeId, Verdict
from greenloop.workspace.crew import Crew
from greenloop.workspace.store import TreeStore

ORIGINS = frozenset({Origin.EPISODE, Origin.EARLIER, Origin.SUBFIX})
"""What a person did on the way, and may have done more of than the error asked for."""
_TOGETHER = 512
"""Examples whose searches are in memory at a time: several times what one sandbox judges."""
_CHEAPER = "cheaper than the whole fix"
Told = Callable[[int], None]
"""Called after each batch with how many trees it judged."""


@dataclass(frozen=True, slots=True)
class Minimised:
    """What minimising came to.

    ``examples`` got smaller, from ``hunks_before`` and ``lines_before`` in all to ``hunks_after`` and ``lines_after``;
    hunks are fragments at zero context, lines are changed lines.
    """

    searched: int = 0
    """Examples whose change has several fragments."""
    examples: int = 0
    hunks_before: int = 0
    hunks_after: int = 0
    lines_before: int = 0
    lines_after: int = 0
    builds: int = 0
    cut_short: int = 0
    """Searches that reached ``mining.minimise_builds``: what they found mends, but less might."""
    refused: int = 0
    """Smaller fixes that were not taken: a stub or a deletion where the whole fix is none, or kept out by a filter."""

    def __add__(self, other: "Minimised") -> "Minimised":
        """Return both counts as one."""
        return Minimised(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))


@dataclass(frozen=True, slots=True)
class Minimiser:
    """Makes examples smaller, with the stores and rules by which they were mined.

    ``accepted`` is what people took over from Greenloop's suggestions.
    """

    judge: Judge
    store: TreeStore
    suite: Suite
    rules: Rules
    accepted: Accepted
    crew: Crew

    def run(self, examples: Sequence[Example], told: Told) -> tuple[tuple[Example, ...], Minimised]:
        """Return each example in its smaller form, or as it was, in order; two may have become equal.

        Raises ``InfrastructureError`` when a build could not be made.
        """
        found = list(examples)
        counts = Minimised()
        places = [place for place, one in enumerate(examples) if one.origin in ORIGINS]
        for start in range(0, len(places), _TOGETHER):
            some = places[start : start + _TOGETHER]
            remade, more = self._batch([examples[place] for place in some], told)
            counts += more
            for place, example in zip(some, remade, strict=True):
                found[place] = example
        return tuple(found), counts

    def _batch(self, examples: Sequence[Example], told: Told) -> tuple[Iterator[Example], Minimised]:
        bases = self.judge.judge_many((one.base for one in examples), self.suite)
        searched = self._search(examples, bases, told)
        less = [place for place, one in enumerate(searched) if one.kept < one.hunks]
        targets = self.judge.judge_many((searched[place].tree for place in less), self.suite)
        wanted = [
            _Wanted(examples[place].target, self._proposal(examples[place], bases, targets[searched[place].tree]))
            for place in less
        ]
        remade = dict(zip(less, self.crew.map(_remade, wanted), strict=True))
        taken = {place: one for place, one in remade.items() if isinstance(one, Example)}
        counts = Minimised(
            searched=sum(one.hunks > 1 for one in searched),
            examples=len(taken),
            hunks_before=sum(searched[place].hunks for place in taken),
            hunks_after=sum(searched[place].kept for place in taken),
            lines_before=sum(examples[place].changed_lines for place in taken),
            lines_after=sum(one.changed_lines for one in taken.values()),
            builds=sum(one.builds for one in searched),
            cut_short=sum(one.cut_short for one in searched),
            refused=len(remade) - len(taken),
        )
        return (taken.get(place, one) for place, one in enumerate(examples)), counts

    def _search(self, examples: Sequence[Example], bases: Mapping[TreeId, Verdict], told: Told) -> tuple[Smaller, ...]:
        limit = self.rules.minimise_builds
        searches = [smaller(self.store, one.base, one.target, limit) for one in examples]
        found: dict[int, Smaller] = {}
        steps: dict[int, Callable[[], TreeId]] = {place: partial(next, one) for place, one in enumerate(searches)}
        while steps:
            asked: dict[int, TreeId] = {}
            # one write for all trees of a round, most of which nobody will ask for again
            with self.store.staged():
                for place, step in steps.items():
                    try:
                        asked[place] = step()
                    except StopIteration as end:
                        found[place] = end.value
            verdicts = self.judge.judge_many(asked.values(), self.suite)
            told(len(verdicts))
            steps = {
                place: partial(searches[place].send, self._mends(examples[place], bases, verdicts[tree]))
                for place, tree in asked.items()
            }
        return tuple(found[place] for place in range(len(examples)))

    def _mends(self, example: Example, bases: Mapping[TreeId, Verdict], verdict: Verdict) -> bool:
        """Whether a tree mends what the whole fix mends: a step leaves the file red, by what that origin says."""
        if example.origin is not Origin.SUBFIX:
            return verdict.green
        return is_red(verdict) and not error_left(self.store, bases[example.base], verdict)

    def _proposal(self, example: Example, bases: Mapping[TreeId, Verdict], target: Verdict) -> Proposal:
        return Proposal(
            base=bases[example.base],
            targets=(target,),
            origin=example.origin,
            workspace=example.workspace,
            author=example.author,
            time=example.time,
            suite=self.suite,
            accepted=self.accepted,
            rules=self.rules,
            episode=example.episode,
        )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A smaller fix that may take the place of the one that leads to ``whole``."""

    whole: TreeId
    proposal: Proposal


def _remade(store: TreeStore, wanted: _Wanted) -> Example | str:
    """Return the example of the smaller fix, or the name of what speaks against it."""
    base, target = wanted.proposal.base.tree, wanted.proposal.targets[0].tree
    for doubts in (lint.flags, names_lost):
        if set(doubts(store, base, target)) - set(doubts(store, base, wanted.whole)):
            return _CHEAPER
    return example_of(store, wanted.proposal)
