"""A server that is started when it is first needed, and again, with growing pauses, after it failed."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from greenloop.aid.tools.described import Described
from greenloop.aid.tools.seam import Connection, Result
from greenloop.builds.stop import Stop
from greenloop.records import ToolError

LONGEST_PAUSE = 60.0
"""Seconds between two starts of a server that fails each time."""


class Supervised(Connection):
    """A connection that outlives its server.

    After a failure the next call starts it anew: at once after the first one, then no sooner than 1, 2, 4, … seconds
    after the last, up to ``LONGEST_PAUSE``. An answer ends the count. Who comes too soon gets ``ToolError`` at once.
    """

    def __init__(self, name: str, start: Callable[[], Connection], clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._start = start
        self._clock = clock
        self._lock = threading.Lock()
        self._running: Connection | None = None
        self._failures = 0
        self._not_before = 0.0
        self._closed = False

    def tools(self) -> tuple[Described, ...]:
        connection = self._open()
        try:
            return connection.tools()
        except ToolError:
            self._failed(connection)
            raise

    def call(self, name: str, arguments: Mapping[str, Any], stop: Stop | None = None) -> Result:
        connection = self._open()
        try:
            result = connection.call(name, arguments, stop)
        except ToolError:
            self._failed(connection)
            raise
        with self._lock:
            self._failures = 0
        return result

    def close(self) -> None:
        with self._lock:
            running, self._running, self._closed = self._running, None, True
        if running is not None:
            running.close()

    def _open(self) -> Connection:
        with self._lock:
            if self._closed:
                raise ToolError(f"{self._name}: the servers of tools have been ended", "start the sidecar again")
            if self._running is None:
                wait = self._not_before - self._clock()
                if wait > 0:
                    raise ToolError(
                        f"{self._name}: the server failed {self._failures} times in a row",
                        f"it is started again in {wait:.0f} s at the earliest; its log says why it fails",
                    )
                try:
                    self._running = self._start()
                except ToolError:
                    self._count()
                    raise
            return self._running

    def _failed(self, connection: Connection) -> None:
        with self._lock:
            if self._running is connection:
                self._running = None
                self._count()
        connection.close()

    def _count(self) -> None:
        pause = 0.0 if self._failures == 0 else min(LONGEST_PAUSE, 2.0 ** (self._failures - 1))
        self._failures += 1
        self._not_before = self._clock() + pause
