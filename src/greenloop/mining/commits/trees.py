"""The trees of commits, read into the tree store as they are asked for."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.records import NoFolder, TreeId
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import read_commit

_KEPT = 4096
"""Commits whose trees are remembered: a parent is read again only where a branch left so long ago."""
_STAGED_BYTES = 32 << 20
"""Bytes that wait in the store before they are packed."""


class CommitTrees:
    """Reads the folder ``root`` of commits of the repository that it lies in, files of ``max_file_bytes`` at most."""

    def __init__(self, root: Path, store: TreeStore, *, max_file_bytes: int) -> None:
        self._root = root
        self._store = store
        self._max_file_bytes = max_file_bytes
        self._known: OrderedDict[str, TreeId | None] = OrderedDict()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Make what is read in the block durable at its end: the disk is slower than a commit is read."""
        with self._store.staged():
            yield
        if self._store.staged_bytes > _STAGED_BYTES:
            self._store.flush()

    def of(self, commit: str) -> TreeId | None:
        """Return the tree of a commit; ``None`` where it has no such folder.

        Raises ``InputError`` when objects of it are missing, as in a partial clone.
        """
        if commit in self._known:
            self._known.move_to_end(commit)
            return self._known[commit]
        found = self._read(commit)
        self._known[commit] = found
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return found

    def _read(self, commit: str) -> TreeId | None:
        try:
            return read_commit(self._root, commit, self._store, max_file_bytes=self._max_file_bytes).tree
        except NoFolder:
            return None
