"""Steps with an error of their own: what they left, or made, stands in lines that they wrote."""

from greenloop.builds.fixed import first_error
from greenloop.mining.filters.candidate import Candidate
from greenloop.mining.filters.rule import Filter
from greenloop.records import Origin

_RED = frozenset({Origin.SUBFIX, Origin.SHRINKING})


def _errs_itself(pair: Candidate) -> bool:
    # where the first error is another's from the start, every one that is left counts
    left = pair.target.errors if pair.origin is Origin.SHRINKING else (first_error(pair.target),)
    files = {file.path: file for file in pair.files}
    return any(
        hunk.new_start < error.span.line <= hunk.new_end
        for error in left
        if error.span is not None and error.path in files
        for hunk in files[error.path].hunks
    )


RULE = Filter("a step whose own lines are wrong", lambda pair: pair.origin in _RED and _errs_itself(pair))
