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
_LOOK_MS = 250


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
    """Asks the kernel (inotify, by watchfiles) which files below ``root`` changed, from its making on.

    Where that cannot be had (too many folders, a network mount), it calls ``report`` once with the reason and polls.
    """

    def __init__(self, root: Path, report: Callable[[str], None]) -> None:
        self._root = root
        self._report = report
        self._polling: PollingWatcher | None = None
        self._events = watch(
            root,
            watch_filter=self._matters,
            rust_timeout=_LOOK_MS,
            yield_on_timeout=True,
            debounce=_LOOK_MS,
            # never ignore_permission_denied: with it watchfiles 1.3 hides that the limit of watches was reached
        )
        # watching begins with the first question: what changes while the recorder reads for the first time counts
        self._changed = self._ask()

    def _matters(self, _change: Change, path: str) -> bool:
        return _NOISE.isdisjoint(path.removeprefix(str(self._root)).split("/"))

    def _ask(self) -> bool:
        """Return whether anything changed since the last question, after at most a quarter of a second."""
        try:
            return bool(next(self._events))
        except (OSError, RuntimeError, StopIteration) as error:  # watchfiles' own error is a RuntimeError
            self._report(f"{self._root}: no file events ({error or 'they ended'}); every file is looked at instead")
            self._polling = PollingWatcher()
            return True

    def wait(self, seconds: float, stop: Event) -> bool:
        """Wait ``seconds`` and return whether anything changed since the last call."""
        deadline = time.monotonic() + seconds
        while self._polling is None and not stop.is_set() and time.monotonic() < deadline:
            self._changed |= self._ask()
        if self._polling is not None:
            return self._polling.wait(max(0.0, deadline - time.monotonic()), stop)
        changed, self._changed = self._changed, False
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
