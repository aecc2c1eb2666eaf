"""Commits that say they take another one back: why, only the other one's readers know."""

import re

from greenloop.mining.commits.rules.rule import MessageRule

_REVERT = re.compile(
    r"(?:\[[^\]]*\]\s*)?(?:revert(?:s|ed|ing)?\b|back(?:s|ed|ing)?\s*out\b|undo(?:es)?\s+commit\b)", re.IGNORECASE
)

RULE = MessageRule("a revert", lambda commit: _REVERT.match(commit.subject) is not None)
