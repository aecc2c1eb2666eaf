"""Steps of more lines than what is no whole fix may have."""

from greenloop.mining.filters.candidate import STEPS
from greenloop.mining.filters.rule import Filter
from greenloop.mining.rules import Rules


def too_large(rules: Rules) -> Filter:
    """Return the rule on the number of changed lines of a step."""
    most = rules.max_step_lines
    return Filter(
        f"a step of over {most} changed lines", lambda pair: pair.origin in STEPS and pair.changed_lines > most
    )
