"""Commits that touch what is no text: no edit can say what they do."""

from greenloop.mining.commits.rules.rule import ChangeRule

RULE = ChangeRule("not UTF-8 text, or a link", lambda change: not all(file.text for file in change.files))
