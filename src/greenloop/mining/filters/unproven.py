"""Pairs whose verdicts do not show what their origin says of them."""

from greenloop.builds.fixed import error_left
from greenloop.mining.episodes import is_red
from greenloop.mining.filters.candidate import CHANGES, Candidate
from greenloop.mining.filters.rule import Filter
from greenloop.records import Origin

UNPROVEN = "not proven by verdicts"


def _unproven(pair: Candidate) -> bool:
    same = (pair.base.toolchain, pair.base.suite) == (pair.target.toolchain, pair.target.suite)
    if not same or not (is_red(pair.base) or (pair.base.green and pair.origin in CHANGES)):
        return True
    if pair.origin is Origin.SHRINKING:
        return not (is_red(pair.target) and pair.shown)
    if pair.origin is Origin.SUBFIX:
        return bool(error_left(pair.store, pair.base, pair.target))
    return not pair.target.green


RULE = Filter(UNPROVEN, _unproven)
