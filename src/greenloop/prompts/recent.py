"""What a person did a moment ago, told from the trees that a recorder or an editor saw."""

from collections.abc import Sequence

from greenloop.prompts.question import RecentEdit
from greenloop.records import EditError, TreeId
from greenloop.workspace.edits import render_unified
from greenloop.workspace.store import TreeStore

MAX_EDITS = 12


def recent_edits(store: TreeStore, trees: Sequence[TreeId]) -> tuple[RecentEdit, ...]:
    """Return what changed from each of ``trees`` (oldest first) to the next, file by file, newest first.

    Files that are no text are passed by; at most ``MAX_EDITS`` come. Raises ``InputError`` when a tree is not stored.
    """
    found: list[RecentEdit] = []
    for old, new in zip(reversed(trees[:-1]), reversed(trees[1:]), strict=True):
        for change in store.changes(old, new):
            if len(found) == MAX_EDITS:
                return tuple(found)
            # one file alone, so that one that is no text spoils no other
            before = store.write_tree({change.path: change.old} if change.old is not None else {})
            after = store.write_tree({change.path: change.new} if change.new is not None else {})
            try:
                diff = render_unified(store, before, after)
            except EditError:
                continue
            found.append(RecentEdit(change.path, diff))
    return tuple(found)
