"""Steps that changed several places: one of them the error asked for, and nobody knows which."""

from greenloop.mining.filters.candidate import STEPS, Candidate
from greenloop.mining.filters.rule import Filter

_APART = 5
"""Unchanged lines between two hunks that make two places of them."""


def _places(pair: Candidate) -> int:
    """In how many places lines changed: hunks that a few unchanged lines part are one."""
    places = 0
    for file in pair.files:
        last = -_APART - 1
        for hunk in file.hunks:
            places += hunk.start - last > _APART
            last = hunk.end
    return places


RULE = Filter("a step in several places", lambda pair: pair.origin in STEPS and _places(pair) > 1)
