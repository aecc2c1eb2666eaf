"""A workspace's files as a tree that follows the disk, by the paths that a watcher and editors say have changed."""

import os
import threading
from collections.abc import Callable

from greenloop.records import GreenloopError, TreeId
from greenloop.snapshots.watching import FileWatcher
from greenloop.workspace.vcs import WorkingCopy

_STEP_MS = 100
"""How long the watcher gathers events: a part of how late the build status is, and of what watching costs."""
_WAIT = 0.1
_ANEW = 600.0
"""Seconds after which the whole folder is looked at again, in case that events were lost."""


class Disk:
    """The files that ``copy`` reads, which it closes. ``changed`` is called, in a thread of its own, when any may have
    changed.
    """

    def __init__(self, copy: WorkingCopy, changed: Callable[[], None]) -> None:
        self.root = copy.root
        self._copy = copy
        self._changed = changed
        self._lock = threading.Lock()
        self._pending: set[bytes] = set()
        self._pending_lock = threading.Lock()
        self._whole = True
        self._stop = threading.Event()
        self.fault = ""
        """Why file events are not to be had, if they are not."""
        self._thread = threading.Thread(target=self._watch, name=f"greenloop-watch-{copy.root.name}", daemon=True)
        self._thread.start()

    def tree(self) -> TreeId:
        """Return what the folder holds now, as far as changes were told. Raises ``InputError`` when it is gone."""
        with self._lock:
            with self._pending_lock:
                paths, whole = self._pending, self._whole
                self._pending, self._whole = set(), False
            try:
                reading = self._copy.reconcile() if whole else self._copy.touch(paths) if paths else None
            except GreenloopError:
                with self._pending_lock:
                    self._whole = True
                raise
            return reading.tree if reading is not None else self._copy.tree

    def hint(self, *paths: str) -> None:
        """Note paths that may have changed: nobody waits for the watcher then."""
        with self._pending_lock:
            self._pending |= {os.fsencode(path) for path in paths}

    def close(self) -> None:
        """End watching, and let go of the cache."""
        self._stop.set()
        self._thread.join()
        self._copy.close()

    def _watch(self) -> None:
        try:
            watcher = FileWatcher(self.root, self._report, stop=self._stop, step_ms=_STEP_MS)
            with self._pending_lock:
                # the folder may have been read before it was watched: what changed in between nobody has told
                self._whole = True
            self._changed()
            waited = 0.0
            while not self._stop.is_set():
                found = watcher.wait(_WAIT if watcher.mode == "events" else 5.0, self._stop)
                waited += _WAIT
                anew = waited >= _ANEW
                waited = 0.0 if anew else waited
                if (found or anew) and not self._stop.is_set():
                    with self._pending_lock:
                        self._pending |= found.paths
                        self._whole |= bool(found.whole) or anew
                    self._changed()
        except OSError as error:
            # the folder is gone: the next reading says so
            self.fault = str(error)
            with self._pending_lock:
                self._whole = True
            self._changed()

    def _report(self, why: str) -> None:
        self.fault = why
