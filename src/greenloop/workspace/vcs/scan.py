"""Reading listed files into the tree store, so that an unchanged tree costs one ``lstat`` a file."""

import os
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.vcs.listing import Skipped, shown

Screen = Callable[[str, bytes], str | None]
"""(path, content) → why the file must not be stored, or ``None``."""

_SETTLED_NS = 2_000_000_000
"""A time stamp younger than this may stay the same over one more write: FAT counts in 2 s, ext4 in ticks of 4 ms."""
_ATTEMPTS = 3

_Stamp = tuple[int, int, int, int, int]


@dataclass(frozen=True, slots=True)
class _Known:
    stamp: _Stamp
    found: Entry | Skipped


_NEVER: _Stamp = (0, 0, 0, 0, 0)
"""The stamp of no file: what carries it is looked at again the next time."""


class _Left(Exception):  # noqa: N818 - no fault: the file is left out and reported
    """The file stays out of the tree."""

    def __init__(self, reason: str, stamp: _Stamp) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stamp = stamp


def _stamp(status: os.stat_result) -> _Stamp:
    # the change time too: `touch -r` and `rsync --times` put the modification time back, never this one
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)


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
            if max(fresh.stamp[:2]) + _SETTLED_NS < now:
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
            stamp = _stamp(os.lstat(full))
            known = self._known.get(path)
            if known is not None and known.stamp == stamp:
                return known
            return self._store_one(path, full)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except _Left as left:
            return _Known(left.stamp, Skipped(shown(path), left.reason))
        except OSError as error:
            return _Known(_NEVER, Skipped(shown(path), f"cannot be read: {error.strerror}"))

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
        if _not_utf8(path):
            raise _Left("its name is not UTF-8", _stamp(status))
        if stat.S_ISDIR(status.st_mode):
            raise _Left(_SUBMODULE, _stamp(status))
        if stat.S_ISLNK(status.st_mode):
            target = os.readlink(full)  # noqa: PTH115 - the bytes of a name, which need not be text
            return _Known(_stamp(status), Entry(Mode.LINK, self._store.write_blob(target)))
        if not stat.S_ISREG(status.st_mode):
            raise _Left("not a regular file", _stamp(status))
        if status.st_size > self._max_file_bytes:
            raise _Left(f"larger than {self._max_file_bytes} bytes ({status.st_size})", _stamp(status))
        content, status = _read_whole(full, self._max_file_bytes)
        reason = self._screen(path.decode(), content) if self._screen is not None else None
        if reason is not None:
            raise _Left(reason, _stamp(status))
        mode = Mode.EXECUTABLE if status.st_mode & stat.S_IXUSR else Mode.FILE
        return _Known(_stamp(status), Entry(mode, self._store.write_blob(content)))


def _not_utf8(path: bytes) -> bool:
    try:
        path.decode()
    except UnicodeDecodeError:
        return True
    return False


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


def _read_whole(full: bytes, limit: int) -> tuple[bytes, os.stat_result]:
    """Return a file's bytes and status from one moment."""
    for _ in range(_ATTEMPTS):
        handle = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor, not a path
            before = os.fstat(handle)
            content = file.read(limit + 1) or b""
            while len(content) <= limit and (more := file.read(limit + 1)):
                content += more
            after = os.fstat(handle)
        if _stamp(before) == _stamp(after) and len(content) == after.st_size:
            return content, after
    raise _Left("changed while it was read", _NEVER)
