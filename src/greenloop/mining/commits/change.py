"""A commit as a step between two trees, with what rules ask of it, each found once."""

from functools import cached_property

from greenloop.mining.changed import ChangedFile, changed_files
from greenloop.records import TreeId
from greenloop.workspace.edits import changed_lines
from greenloop.workspace.store import Change, TreeStore
from greenloop.workspace.vcs import Commit


class CommitChange:
    """From the tree of a commit's only parent to its own. ``returns``: an earlier commit had that tree already."""

    def __init__(self, store: TreeStore, commit: Commit, base: TreeId, target: TreeId, *, returns: bool) -> None:
        self.store = store
        self.commit = commit
        self.base = base
        self.target = target
        self.returns = returns

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """The paths that differ; no file is read for them."""
        return self.store.changes(self.base, self.target)

    @cached_property
    def files(self) -> tuple[ChangedFile, ...]:
        """The files that differ, both sides of them."""
        return changed_files(self.changes, self.store.read_blob)

    @cached_property
    def changed_lines(self) -> int:
        """The size of the change, as everywhere in Greenloop.

        Raises ``EditError`` where it is no text: the rule ``binary`` is asked before.
        """
        return changed_lines(self.store, self.base, self.target)
