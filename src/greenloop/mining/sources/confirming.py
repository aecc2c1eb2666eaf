"""Judging both ends of examples again."""

from collections.abc import Iterable

from greenloop.builds.judge import Judge, Progress
from greenloop.mining.rules import Rules
from greenloop.records import Example, Suite


def unsteady(
    examples: Iterable[Example], judge: Judge, suite: Suite, rules: Rules, tell: Progress | None = None
) -> frozenset[str]:
    """Return the ids of those with an end that did not come out alike ``rules.confirmations`` times."""
    held = tuple(examples)
    ends = [tree for one in held for tree in (one.base, one.target)]
    flaky = judge.confirm(ends, suite, rules.confirmations, tell)
    return frozenset(one.id for one in held if {one.base, one.target} & flaky)
