"""Steps after which a top-level name is gone: the error may have gone with what it was in."""

from greenloop.builds.fixed import names_lost
from greenloop.mining.filters.candidate import STEPS, Candidate
from greenloop.mining.filters.rule import Filter


def _drops_a_name(pair: Candidate) -> bool:
    return pair.origin in STEPS and bool(names_lost(pair.store, pair.base.tree, pair.target.tree))


RULE = Filter("a step that drops a top-level name", _drops_a_name)
