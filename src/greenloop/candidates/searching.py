"""Examining a long row of proposals as far as it pays: batch by batch, until enough is found or the bound is met."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice

from greenloop.builds.judge import Judge
from greenloop.candidates.attempt import Attempt
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.source import Proposal, Source
from greenloop.records import InputError, Verdict
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True, slots=True)
class Search:
    """A source whose proposals are too many to judge them all, likeliest first.

    ``max_checks``: how many proposals are taken at most. ``enough``: no batch is begun once so many honest fixes
    (fixed, without a flag) are found. ``batch``: proposals of one batch; the first takes only ``first``, among which
    most fixes are.
    """

    source: Source
    max_checks: int = 60
    enough: int = 1
    first: int = 12
    batch: int = 24

    def __post_init__(self) -> None:
        if min(self.max_checks, self.enough, self.first, self.batch) < 1:
            raise InputError(
                f"a search of {self.max_checks} checks in batches of {self.first} and {self.batch} "
                f"until {self.enough} fixes are found",
                "each of the four is at least 1",
            )


def searched(
    store: TreeStore,
    judge: Judge,
    before: Verdict,
    proposals: Iterable[Proposal],
    rules: Rules,
    search: Search,
    *,
    start: int = 0,
) -> tuple[Attempt, ...]:
    """Return one attempt for each proposal that was taken, in order; ``proposals`` are taken as far as they are needed.

    Which ones those are depends on the verdicts alone, never on the clock.
    """
    waiting = iter(proposals)
    attempts: list[Attempt] = []
    left = search.max_checks
    while left > 0 and sum(one.fixed and not one.flags for one in attempts) < search.enough:
        size = min(left, search.batch if attempts else search.first)
        taken = tuple(islice(waiting, size))
        if not taken:
            break
        bounded = replace(rules, max_judged=size)
        attempts += examine(store, judge, before, taken, bounded, start=start + len(attempts))
        left -= size
    return tuple(attempts)
