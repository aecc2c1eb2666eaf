"""Merges: two lines of work come together, and no single edit was asked for."""

from greenloop.mining.commits.rules.rule import MessageRule

RULE = MessageRule("a merge", lambda commit: len(commit.parents) > 1)
