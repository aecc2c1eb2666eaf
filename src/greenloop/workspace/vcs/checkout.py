"""A checkout as one tree, whatever version control holds it."""

import tempfile
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import Conflict, TreeId
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs.heads import commit_of
from greenloop.workspace.vcs.listing import Skipped
from greenloop.workspace.vcs.one_file import Screen
from greenloop.workspace.vcs.place import Vcs
from greenloop.workspace.vcs.working_copy import WorkingCopy


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a folder holds. Paths in ``tree`` are relative to ``root``, the folder that was read."""

    tree: TreeId
    vcs: Vcs
    root: Path
    head: str
    """Id of the commit that is checked out; empty where there is none."""
    skipped: tuple[Skipped, ...]


def read_checkout(
    root: Path,
    store: TreeStore,
    *,
    max_file_bytes: int = 1_000_000,
    screen: Screen | None = None,
    cache: Path | None = None,
) -> Checkout:
    """Read the files below ``root`` into ``store`` once: tracked ones as they are now, and new ones not ignored.

    ``root`` may lie below the repository's root; paths are then relative to ``root``. Nested repositories are a part,
    each by its own rules. Left out and reported: files of more than ``max_file_bytes``, those that ``screen`` gives a
    reason against, the unreadable. With ``cache``, a folder of Greenloop's own, the next time costs what changed.

    Raises ``InputError`` when the folder or its repository cannot be read, ``EnvironmentFault`` when the program that
    reads it is missing.
    """
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="greenloop-")))
        try:
            copy = WorkingCopy(root, store, cache or scratch, max_file_bytes=max_file_bytes, screen=screen)
        except Conflict:
            # who reads the same folder just now does not wait for us, nor we for them
            copy = WorkingCopy(root, store, scratch, max_file_bytes=max_file_bytes, screen=screen)
        stack.enter_context(closing(copy))
        reading = copy.reconcile()
        return Checkout(reading.tree, copy.place.vcs, copy.root, commit_of(reading.heads), reading.skipped)
