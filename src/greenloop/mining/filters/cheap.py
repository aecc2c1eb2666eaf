"""Fixes that satisfy the compiler and nobody else: stubs, deletions, silenced warnings."""

from greenloop.builds import lint
from greenloop.mining.filters.candidate import FIXES, Candidate
from greenloop.mining.filters.rule import Filter


def _is_cheap(pair: Candidate) -> bool:
    return pair.origin in FIXES and bool(lint.flags(pair.store, pair.base.tree, pair.target.tree))


RULE = Filter("a fix by a stub or by deleting", _is_cheap)
