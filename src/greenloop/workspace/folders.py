"""Git's trees as bytes: taken apart and put together here, since asking libgit2 for each entry costs ten times more.

A folder is a mapping of a name (bytes) to its piece of the tree, ``mode name NUL id``: what does not change is copied,
never decoded. The format is git's (Documentation/gitformat-*, ``git cat-file tree``).
"""

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import PurePosixPath
from typing import Protocol

from pygit2.enums import FileMode

from greenloop.records import BlobId, EnvironmentFault, InputError, TreeId
from greenloop.workspace.staging import object_id

Folder = Mapping[bytes, bytes]
"""Name → piece, in the order of git."""

FORGED = "no Greenloop wrote this tree: do not trust the dataset that it came with"

_PIECE = re.compile(rb"([0-7]+ ([^\0]+)\0.{20})", re.DOTALL)
_HARMLESS = re.compile(rb"(?!.*git)[A-Za-z0-9_-][A-Za-z0-9_.+ -]*", re.IGNORECASE)
"""Names that no file system takes for ``.git`` or a way out; libgit2 is asked about others."""
_TREE = b"40000 "
_TREE_KIND = 2
_CACHED_ENTRIES = 60_000


class Mode(IntEnum):
    """The kinds of file a tree can hold. Submodules (160000) are never stored."""

    FILE = FileMode.BLOB
    EXECUTABLE = FileMode.BLOB_EXECUTABLE
    LINK = FileMode.LINK


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a tree: its mode and the blob that holds its bytes (for a link, its target)."""

    mode: Mode
    blob: BlobId


def parse(tree: str, raw: bytes) -> dict[bytes, bytes]:
    """Take the bytes of ``tree`` apart. Raises ``InputError`` when they are none of a tree, or name a thing twice."""
    pieces = _PIECE.findall(raw)
    items = {name: piece for piece, name in pieces}
    if len(items) < len(pieces):
        raise InputError(f"tree {tree}: a name stands in it twice", FORGED)
    if sum(map(len, items.values())) != len(raw):
        raise InputError(f"tree {tree}: its bytes are none of a tree", FORGED)
    return items


def ordered(items: Folder) -> dict[bytes, bytes]:
    """Return ``items`` in the order that git asks for: a folder's name as if it ended in a slash."""
    return {name: items[name] for name in sorted(items, key=lambda name: _order(name, items[name]))}


def _order(name: bytes, piece: bytes) -> bytes:
    return name + b"/" if is_folder(piece) else name


def is_folder(piece: bytes | None) -> bool:
    """Say whether a piece is a folder's."""
    return piece is not None and piece.startswith(_TREE)


def is_file(piece: bytes | None) -> bool:
    """Say whether a piece is a file's or a link's; a submodule is neither file nor folder."""
    return piece is not None and piece.startswith((b"100", b"120"))


def oid_of(piece: bytes) -> str:
    """Return the id of what a piece names."""
    return piece[-20:].hex()


def folder_piece(name: bytes, oid: str) -> bytes:
    """Return the piece of a folder."""
    return _TREE + name + b"\0" + bytes.fromhex(oid)


def file_piece(name: bytes, entry: Entry) -> bytes:
    """Return the piece of a file."""
    return b"%o %b\0%b" % (int(entry.mode), name, bytes.fromhex(entry.blob))


class Folders:
    """Folders that were taken apart or put together lately, by their ids; as many as fit into some MiB."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, dict[bytes, bytes]] = OrderedDict()
        self._entries = 0
        self._lock = threading.Lock()

    def get(self, oid: str) -> dict[bytes, bytes] | None:
        """Return a folder that is kept; it is not to be changed."""
        return self._kept.get(oid)

    def keep(self, oid: str, items: dict[bytes, bytes]) -> None:
        """Keep a folder; the ones kept first give way."""
        with self._lock:
            if oid in self._kept:
                return
            self._kept[oid] = items
            self._entries += len(items)
            while self._entries > _CACHED_ENTRIES and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._entries -= len(dropped)

    def drop(self, oid: str) -> None:
        """Forget one folder."""
        with self._lock:
            self._entries -= len(self._kept.pop(oid, ()))

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self._entries = 0


class Objects(Protocol):
    """What a ``FolderWriter`` asks of a tree store."""

    @property
    def empty(self) -> str:
        """The id of the tree without files."""
        ...

    def put(self, kind: int, content: bytes, oid: str | None = None) -> str:
        """Store an object, whose id is ``oid`` where that is known."""
        ...

    def holds(self, oid: str) -> bool:
        """Say whether an object is there, as far as is known without looking around."""
        ...

    def check_name(self, name: str) -> None:
        """Raise an error if no file may have this name."""
        ...

    def __contains__(self, oid: str) -> bool: ...


class FolderWriter:
    """Writes the folders of a tree that a change touches, the deepest first."""

    def __init__(
        self, objects: Objects, read: Callable[[TreeId], Folder], kept: Folders, *, supersede: bool = False
    ) -> None:
        self._objects = objects
        self._read = read
        self._kept = kept
        self._supersede = supersede

    def update(self, tree: TreeId, changes: Mapping[str, Entry | None]) -> TreeId:
        """See ``TreeStore.update``."""
        # deletions go first, so that a file may give way to a folder of its name, and the reverse
        deletions = {path: None for path, entry in changes.items() if entry is None}
        additions = {path: entry for path, entry in changes.items() if entry is not None}
        for some in (deletions, additions):
            if some:
                written = self._write(tree, nest(some))
                tree = self._objects.empty if written is None else written
        return tree

    def _write(self, old: str | None, changes: Mapping[str, object]) -> str | None:
        before: Folder = {} if old is None else self._read(old)
        items = dict(before)
        for name, change in changes.items():
            key = os.fsencode(name)
            present = items.get(key)
            if isinstance(change, dict):
                if is_file(present) and any(True for _ in _entries(change)):
                    raise InputError(f"{name} is a file, not a folder")
                below = oid_of(present) if present is not None and is_folder(present) else None
                written = self._write(below, change)
                if written is not None:
                    items[self._fit(key, present)] = folder_piece(key, written)
                elif below is not None:
                    del items[key]
            elif is_folder(present):
                raise InputError(f"{name} is a folder, not a file")
            elif isinstance(change, Entry):
                items[self._fit(key, present)] = self._file(key, change)
            else:
                items.pop(key, None)
        if not items:
            return None
        if items == before:
            return old
        changed = [key for key in map(os.fsencode, changes) if key in items]
        in_place = all(key in before and is_folder(items[key]) == is_folder(before[key]) for key in changed)
        if self._supersede and old is not None:
            self._kept.drop(old)
        return self._store(items if in_place else ordered(items), new=not before)

    def _fit(self, name: bytes, present: bytes | None) -> bytes:
        if present is None and _HARMLESS.fullmatch(name) is None:
            self._objects.check_name(os.fsdecode(name))
        return name

    def _file(self, name: bytes, entry: Entry) -> bytes:
        if not self._objects.holds(entry.blob) and entry.blob not in self._objects:
            raise EnvironmentFault(
                f"cannot store a tree with {os.fsdecode(name)!r}: its content {entry.blob} is not there"
            )
        return file_piece(name, entry)

    def _store(self, items: dict[bytes, bytes], *, new: bool) -> str:
        raw = b"".join(items.values())
        oid = object_id(_TREE_KIND, raw).hex()
        # a folder that was changed is hardly ever one that was there before; to ask takes longer than to write
        if not (new and self._objects.holds(oid)):
            self._objects.put(_TREE_KIND, raw, oid)
        self._kept.keep(oid, items)
        return oid


def nest(changes: Mapping[str, Entry | None]) -> dict[str, object]:
    """Turn ``a/b`` → entry into nested folders, ``{"a": {"b": entry}}``."""
    nested: dict[str, object] = {}
    for path, entry in changes.items():
        node = nested
        parts = _parts(path)
        if not parts:
            raise InputError(f"{path!r} is no path of a file")
        *folders, name = parts
        for folder in folders:
            child = node.setdefault(folder, {})
            if not isinstance(child, dict):
                raise InputError(f"{path}: {folder} is both a file and a folder")
            node = child
        if isinstance(node.get(name), dict):
            raise InputError(f"{path} is both a file and a folder")
        node[name] = entry
    return nested


def _parts(path: str) -> tuple[str, ...]:
    parts = path.split("/")
    # pathlib is slow, and knows what to do with a/./b, /a and a//b
    return PurePosixPath(path).parts if "" in parts or "." in parts else tuple(parts)


def _entries(nested: Mapping[str, object]) -> Iterator[Entry]:
    """Yield every entry of what ``nest`` made."""
    for value in nested.values():
        if isinstance(value, dict):
            yield from _entries(value)
        elif isinstance(value, Entry):
            yield value
