"""Which commits teach nothing: one rule a file, in the order in which they are asked.

A rule of ``MESSAGES`` looks at what the commit says of itself, before its files are read; a rule of ``CHANGES`` at both
trees, those that cost least first. To add one, add a file and name it here.
"""

from greenloop.mining.commits.rules import (
    binary,
    bots,
    generated,
    huge,
    layout,
    merges,
    prose,
    returned,
    reverts,
    roots,
    unchanged,
    vendored,
)
from greenloop.mining.commits.rules.rule import ChangeRule, MessageRule
from greenloop.mining.rules import Rules

MESSAGES: tuple[MessageRule, ...] = (merges.RULE, roots.RULE, bots.RULE, reverts.RULE)


def changes(rules: Rules) -> tuple[ChangeRule, ...]:
    """Return the rules that look at both trees, in order."""
    return (
        unchanged.RULE,
        returned.RULE,
        huge.too_many_files(rules),
        vendored.RULE,
        generated.RULE,
        binary.RULE,
        layout.RULE,
        prose.RULE,
        huge.too_many_lines(rules),
    )
