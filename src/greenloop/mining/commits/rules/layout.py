"""Commits that change layout, comments or modes alone: every tree of them is as green as the one before."""

from greenloop.mining.commits.rules.rule import ChangeRule

RULE = ChangeRule("layout or comments only", lambda change: all(file.format_only for file in change.files))
