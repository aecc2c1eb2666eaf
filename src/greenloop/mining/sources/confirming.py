"""Judging both ends of examples again."""

from collections.abc import Iterable

from greenloop.builds.judge import Judge
from greenloop.mining.rules import Rules
from greenloop.records import Example, Suite


def unsteady(examples: Iterable[Example], judge: Judge, suite: Suite, rules: Rules) -> frozenset[str]:
    """Return the ids of those with an end that did not come out alike ``rules.confirmations`` times."""
    held = tuple(examples)
    flaky = judge.confirm([tree for one in held for tree in (one.base, one.target)], suite, rules.confirmations)
    return frozenset(one.id for one in held if {one.base, one.target} & flaky)
