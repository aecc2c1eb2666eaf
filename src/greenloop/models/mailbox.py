"""From a thread that makes things to the one that waits for them, and that may be asked to stop waiting."""

import os
import select
import threading
from collections import deque
from typing import Generic, TypeVar

from greenloop.models.seam import Halt
from greenloop.records import Cancelled

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """An unbounded queue of one reader, whose waiting ends at once when ``Halt`` is requested."""

    def __init__(self) -> None:
        self._items: deque[Item] = deque()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._open = True

    def put(self, item: Item) -> None:
        """Add an item, from any thread; nothing happens once the reader has closed."""
        with self._lock:
            if self._open:
                self._items.append(item)
                os.eventfd_write(self._fd, 1)

    def get(self, stop: Halt | None) -> Item:
        """Return the oldest item, waiting for it. Raises ``Cancelled`` once ``stop`` is requested."""
        waiting = select.poll()
        waiting.register(self._fd, select.POLLIN)
        if stop is not None:
            waiting.register(stop.fileno(), select.POLLIN)
        while True:
            if stop is not None and stop.requested:
                raise Cancelled("the request to the model was cancelled")
            if self._items:
                return self._items.popleft()
            waiting.poll()
            try:
                os.eventfd_read(self._fd)
            except BlockingIOError:
                continue  # it was the request to stop

    def close(self) -> None:
        """Let go of the file descriptor; the reader calls it when it is done."""
        with self._lock:
            if self._open:
                self._open = False
                os.close(self._fd)
