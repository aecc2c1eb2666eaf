"""The recorder's eyes: which paths below a folder may have changed since it looked last. Each with its fake."""

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

from watchfiles import Change, watch
from watchfiles.main import FileChange

from greenloop.workspace.vcs.listing import GENERATED_FOLDERS, VCS_FOLDERS

_NOISE = frozenset(os.fsencode(name) for name in VCS_FOLDERS.union(GENERATED_FOLDERS))
_STEP_MS = 500
"""How often watchfiles looks whether it is to stop: with its default of 50 ms an idle recorder costs ten times more."""
_STORM = 1000
"""So many changes within one wait may be the visible part of more: inotify drops events when its queue is full, and
watchfiles does not tell. The folder is then read as a whole, which costs less than so many single looks."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What may have changed: ``paths`` of files and folders in the watched one, or all where ``whole`` says why."""

    paths: frozenset[bytes] = field(default_factory=frozenset)
    whole: str = ""

    def __bool__(self) -> bool:
        return bool(self.paths or self.whole)

    def __or__(self, other: "Changes") -> "Changes":
        return Changes(self.paths | other.paths, self.whole or other.whole)


class Watcher(Protocol):
    """Waits for the next moment to look at a folder."""

    @property
    def mode(self) -> str:
        """How it knows: ``events`` or ``polling``."""
        ...

    def wait(self, seconds: float, stop: Event) -> Changes:
        """Wait ``seconds``, or until ``stop`` is set; return what may have changed since last asked."""
        ...


class PollingWatcher:
    """Never knows, so it always says that all may have changed: every file is looked at, at every interval."""

    mode = "polling"

    def __init__(self, why: str = "polling") -> None:
        self._why = why

    def wait(self, seconds: float, stop: Event) -> Changes:
        """Wait, and answer that all may have changed."""
        stop.wait(seconds)
        return Changes(whole=self._why)


class FileWatcher:
    """Asks the kernel (inotify, by watchfiles) which paths below ``root`` changed, from its making on.

    It watches the folders one by one, without those of tools and of version control: watchfiles' own recursion would
    follow links out of the folder, and spend a watch on each folder of each build. Where events cannot be had (too many
    folders, a network mount), it calls ``report`` once with the reason and polls.
    """

    def __init__(
        self, root: Path, report: Callable[[str], None], *, stop: Event | None = None, step_ms: int = _STEP_MS
    ) -> None:
        """``step_ms``: how long events are gathered before they are told; the shorter, the more it costs."""
        self._root = os.fsencode(root)
        self._step_ms = step_ms
        self._report = report
        self._stop = stop or Event()
        self._polling: PollingWatcher | None = None
        # watching begins with the first question: what changes while the recorder reads for the first time counts
        self._pending = Changes()
        self._events: Iterator[set[FileChange]] | None = None
        self._pending = self._ask()

    @property
    def mode(self) -> str:
        """How it knows: ``events`` or ``polling``."""
        return "events" if self._polling is None else "polling"

    def wait(self, seconds: float, stop: Event) -> Changes:
        """Wait ``seconds`` and return what changed since the last call."""
        deadline = time.monotonic() + seconds
        while self._polling is None and not stop.is_set() and time.monotonic() < deadline:
            self._pending |= self._ask()
        if self._polling is not None:
            found = self._pending | self._polling.wait(max(0.0, deadline - time.monotonic()), stop)
        else:
            found = self._pending
        self._pending = Changes()
        return found if len(found.paths) < _STORM else Changes(whole=f"{len(found.paths)} changes at once")

    def _watch(self) -> Iterator[set[FileChange]]:
        folders = [os.fsdecode(folder) for folder in _folders(self._root)]
        return watch(
            *folders,
            watch_filter=self._matters,
            recursive=False,
            rust_timeout=self._step_ms,
            yield_on_timeout=True,
            debounce=self._step_ms,
            step=self._step_ms,
            stop_event=self._stop,
            # never ignore_permission_denied: with it watchfiles 1.3 hides that the limit of watches was reached
        )

    def _matters(self, _change: Change, path: str) -> bool:
        return _NOISE.isdisjoint(os.fsencode(path)[len(self._root) :].split(b"/"))

    def _ask(self) -> Changes:
        """Return what changed since the last question, after at most half a second."""
        try:
            return self._next()
        except (OSError, RuntimeError, StopIteration) as error:  # watchfiles' own error is a RuntimeError
            why = str(error) or "they ended"
            if self._stop.is_set():
                return Changes()
            if isinstance(error, RuntimeError) and "decode" in why:
                # the name of one file that is not UTF-8 ends watchfiles' watch, and says nothing against the next
                self._events = None
                return Changes(whole="a name that is not UTF-8")
            self._report(f"{os.fsdecode(self._root)}: no file events ({why}); every file is looked at instead")
            self._polling = PollingWatcher(f"no file events ({why})")
            return Changes(whole=f"no file events ({why})")

    def _next(self) -> Changes:
        if self._events is None:
            self._events = self._watch()
        found = self._changes(next(self._events))
        if any(self._is_folder(path) for path in found.paths):
            # the new watches are there before the old ones end; what was made inside meanwhile is found by whoever
            # looks at the new folder, whose path is among the changes
            watching = self._watch()
            first = next(watching)
            found |= self._changes(next(self._events, set())) | self._changes(first)
            self._events = watching
        return found

    def _changes(self, events: set[FileChange]) -> Changes:
        start = len(self._root) + 1
        return Changes(frozenset(path for _, name in events if (path := os.fsencode(name)[start:])))

    def _is_folder(self, path: bytes) -> bool:
        full = self._root + b"/" + path
        return os.path.isdir(full) and not os.path.islink(full)  # noqa: PTH112, PTH114 - bytes that need not be text


def _folders(root: bytes) -> Iterator[bytes]:
    """Yield ``root`` and the folders below it but those of tools and of version control; no link is followed."""
    todo = [root]
    while todo:
        folder = todo.pop()
        try:
            with os.scandir(folder) as entries:
                todo += [
                    entry.path for entry in entries if entry.name not in _NOISE and entry.is_dir(follow_symlinks=False)
                ]
        except PermissionError:
            if folder == root:
                raise
            continue  # what cannot be listed cannot be watched; the reader reports it
        except (FileNotFoundError, NotADirectoryError):
            if folder == root:
                raise
            continue  # deleted meanwhile
        if _is_text(folder):
            yield folder


def _is_text(name: bytes) -> bool:
    """Say whether a name is UTF-8: another cannot be watched, and what lies below it is not recorded."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


class ScriptedWatcher:
    """The fake: at each wait does the next of ``steps`` instead of waiting, and answers what it returned.

    A step is a function that may edit files; when none is left, ``stop`` is set.
    """

    mode = "events"

    def __init__(self, steps: Iterable[Callable[[], Changes]]) -> None:
        self._steps = deque(steps)

    def wait(self, seconds: float, stop: Event) -> Changes:  # noqa: ARG002 - the fake never waits
        """Do the next step."""
        if not self._steps:
            stop.set()
            return Changes()
        return self._steps.popleft()()
