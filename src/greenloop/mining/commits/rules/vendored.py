"""Commits that touch other people's code, kept in folders whose names say so."""

from greenloop.mining.commits.rules.rule import ChangeRule
from greenloop.mining.foreign import is_vendored

RULE = ChangeRule("a vendored folder", lambda change: any(is_vendored(one.path) for one in change.changes))
