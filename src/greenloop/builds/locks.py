"""Locks between threads and processes on files that may be removed while somebody waits for them.

A lock is ``flock`` on a file of its own: it belongs to the open file, so threads of one process exclude each other
too, and the kernel lets go of it when the process ends in whatever way.
"""

import fcntl
import os
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from greenloop.builds.stop import Stop

_POLL_MS = 20.0
"""How often a lock is tried again by whoever may be stopped meanwhile; the stop itself is noticed at once."""


def shared(lock: Path, stop: Stop | None = None) -> int:
    """Lock the file at ``lock`` together with others, and return its handle; closing that lets go.

    The file is created when missing. Waits; raises ``Cancelled`` when ``stop`` is requested meanwhile.
    """
    return _acquire(lock, fcntl.LOCK_SH, stop)


def alone(lock: Path, stop: Stop | None = None) -> int:
    """The same, with nobody beside."""
    return _acquire(lock, fcntl.LOCK_EX, stop)


@contextmanager
def locked(lock: Path, stop: Stop | None = None) -> Iterator[None]:
    """Hold the lock with nobody beside."""
    handle = alone(lock, stop)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def locked_if_free(lock: Path) -> Iterator[bool]:
    """Hold the lock with nobody beside if it is to be had at once, and tell whether it was."""
    try:
        handle = _acquire(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, None)
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def _acquire(lock: Path, how: int, stop: Stop | None) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _flock(handle, how, stop)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), lock.stat()):
                    return handle
        except BaseException:
            os.close(handle)
            raise
        # removed while we waited: this file is no longer the lock that the others see
        os.close(handle)


def _flock(handle: int, how: int, stop: Stop | None) -> None:
    if stop is None:
        fcntl.flock(handle, how)
        return
    poll = select.poll()
    poll.register(stop.fileno(), select.POLLIN)
    while True:
        stop.check()
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if how & fcntl.LOCK_NB:
                raise
            poll.poll(_POLL_MS)
        else:
            return
