"""Changes of more lines than an example may have."""

from greenloop.mining.filters.rule import Filter
from greenloop.mining.rules import Rules


def too_large(rules: Rules) -> Filter:
    """Return the rule on the number of changed lines."""
    most = rules.max_changed_lines
    return Filter(f"over {most} changed lines", lambda pair: pair.changed_lines > most)
