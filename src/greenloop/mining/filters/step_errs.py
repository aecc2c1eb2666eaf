"""Steps with an error of their own: what they left, or made, stands in lines that they wrote."""

from greenloop.builds.fixed import first_error
from greenloop.mining.filters.candidate import Candidate, hunks_of
from greenloop.mining.filters.rule import Filter
from greenloop.records import Origin


def _errs_itself(pair: Candidate) -> bool:
    error = first_error(pair.target)
    file = next((file for file in pair.files if file.path == error.path), None)
    if file is None or error.span is None:
        return False
    return any(hunk.new_start < error.span.line <= hunk.new_end for hunk in hunks_of(file))


RULE = Filter("a step whose own lines are wrong", lambda pair: pair.origin is Origin.SUBFIX and _errs_itself(pair))
