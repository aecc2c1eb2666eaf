"""The recorder's seams to the world: what time it is, and whether files have changed. Each with its fake."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import Protocol

from watchfiles import Change, watch

from greenloop.workspace.vcs.listing import GENERATED_FOLDERS, VCS_FOLDERS

_NOISE = frozenset(VCS_FOLDERS.union(GENERATED_FOLDERS))


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()


class ManualClock:
    """The fake: stands still until it is set."""

    def __init__(self, start: float = 0.0) -> None:
        self.time = start

    def now(self) -> float:
        """Return the seconds that ``time`` holds."""
        return self.time


class Watcher(Protocol):
    """Waits for the next moment to look at a folder."""

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait ``seconds``, or until ``stop`` is set; return whether any file may have changed since last asked."""
        ...


class PollingWatcher:
    """Never knows, so it always says yes: the recorder then looks at every file at every interval."""

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait, and answer yes."""
        stop.wait(seconds)
        return True


class FileWatcher:
    """Asks the kernel (inotify, by watchfiles) which files changed.

    Where that cannot be had (too many folders, a network mount), it calls ``report`` once with the reason and polls.
    """

    def __init__(self, root: Path, report: Callable[[str], None]) -> None:
        self._root = root
        self._report = report
        self._stop = Event()
        self._polling: PollingWatcher | None = None
        self._events = watch(
            root,
            watch_filter=self._matters,
            stop_event=self._stop,
            rust_timeout=250,
            yield_on_timeout=True,
            debounce=200,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )

    def _matters(self, _change: Change, path: str) -> bool:
        return _NOISE.isdisjoint(Path(path).relative_to(self._root).parts) if Path(path) != self._root else True

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait ``seconds`` and return whether anything changed since the last call."""
        if self._polling is not None:
            return self._polling.wait(seconds, stop)
        deadline = time.monotonic() + seconds
        changed = False
        try:
            while not stop.is_set() and time.monotonic() < deadline:
                changed |= bool(next(self._events, set()))
        except OSError as error:
            self._report(f"{self._root}: no file events ({error}); looking at every file each {seconds:g} s instead")
            self._polling = PollingWatcher()
            return self._polling.wait(max(0.0, deadline - time.monotonic()), stop)
        return changed


class ScriptedWatcher:
    """The fake: at each wait does the next of ``steps`` instead of waiting, and answers what it returned.

    A step is a function that may edit files; when none is left, ``stop`` is set.
    """

    def __init__(self, steps: Iterable[Callable[[], bool]]) -> None:
        self._steps = deque(steps)

    def wait(self, seconds: float, stop: Event) -> bool:  # noqa: ARG002 - the fake never waits
        """Do the next step."""
        if not self._steps:
            stop.set()
            return False
        return self._steps.popleft()()
