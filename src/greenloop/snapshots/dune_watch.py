"""What the developer's own ``dune build --watch`` says, as reports of the trees that it built.

It is only looked on at, over its socket (``builds.checker.observer``). A watching dune builds anew whenever a file
that it builds from has changed, so once it has ended, and goes on resting, it speaks of the files as they are. What it
says is reported when the tree, read once it had ended, is still the same after it has rested for a while.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from greenloop.builds.checker.observer import SOCKET_FOLDER, DuneObserver, Progress
from greenloop.records import InfrastructureError, Status
from greenloop.snapshots.team_builds import Mark, TeamBuilds, Told

TOOL = "dune build --watch"
_REST_SECONDS = 1.0
"""How long it must rest: many times what dune takes to notice a change."""
_GLANCE_SECONDS = 0.25
"""Between two looks at a build that goes on: it could tell of each of its thousands of steps."""
_RETRY_SECONDS = 10.0
_STATUSES = {Progress.SUCCESS: Status.GREEN, Progress.FAILED: Status.RED}


class DuneWatch:
    """Looks on at the dune that watches in ``root``, if there is one, and reports to ``builds``."""

    def __init__(self, root: Path, builds: TeamBuilds, *, now: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._builds = builds
        self._now = now
        self._observer: DuneObserver | None = None
        self._retry = 0.0
        self._progress: Progress | None = None
        self._mark: Mark | None = None
        self._due = 0.0

    def fileno(self) -> int | None:
        """A descriptor that is readable when there is news, while there is a connection that waits for some."""
        waits = self._observer is not None and self._observer.asked
        return self._observer.fileno() if self._observer is not None and waits else None

    @property
    def idle(self) -> bool:
        """Whether a dune watches and does not build at the moment."""
        return self._progress not in {None, Progress.IN_PROGRESS}

    @property
    def due(self) -> bool:
        """Whether it is about to say what a build came to, so that nobody else need find out."""
        return self._mark is not None

    def step(self) -> float | None:
        """Do what is due; return the seconds after which there is more, or ``None`` when only news can bring it.

        Raises what ``TeamBuilds`` does.
        """
        try:
            return self._step()
        except (InfrastructureError, OSError, ValueError):
            # it ended, or is not one that we understand; what it last said is lost with it
            self.close()
            self._retry = self._now() + _RETRY_SECONDS
            return _RETRY_SECONDS

    def close(self) -> None:
        """Hang up."""
        if self._observer is not None:
            self._observer.close()
        self._observer = self._progress = self._mark = None

    def _step(self) -> float | None:
        if self._observer is None:
            if self._now() < self._retry or not self._listens():
                return None
            self._observer = DuneObserver(self._root)
            self._observer.ask()
        if not self._observer.asked:
            self._observer.ask()
        while (told := self._observer.told()) is not None:
            if self._hear(self._observer, told):
                return _GLANCE_SECONDS
        if self._mark is None or self._progress is None:
            return None
        if self._now() < self._due:
            return self._due - self._now()
        return self._finish(self._observer, self._progress, self._mark)

    def _hear(self, observer: DuneObserver, told: Progress) -> bool:
        """Take in what was told, and ask for more; says whether to wait a little before that."""
        self._progress, self._mark = told, None
        if told is Progress.IN_PROGRESS:
            return True
        observer.ask()
        if told in _STATUSES:
            self._mark = self._builds.begin()
            self._due = self._now() + _REST_SECONDS
        return False

    def _finish(self, observer: DuneObserver, progress: Progress, mark: Mark) -> float | None:
        found = observer.diagnostics()
        if (told := observer.told()) is not None:
            # it has begun again meanwhile, and the diagnostics may be the new build's
            return _GLANCE_SECONDS if self._hear(observer, told) else _REST_SECONDS
        self._mark = None
        self._builds.finish(Told(status=_STATUSES[progress], tool=TOOL, diagnostics=found), mark)
        return None

    def _listens(self) -> bool:
        with suppress(OSError):
            return (self._root / SOCKET_FOLDER / "dune").is_socket()
        return False
