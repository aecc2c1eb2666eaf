"""A process beside the recorder that ends when the recorder does, in whatever way that ends.

The recorder stays small and never waits: whatever takes memory or time, such as judging, is done by a companion.
"""

import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

_FIRST_PAUSE = 2.0
_LONGEST_PAUSE = 600.0
_WELL = 60.0
"""Seconds after which a companion that ended is taken to have been well: the pauses before a new start begin anew."""
_TAIL_BYTES = 2000


class Companion:
    """Keeps one child process going; ``log`` gets what it prints, anew at each start.

    The child's standard input is a connection to this process: it gets a line at every ``keep``, and its end when this
    process ends, by kill -9 too. The child ends itself then. ``name`` is what it is good for.
    """

    def __init__(
        self, argv: Sequence[str], log: Path, *, name: str = "shadow", now: Callable[[], float] = time.monotonic
    ) -> None:
        self._argv = tuple(argv)
        self._log = log
        self._name = name
        self._now = now
        self._child: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._started = 0.0
        self._pause = 0.0
        self._again = 0.0
        self._why = ""

    @property
    def pid(self) -> int | None:
        """The child's process id while it runs."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def keep(self) -> str:
        """See that the child runs and wake it; returns its ``name``, or why it does not run and when it is tried again.

        Never waits, and never raises: a recorder records without its companion too.
        """
        if self._child is not None and self._child.poll() is not None:
            words = self._last_words()
            self._ended(f"it ended with exit status {self._child.returncode}" + (f": {words}" if words else ""))
        if self._child is None and self._now() >= self._again:
            try:
                self._start()
            except OSError as error:
                self._ended(f"it could not be started: {error}")
        if self._child is None:
            return f"no {self._name}: {self._why}; again in {max(0.0, self._again - self._now()):.0f} s"
        assert self._line is not None
        with suppress(OSError):
            # a full buffer means that it has not read the last words yet; SIGPIPE may be set to end this process
            self._line.send(b"\n", socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
        return self._name

    def stop(self, seconds: float = 10.0) -> None:
        """End the child: hang up, and kill it when it has not ended in time. May be called again."""
        self._hang_up()
        if self._child is None:
            return
        try:
            self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._child = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        self._started = self._now()
        try:
            with theirs, self._log.open("wb") as log:
                # a session of its own: the terminal's Ctrl-C is for the recorder, which hangs up
                self._child = subprocess.Popen(
                    self._argv, stdin=theirs.fileno(), stdout=log, stderr=log, start_new_session=True, cwd="/"
                )
        except BaseException:
            ours.close()
            raise
        self._line = ours

    def _ended(self, why: str) -> None:
        if self._child is not None and self._now() - self._started >= _WELL:
            self._pause = 0.0
        self._child = None
        self._hang_up()
        self._why = why
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause or _FIRST_PAUSE)
        self._again = self._now() + self._pause

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _last_words(self) -> str:
        """Return the last line that the child printed."""
        with suppress(OSError):
            lines = self._log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""
