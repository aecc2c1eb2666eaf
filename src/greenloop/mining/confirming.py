"""Judging both ends of examples again."""

from collections.abc import Iterable

from greenloop.builds.judge import Judge, Progress
from greenloop.mining.rules import Rules
from greenloop.records import Example


def unsteady(examples: Iterable[Example], judge: Judge, rules: Rules, tell: Progress | None = None) -> frozenset[str]:
    """Return the ids of those with an end that did not come out alike ``rules.confirmations`` times in its suite."""
    held = tuple(examples)
    flaky = {
        (tree, suite)
        for suite in dict.fromkeys(one.suite for one in held)
        for tree in judge.confirm(
            [tree for one in held if one.suite is suite for tree in (one.base, one.target)],
            suite, rules.confirmations, tell,
        )
    }  # fmt: skip
    return frozenset(one.id for one in held if {(one.base, one.suite), (one.target, one.suite)} & flaky)
