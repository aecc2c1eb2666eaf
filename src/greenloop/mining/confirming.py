"""Judging both ends of examples again: a test that fails now and then, or a tight clock, makes false reds."""

from collections.abc import Iterable, Iterator, Sequence

from greenloop.builds.judge import Judge, Progress
from greenloop.mining.filters import DUPLICATE, FLAKY
from greenloop.mining.funnel import Tally
from greenloop.mining.rules import Rules
from greenloop.records import Example, Suite


def flaky(
    examples: Iterable[Example], judge: Judge, suite: Suite, rules: Rules, tell: Progress | None = None
) -> frozenset[str]:
    """Return the ids of those with an end that did not come out alike ``rules.confirmations`` times.

    Raises ``InfrastructureError`` when a verdict could not be reached.
    """
    held = tuple(examples)
    ends = [tree for one in held for tree in (one.base, one.target)]
    differing = judge.confirm(ends, suite, rules.confirmations, tell)
    return frozenset(one.id for one in held if {one.base, one.target} & differing)


class Confirming:
    """Lets the examples of a source through, each once; ``tally`` counts the flaky ones and the duplicates."""

    def __init__(self, judge: Judge, suite: Suite, rules: Rules, tally: Tally) -> None:
        self._judge = judge
        self._suite = suite
        self._rules = rules
        self._tally = tally
        self._made: set[str] = set()

    def kept(self, found: Sequence[tuple[str, Example]], tell: Progress | None = None) -> Iterator[Example]:
        """Yield the examples of ``found``, (unit of the tally, example) pairs, that are neither."""
        differing = flaky((one for _, one in found), self._judge, self._suite, self._rules, tell)
        for unit, one in found:
            if one.id in self._made:
                self._tally.drop(unit, DUPLICATE)
            elif one.id in differing:
                self._tally.drop(unit, FLAKY)
            else:
                self._made.add(one.id)
                yield one
