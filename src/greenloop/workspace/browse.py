"""Reading trees: what is in them, and in what two of them differ.

Whatever a pack from elsewhere can hold is refused here: libgit2 checks the names that it writes, not those it reads.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from greenloop.records import InputError, TreeId
from greenloop.workspace.folders import FORGED, Entry, Folder, Folders, Mode, is_file, is_folder, oid_of, parse

_NOTHING: Folder = {}
_DOTS = re.compile(rb"\0\.(?:\.|git)?\0", re.IGNORECASE)
"""``.``, ``..`` or ``.git`` among names between zeros, which no name holds."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two trees; ``None`` where it does not exist."""

    path: str
    old: Entry | None
    new: Entry | None


class Browser:
    """Reads the trees whose bytes ``raw`` returns; those read lately are ``kept``."""

    def __init__(self, raw: Callable[[TreeId], bytes], kept: Folders) -> None:
        self._raw = raw
        self._kept = kept

    def folder(self, tree: TreeId) -> Folder:
        """Return what is in a folder, if its names are single ones that lead nowhere else. Raises ``InputError``."""
        items = self._kept.get(tree)
        if items is None:
            items = parse(tree, self._raw(tree))
            # one look at all names costs less than one at each
            names = b"\0" + b"\0".join(items) + b"\0"
            if b"/" in names or _DOTS.search(names) is not None:
                bad = next(name for name in items if b"/" in name or _DOTS.search(b"\0" + name + b"\0") is not None)
                raise InputError(f"tree {tree}: {os.fsdecode(bad)!r} is no name of a file", FORGED)
            self._kept.keep(tree, items)
        return items

    def walk(self, tree: TreeId, prefix: str = "") -> Iterator[tuple[str, Entry]]:
        """Yield every file of a tree."""
        for name, piece in self.folder(tree).items():
            if is_folder(piece):
                yield from self.walk(oid_of(piece), f"{prefix}{os.fsdecode(name)}/")
            elif is_file(piece):
                yield f"{prefix}{os.fsdecode(name)}", entry_of(piece)

    def piece(self, tree: TreeId, path: str) -> bytes | None:
        """Return what is at ``path``, file or folder."""
        *folders, name = path.split("/")
        for folder in folders:
            piece = self.folder(tree).get(os.fsencode(folder))
            if piece is None or not is_folder(piece):
                return None
            tree = oid_of(piece)
        return self.folder(tree).get(os.fsencode(name))

    def compare(self, old: TreeId | None, new: TreeId | None, prefix: str = "") -> Iterator[Change]:
        """Yield what differs, in any order. Equal folders are skipped unread."""
        if old == new:
            return
        olds: Mapping[bytes, bytes] = _NOTHING if old is None else self.folder(old)
        news: Mapping[bytes, bytes] = _NOTHING if new is None else self.folder(new)
        for name in olds.keys() | news.keys():
            before, after = olds.get(name), news.get(name)
            if before == after:
                continue
            path = f"{prefix}{os.fsdecode(name)}"
            if is_folder(before) or is_folder(after):
                yield from self.compare(_folder_in(before), _folder_in(after), f"{path}/")
            was, now = _entry_in(before), _entry_in(after)
            if was != now:
                yield Change(path, was, now)

    def reach(self, tree: TreeId, into: set[str]) -> None:
        """Add the ids of a tree and of all in it to ``into``; what is there already is passed by."""
        if tree in into:
            return
        into.add(tree)
        for piece in self.folder(tree).values():
            if is_folder(piece):
                self.reach(oid_of(piece), into)
            elif is_file(piece):
                into.add(oid_of(piece))


def entry_of(piece: bytes) -> Entry:
    """Return the file that a piece stands for. Old git wrote modes such as 100664, which mean the same."""
    mode = int(piece[: piece.index(b" ")], 8)
    if mode >> 12 == 0o12:
        return Entry(Mode.LINK, oid_of(piece))
    return Entry(Mode.EXECUTABLE if mode & 0o100 else Mode.FILE, oid_of(piece))


def _entry_in(piece: bytes | None) -> Entry | None:
    return entry_of(piece) if piece is not None and is_file(piece) else None


def _folder_in(piece: bytes | None) -> TreeId | None:
    return oid_of(piece) if piece is not None and is_folder(piece) else None
