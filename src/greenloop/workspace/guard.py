"""Who may do what to a store at the same time: two locks of the kernel's (``flock``), let go of however a process ends.

``greenloop-writers.lock`` is shared by all who stage objects, and held alone by whoever moves or removes them;
``greenloop-upkeep.lock`` lets one upkeep run at a time. Who holds both took the upkeep's first.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.records import Overloaded
from greenloop.storage import named_io_errors


class Guard:
    """The locks of the store at ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._writers = folder / "greenloop-writers.lock"
        self._upkeep = folder / "greenloop-upkeep.lock"

    @contextmanager
    def writing(self) -> Iterator[int]:
        """Write beside others. Yields the age of the store: it differs once anything was removed from it."""
        with _locked(self._writers, fcntl.LOCK_SH) as handle:
            yield os.fstat(handle).st_size

    @contextmanager
    def moving(self, *, removed: bool = False) -> Iterator[None]:
        """Move staged objects, or remove objects (``removed``), with no writer beside. Waits for those that are."""
        with _locked(self._writers, fcntl.LOCK_EX) as handle:
            if removed:
                # first: what others remember of the store may be gone even if only a part gets removed
                with named_io_errors(self._writers):
                    os.ftruncate(handle, os.fstat(handle).st_size + 1)
            yield

    @contextmanager
    def upkeep(self, *, wait: bool = True) -> Iterator[None]:
        """Be the only upkeep. Raises ``Overloaded`` when another one runs and ``wait`` is not set."""
        try:
            with _locked(self._upkeep, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)):
                yield
        except BlockingIOError as error:
            raise Overloaded(
                f"{self._upkeep.parent}: upkeep is running already", "try again when it is done"
            ) from error


@contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    with named_io_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, how)
        yield handle
    finally:
        os.close(handle)
