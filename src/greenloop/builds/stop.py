"""Asking running work to end, from another thread: the work is killed, not waited for."""

import os
import threading

from greenloop.records import Cancelled


class Stop:
    """Set once and for all. What waits in a selector watches ``fileno``, which then becomes readable."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __enter__(self) -> "Stop":
        return self

    def __exit__(self, *_: object) -> None:
        """Give the file descriptor back; nobody may use it any more."""
        self.close()

    def fileno(self) -> int:
        """A file descriptor that is readable from the request on, and stays so."""
        return self._fd

    def request(self) -> None:
        """Ask for the end; any number of times, from any thread."""
        self._asked.set()
        os.eventfd_write(self._fd, 1)

    @property
    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._asked.is_set()

    def check(self) -> None:
        """Raise ``Cancelled`` when somebody asked."""
        if self.requested:
            raise Cancelled("the work was cancelled")

    def close(self) -> None:
        """Give the file descriptor back."""
        os.close(self._fd)
