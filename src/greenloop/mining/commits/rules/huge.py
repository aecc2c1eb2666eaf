"""Commits beyond a size at which anybody decided line by line: an import, a move of everything, a new formatter."""

from greenloop.mining.commits.change import CommitChange
from greenloop.mining.commits.rules.rule import ChangeRule
from greenloop.mining.rules import Rules


def too_many_files(rules: Rules) -> ChangeRule:
    """Return the rule on the number of files."""
    most = rules.max_commit_files
    return ChangeRule(f"over {most} files", lambda change: len(change.changes) > most)


def too_many_lines(rules: Rules) -> ChangeRule:
    """Return the rule on the number of changed lines."""
    most = rules.max_commit_lines

    def drops(change: CommitChange) -> bool:
        # the difference of the lengths is less than what changes, and takes no differ
        least = sum(abs((file.old or b"").count(b"\n") - (file.new or b"").count(b"\n")) for file in change.files)
        return least > most or change.changed_lines > most

    return ChangeRule(f"over {most} changed lines", drops)
