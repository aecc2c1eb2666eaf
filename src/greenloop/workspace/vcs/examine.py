"""Looking at one path after another: what a tree holds of it now, or why it holds nothing."""

import os
import stat
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from greenloop.records import EnvironmentFault
from greenloop.workspace.store import Entry, TreeStore
from greenloop.workspace.vcs.bulk import Blobs, name_of
from greenloop.workspace.vcs.globs import Globs
from greenloop.workspace.vcs.listing import Skipped, shown
from greenloop.workspace.vcs.one_file import (
    CHANGING,
    NEVER,
    SETTLED_NS,
    Content,
    Left,
    Screen,
    Stamp,
    is_text,
    read_file,
    stamp_of,
)

_SUSPECT_NAMES = (b"git", b"\\", b":", b"\xe2\x80", b"\xef\xbb")
"""Of what a name must hold before it can be one that libgit2 refuses; everything else is not asked about."""


@dataclass(frozen=True, slots=True)
class Out:
    """A file that was left out: it is not read again while its stamp stays."""

    reason: str
    stamp: Stamp


class Examiner:
    """Reads files below ``root`` for a tree; remembers only what stays out of it.

    ``now_ns`` is the clock of the file system's time stamps, in nanoseconds since 1970.
    """

    def __init__(
        self,
        root: bytes,
        store: TreeStore,
        *,
        max_file_bytes: int,
        screen: Screen | None,
        globs: Globs,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._root = root
        self._store = store
        self._max_file_bytes = max_file_bytes
        self._screen = screen
        self._globs = globs
        self._now_ns = now_ns
        self._folders: dict[bytes, bool] = {}
        self._before: dict[bytes, Out] = {}
        self.out: dict[bytes, Out] = {}
        """What is left out, by its path."""
        self.by_glob: Counter[str] = Counter()
        """How many files each rule of the recorder's own leaves out, as of the last whole pass."""
        self.young: set[bytes] = set()
        """What may change once more without showing it by its time stamps: to be looked at again."""
        self.restless: set[bytes] = set()
        """What would not hold still."""

    def forget(self) -> None:
        """Know nothing of what was left out."""
        self.begin(whole=True)
        self._before = {}

    def begin(self, *, whole: bool) -> None:
        """Begin a pass; after a whole one only what was looked at in it is left out."""
        self._folders = {b"": True}
        self._before = self.out
        self.young = set()
        if whole:
            self.out = {}
            self.by_glob = Counter()
            self.restless = set()

    def skipped(self) -> tuple[Skipped, ...]:
        """Return what is left out, by path."""
        files = (Skipped(shown(path), out.reason) for path, out in sorted(self.out.items()))
        rules = (
            Skipped(rule, f"{count} files, by a rule of the recorder") for rule, count in sorted(self.by_glob.items())
        )
        return (*files, *rules)

    def look(self, path: bytes, old: Entry | None, blobs: Blobs) -> Entry | None:
        """Return what a tree that held ``old`` at ``path`` holds there now; the content goes to ``blobs``."""
        known = self._before.get(path)
        self.out.pop(path, None)
        self.restless.discard(path)
        full = self._root + b"/" + path
        try:
            status = os.lstat(full) if self.in_real_folder(path) else None
            if status is None or stat.S_ISDIR(status.st_mode):
                return None  # the files in a folder are paths of their own
            if known is None or known.stamp != stamp_of(status):
                return self._take(path, full, status, old, blobs)
            self.out[path] = known
        except (FileNotFoundError, NotADirectoryError):
            return None
        except Left as left:
            self._leave(path, left.reason, left.stamp)
            if left.reason == CHANGING:
                self.restless.add(path)
                return old  # to say that it was deleted would be wrong
        except OSError as error:
            self._leave(path, f"cannot be read: {error.strerror}", NEVER)
        return None

    def _take(self, path: bytes, full: bytes, status: os.stat_result, old: Entry | None, blobs: Blobs) -> Entry | None:
        rule = self._globs.match(path) if self._globs else None
        if rule is not None:
            self.by_glob[rule] += 1
            return None
        self._check_name(path, status)
        read = read_file(full, status, self._max_file_bytes)
        if max(read.stamp[:2]) // 1_000_000_000 + 1 >= self._now_ns() // 1_000_000_000:
            self.young.add(path)
        return self._store_it(path, read, old, blobs)

    def _store_it(self, path: bytes, read: Content, old: Entry | None, blobs: Blobs) -> Entry:
        blob = name_of(read.content)
        if old is not None and blob == old.blob:
            # these very bytes were let through here before
            return old if old.mode is read.mode else Entry(read.mode, blob)
        if self._screen is not None:
            reason = self._screen(path.decode(), read.content)
            if reason is not None:
                raise Left(reason, read.stamp)
        blobs.add(blob, read.content)
        return Entry(read.mode, blob)

    def _check_name(self, path: bytes, status: os.stat_result) -> None:
        if not is_text(path):
            raise Left("its name is not UTF-8", stamp_of(status))
        lowered = path.lower()
        if any(mark in lowered for mark in _SUSPECT_NAMES):
            for name in path.decode().split("/"):
                try:
                    self._store.check_name(name)
                except EnvironmentFault:
                    raise Left("no tree may hold this name", stamp_of(status)) from None

    def _leave(self, path: bytes, reason: str, stamp: Stamp) -> None:
        settled = max(stamp[:2]) + SETTLED_NS < self._now_ns()
        self.out[path] = Out(reason, stamp if settled else NEVER)

    def in_real_folder(self, path: bytes) -> bool:
        """Return whether no part of the way to ``path`` is a link: a path may still be told that lay behind one."""
        parent = path.rpartition(b"/")[0]
        found = self._folders.get(parent)
        if found is None:
            try:
                mode = os.lstat(self._root + b"/" + parent).st_mode
                found = stat.S_ISDIR(mode) and self.in_real_folder(parent)
            except PermissionError:
                found = True  # the file itself is then reported as unreadable
            except OSError:
                found = False
            self._folders[parent] = found
        return found
