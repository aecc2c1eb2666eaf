"""A folder that is read again and again, for as long as somebody works in it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import TreeId
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs.checkout import CheckoutReader
from greenloop.workspace.vcs.listing import Skipped
from greenloop.workspace.vcs.scan import Screen


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder held at one moment."""

    tree: TreeId
    changed: tuple[str, ...]
    """Paths that differ from the reading before, sorted; at the first one, from the empty tree."""
    skipped: tuple[Skipped, ...]
    """All that is on disk and left out now, not only what is new."""
    full: bool
    """Whether the whole folder was looked at."""
    why_full: str
    """Why ``touch`` was not enough; empty where it was, and for ``reconcile``."""
    heads: str
    """What ``WorkingCopy.heads`` said before the files were read."""


class WorkingCopy:
    """The files below ``root`` as trees in ``store``.

    ``cache`` is a folder of Greenloop's own outside ``root``, kept over restarts. ``ignore`` holds more rules in the
    syntax of ``.gitignore``, relative to ``root``: what they name stays out even where it is tracked.

    Raises ``InputError`` when ``root`` is no folder.
    """

    def __init__(
        self,
        root: Path,
        store: TreeStore,
        cache: Path,  # noqa: ARG002
        *,
        max_file_bytes: int = 1_000_000,
        screen: Screen | None = None,
        ignore: Sequence[str] = (),  # noqa: ARG002
    ) -> None:
        self._store = store
        self._reader = CheckoutReader(root, store, max_file_bytes=max_file_bytes, screen=screen)
        self.root = self._reader.root
        self.tree: TreeId = store.empty

    def reconcile(self) -> Reading:
        """Look at every file by its time stamps, and read those that may have changed."""
        heads = self.heads()
        found = self._reader.read()
        changed = tuple(change.path for change in self._store.changes(self.tree, found.tree))
        self.tree = found.tree
        return Reading(found.tree, changed, found.skipped, True, "", heads)

    def touch(self, paths: Iterable[bytes]) -> Reading:  # noqa: ARG002
        """Look at ``paths`` alone, files or folders relative to ``root``: nothing else may have changed."""
        return self.reconcile()

    def heads(self) -> str:
        """Return a token that differs once a repository's head, or what is under way in it, has moved."""
        return self._reader.head()

    def moved(self, before: str) -> str:
        """Return the event between ``before``, which ``heads`` gave, and now: ``commit``, ``checkout``…; or ``""``."""
        return self._reader.move(before)
