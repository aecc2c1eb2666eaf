"""A checkout as one tree, whatever version control holds it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from greenloop.records import InputError, TreeId
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import git, mercurial, plain
from greenloop.workspace.vcs.listing import Listing, Skipped
from greenloop.workspace.vcs.one_file import Screen
from greenloop.workspace.vcs.scan import FileReader

Vcs = Literal["git", "hg", "plain"]


_ATTEMPTS = 3
"""How often a folder is read again because the head moved meanwhile, before what was read is taken as it is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which version control a folder is under, and the root of that repository (the folder itself when plain)."""

    vcs: Vcs
    root: Path


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a folder holds. Paths in ``tree`` are relative to ``root``, the folder that was read."""

    tree: TreeId
    vcs: Vcs
    root: Path
    head: str
    """Id of the commit that is checked out; empty where there is none."""
    skipped: tuple[Skipped, ...]


def detect(root: Path) -> Place:
    """Find the repository that ``root`` lies in: the nearest ``.git`` or ``.hg`` upwards.

    A folder that its repository ignores is plain: it is no part of that repository.

    Raises ``InputError`` when ``root`` is no folder.
    """
    folder = root.absolute()
    if not folder.is_dir():
        raise InputError(f"{root}: no such folder", "name the folder of a project")
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        if (place / ".git" / "HEAD").is_file() or (place / ".git").is_file():
            return Place("plain", folder) if place != folder and git.ignores(place, folder) else Place("git", place)
        if (place / ".hg").is_dir():
            return (
                Place("plain", folder) if place != folder and mercurial.ignores(place, folder) else Place("hg", place)
            )
    return Place("plain", folder)


class CheckoutReader:
    """Reads one folder again and again; an unchanged file costs one ``lstat`` after the first time."""

    def __init__(
        self, root: Path, store: TreeStore, *, max_file_bytes: int = 1_000_000, screen: Screen | None = None
    ) -> None:
        self.place = detect(root)
        self.root = root.resolve()
        self._files = FileReader(self.root, store, max_file_bytes=max_file_bytes, screen=screen)

    def head(self) -> str:
        """Return the id of the commit that is checked out, or ``""``."""
        match self.place.vcs:
            case "git":
                return git.head(self.root)
            case "hg":
                return mercurial.head(self.place.root)
            case "plain":
                return ""

    def move(self, old: str) -> str:
        """Return what took the head from ``old`` to where it is (``checkout``, ``merge``…), ``""`` if only commits.

        Mercurial keeps no such log, so every move there is ``head-moved``.
        """
        if self.head() == old:
            return ""
        return git.move(self.root, old) if self.place.vcs == "git" else "head-moved"

    def _list(self) -> Listing:
        match self.place.vcs:
            case "git":
                return git.list_files(self.root)
            case "hg":
                return mercurial.list_files(self.place.root, self.root)
            case "plain":
                return plain.list_files(self.root)

    def read(self) -> Checkout:
        """Read the folder as it is now.

        Raises ``InputError`` when the folder or its repository cannot be read, ``EnvironmentFault`` when the
        program that reads it is missing.
        """
        if not self.root.is_dir():
            # an empty tree would say that someone deleted every file
            raise InputError(f"{self.root}: the folder is gone", "was it moved, or its disk unmounted?")
        for _ in range(_ATTEMPTS):
            head = self.head()
            listing = self._list()
            tree, skipped = self._files.read(listing.paths)
            if self.head() == head:
                break
        return Checkout(tree, self.place.vcs, self.root, head, (*listing.skipped, *skipped))


def read_checkout(
    root: Path, store: TreeStore, *, max_file_bytes: int = 1_000_000, screen: Screen | None = None
) -> Checkout:
    """Read the files below ``root`` into ``store``: tracked ones as they are now, and new ones not ignored.

    ``root`` may lie below the repository's root; paths are then relative to ``root``. Left out and reported: files
    of more than ``max_file_bytes``, those that ``screen`` gives a reason against, the unreadable, nested
    repositories.
    """
    return CheckoutReader(root, store, max_file_bytes=max_file_bytes, screen=screen).read()
