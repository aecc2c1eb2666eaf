"""A client of the sidecar for measurements."""

import threading
import time
from collections.abc import Callable
from typing import Any

from greenloop.aid.client.client import Client
from greenloop.aid.client.reach import Reached

LONGEST = 600.0
"""Seconds to wait for anything."""


class Editor:
    """A client of the sidecar that notes when it was told what."""

    def __init__(self, reached: Callable[[], Reached], name: str) -> None:
        self.client = Client(reached, name)
        self.when: list[tuple[float, Any]] = []
        self._news = threading.Condition()
        self.client.listen(self._hear)

    def _hear(self, _name: str, params: Any) -> None:
        with self._news:
            self.when.append((time.perf_counter(), params))
            self._news.notify_all()

    def wait(self, found: Callable[[Any], bool]) -> float:
        """Return when it was told something."""
        seen = 0
        with self._news:
            while True:
                for at, params in self.when[seen:]:
                    if found(params):
                        return at
                seen = len(self.when)
                if not self._news.wait(LONGEST):
                    raise TimeoutError("the sidecar did not say what was waited for")

    def forget(self) -> None:
        """Forget what it was told."""
        with self._news:
            self.when.clear()
