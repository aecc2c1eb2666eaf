"""Commits after which every file that is read is as before: empty ones, those of submodules or large files alone."""

from greenloop.mining.commits.rules.rule import ChangeRule

RULE = ChangeRule("no file that is read changed", lambda change: change.base == change.target)
