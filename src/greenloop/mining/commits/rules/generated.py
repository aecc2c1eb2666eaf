"""Commits that touch what a tool wrote: by path, by a mark at its head, by its tables, or by the source beside it."""

from greenloop.mining.commits.change import CommitChange
from greenloop.mining.commits.rules.rule import ChangeRule
from greenloop.mining.foreign import has_source


def _generated(change: CommitChange) -> bool:
    return any(file.generated or has_source(change.store, change.target, file.path) for file in change.files)


RULE = ChangeRule("a generated file", _generated)
