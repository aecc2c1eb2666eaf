"""Commits beyond a size at which anybody decided line by line: an import, a move of everything, a new formatter."""

from greenloop.mining.commits.change import CommitChange
from greenloop.mining.commits.rules.rule import ChangeRule
from greenloop.mining.rules import Rules

MOST_LINES = 5_000
"""Splitting costs builds by the number of pieces, fifty of a hundred lines here; nobody writes more at once."""
_TICKS = 10
"""How many times the files of one tick (``mining.max_files_per_tick``) a commit may change."""


def too_many_files(rules: Rules) -> ChangeRule:
    """Return the rule on the number of files."""
    most = rules.max_files_per_tick * _TICKS
    return ChangeRule(f"over {most} files", lambda change: len(change.changes) > most)


def _too_many_lines(change: CommitChange) -> bool:
    # the difference of the lengths is less than what changes, and takes no differ
    least = sum(abs((file.old or b"").count(b"\n") - (file.new or b"").count(b"\n")) for file in change.files)
    return least > MOST_LINES or change.changed_lines > MOST_LINES


TOO_MANY_LINES = ChangeRule(f"over {MOST_LINES} changed lines", _too_many_lines)
