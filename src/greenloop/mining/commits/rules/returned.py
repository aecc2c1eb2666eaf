"""Commits that lead to a tree that the history has had already: a revert without its name, or a commit picked twice."""

from greenloop.mining.commits.rules.rule import ChangeRule

RULE = ChangeRule("a tree seen before", lambda change: change.returns)
