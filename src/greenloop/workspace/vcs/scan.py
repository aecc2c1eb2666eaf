"""Reading listed files into the tree store, so that an unchanged tree costs one ``lstat`` a file."""

import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import TreeId
from greenloop.workspace.store import Entry, TreeStore
from greenloop.workspace.vcs.listing import Skipped, shown
from greenloop.workspace.vcs.one_file import NEVER, SETTLED_NS, Left, Screen, Stamp, is_text, read_file, stamp_of


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: Stamp
    found: Entry | Skipped


class FileReader:
    """Reads files below ``root`` into ``store`` and remembers, by their time stamps, what it has read.

    ``now_ns`` is the clock of the file system's time stamps, in nanoseconds since 1970.
    """

    def __init__(
        self,
        root: Path,
        store: TreeStore,
        *,
        max_file_bytes: int,
        screen: Screen | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._root = os.fsencode(root)
        self._store = store
        self._max_file_bytes = max_file_bytes
        self._screen = screen
        self._now_ns = now_ns
        self._known: dict[bytes, _Known] = {}
        self._entries: dict[str, Entry] = {}
        self._tree: TreeId = store.empty

    def read(self, paths: Iterable[bytes]) -> tuple[TreeId, tuple[Skipped, ...]]:
        """Return the tree of ``paths`` as they are now, and what could not be put into it.

        Paths that no longer exist are left out in silence: to delete a file is an edit.
        """
        wanted, skipped = _outside_repositories(paths)
        known: dict[bytes, _Known] = {}
        folders: dict[bytes, bool] = {b"": True}
        entries: dict[str, Entry] = {}
        for path in wanted:
            now = self._now_ns()
            fresh = self._look(path, folders)
            if fresh is None:
                continue
            if isinstance(fresh.found, Skipped):
                skipped.append(fresh.found)
            else:
                entries[path.decode()] = fresh.found
            if max(fresh.stamp[:2]) + SETTLED_NS < now:
                known[path] = fresh
        self._known = known
        holding = _folders_of(entries)
        skipped = [item for item in skipped if item.reason != _SUBMODULE or item.path not in holding]
        self._tree = self._update(entries)
        return self._tree, tuple(skipped)

    def _update(self, entries: dict[str, Entry]) -> TreeId:
        old = self._entries
        changes: dict[str, Entry | None] = dict.fromkeys(old.keys() - entries.keys())
        changes |= {path: entry for path, entry in entries.items() if old.get(path) != entry}
        tree = self._store.update(self._tree, changes) if changes else self._tree
        self._entries = entries
        return tree

    def _look(self, path: bytes, folders: dict[bytes, bool]) -> _Known | None:
        if not self._in_real_folder(path, folders):
            return None
        full = self._root + b"/" + path
        try:
            stamp = stamp_of(os.lstat(full))
            known = self._known.get(path)
            if known is not None and known.stamp == stamp:
                return known
            return self._store_one(path, full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Left as left:
            return _Known(left.stamp, Skipped(shown(path), left.reason))
        except OSError as error:
            return _Known(NEVER, Skipped(shown(path), f"cannot be read: {error.strerror}"))

    def _in_real_folder(self, path: bytes, folders: dict[bytes, bool]) -> bool:
        """Return whether no part of the way to ``path`` is a link: git may still list what lay behind one."""
        parent = path.rpartition(b"/")[0]
        if parent not in folders:
            try:
                mode = os.lstat(self._root + b"/" + parent).st_mode
                folders[parent] = stat.S_ISDIR(mode) and self._in_real_folder(parent, folders)
            except PermissionError:
                folders[parent] = True  # the file itself is then reported as unreadable
            except OSError:
                folders[parent] = False
        return folders[parent]

    def _store_one(self, path: bytes, full: bytes) -> _Known:
        status = os.lstat(full)
        if not is_text(path):
            raise Left("its name is not UTF-8", stamp_of(status))
        if stat.S_ISDIR(status.st_mode):
            raise Left(_SUBMODULE, stamp_of(status))
        read = read_file(full, status, self._max_file_bytes)
        reason = None
        if self._screen is not None and not stat.S_ISLNK(status.st_mode):
            reason = self._screen(path.decode(), read.content)
        if reason is not None:
            raise Left(reason, read.stamp)
        return _Known(read.stamp, Entry(read.mode, self._store.write_blob(read.content)))


_SUBMODULE = "a submodule, not read"
_NESTED = "a nested repository, not read"
_INNER = frozenset({b".git", b".hg"})


def _outside_repositories(paths: Iterable[bytes]) -> tuple[list[bytes], list[Skipped]]:
    """Part the paths from whole nested repositories: folders that hold a ``.git`` or ``.hg`` of their own."""
    listed = list(paths)
    nested = {path for path in listed if path.endswith(b"/")}
    own: set[bytes] = set()
    for path in listed:
        if not any(name in path.lower() for name in _INNER):
            continue
        parts = path.split(b"/")
        depth = next((depth for depth, part in enumerate(parts) if part.lower() in _INNER), None)
        if depth == 0:
            # hg lists the .git beside its .hg as any other folder
            own.add(path)
        elif depth is not None:
            nested.add(b"/".join(parts[:depth]) + b"/")
    skipped = [Skipped(shown(path), _NESTED) for path in sorted(nested)]
    inside = tuple(nested)
    return [path for path in listed if not path.startswith(inside) and path not in own], skipped


def _folders_of(entries: Iterable[str]) -> set[str]:
    folders: set[str] = set()
    for path in entries:
        parent = path.rpartition("/")[0]
        while parent and parent not in folders:
            folders.add(parent)
            parent = parent.rpartition("/")[0]
    return folders
