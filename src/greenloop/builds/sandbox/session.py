"""A long-lived command in the sandbox: a thread of its own watches it until it is closed."""

import select
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from greenloop.builds.sandbox.driver import Driver
from greenloop.builds.sandbox.policy import Command
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, GreenloopError


class DriverSession:
    """See ``Session``. The driver dies with the thread that started it: here one that lives as long as the session."""

    def __init__(self, driven: Callable[[Stop], AbstractContextManager[Driver]], command: Command) -> None:
        """Start ``command`` in the driver that ``driven`` makes; returns once it is on its way."""
        self._stop = Stop()
        self._driver: Driver | None = None
        self._fault: Exception | None = None
        self._under_way = threading.Event()
        self._ended = threading.Event()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(
            target=self._watch, args=(driven, command), name="greenloop-session", daemon=True
        )
        self._thread.start()
        self._under_way.wait()
        if self._driver is None:
            self.close()
            assert self._fault is not None
            raise self._fault

    def __enter__(self) -> "DriverSession":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def work(self) -> Path:
        """See ``Session.work``: the driver's own sight of the tree. Short enough for the address of a socket."""
        assert self._driver is not None
        return Path(f"/proc/{self._driver.pid}/cwd/w")

    def alive(self) -> bool:
        """Whether the command still runs."""
        return not self._ended.is_set()

    def output(self) -> bytes:
        """See ``Session.output``."""
        assert self._driver is not None
        return self._driver.look()

    def close(self) -> None:
        """End it and leave nothing behind."""
        with self._closing:
            if self._closed:
                return
            self._stop.request()
            self._thread.join()
            self._stop.close()
            self._closed = True

    def _watch(self, driven: Callable[[Stop], AbstractContextManager[Driver]], command: Command) -> None:
        def tell(driver: Driver) -> None:
            self._driver = driver
            self._under_way.set()

        try:
            with driven(self._stop) as driver:
                try:
                    driver.run(command, endless=True, tell=lambda: tell(driver))
                finally:
                    self._ended.set()
                select.select([self._stop], [], [])  # what it left is there to see until then
        except Cancelled:
            pass
        except (GreenloopError, OSError, ValueError) as fault:
            self._fault = fault
        finally:
            self._ended.set()
            self._under_way.set()
