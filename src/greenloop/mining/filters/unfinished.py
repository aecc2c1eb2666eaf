"""Fixes that write what had not been written yet: nobody could have asked for it."""

from greenloop.mining.filters.candidate import FIXES, Candidate
from greenloop.mining.filters.rule import Filter
from greenloop.mining.holes import filled, holes


def _fills_a_hole(pair: Candidate) -> bool:
    sides = ((file.old, file.new or b"", file.language) for file in pair.files if file.old is not None)
    return any(holes(old, of) > holes(new, of) or filled(old, new, of) for old, new, of in sides)


RULE = Filter("a fix that finishes unfinished code", lambda pair: pair.origin in FIXES and _fills_a_hole(pair))
