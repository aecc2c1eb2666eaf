"""Which pairs of trees become examples: one rule a file, in the order in which they are asked.

Each rule has the name under which its drops are counted. To add one, add a file and name it here.
"""

from greenloop.mining.filters import (
    cheap,
    exact,
    generated,
    layout,
    own,
    size,
    step_errs,
    step_masks,
    step_names,
    step_places,
    step_size,
    step_takes,
    text,
    unfinished,
    unproven,
    vendored,
)
from greenloop.mining.filters.candidate import Candidate
from greenloop.mining.filters.own import OWN
from greenloop.mining.filters.rule import Filter
from greenloop.mining.filters.unproven import UNPROVEN
from greenloop.mining.rules import Rules

UNIT = "candidates"
DUPLICATE = "duplicate of an earlier example"
LEAKING = "no prompt without hindsight"
FLAKY = "flaky: judged again, it came out otherwise"
AT_THE_END = (LEAKING, DUPLICATE, FLAKY)
"""What is counted after the filters: these are none of a pair alone."""

__all__ = [
    "AT_THE_END",
    "DUPLICATE",
    "FLAKY",
    "LEAKING",
    "OWN",
    "UNIT",
    "UNPROVEN",
    "Candidate",
    "Filter",
    "filters",
    "keeping",
]


def filters(rules: Rules) -> tuple[Filter, ...]:
    """Return the filters in order."""
    return (unproven.RULE, *keeping(rules))


def keeping(rules: Rules) -> tuple[Filter, ...]:
    """Return, in order, those that look at the change alone, whatever its ends were proven to be."""
    return (
        own.RULE,
        layout.RULE,
        text.RULE,
        vendored.RULE,
        generated.RULE,
        size.too_large(rules),
        step_size.too_large(rules),
        step_places.RULE,
        step_names.RULE,
        step_takes.RULE,
        step_errs.RULE,
        step_masks.RULE,
        cheap.RULE,
        unfinished.RULE,
        exact.RULE,
    )
