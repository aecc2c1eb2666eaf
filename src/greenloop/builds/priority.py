"""Giving way: this process, and all that it starts from then on, gets what nobody else wants of the machine."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOWEST = 19
_AUTOGROUP = Path("/proc/self/autogroup")
_IDLE = ("--class", "3")
_LOW = ("--class", "2", "--classdata", "7")


def give_way() -> None:
    """Take the lowest CPU priority and a single core, for the rest of this process's life.

    To be called before any thread is started. The one core is what makes a build of any tool one at a time: tools count
    the processors that they may use.
    """
    os.nice(_LOWEST)
    if os.getsid(0) == os.getpid():
        # sessions compete as groups (sched_autogroup), within which alone a process's own priority counts; in a session
        # of others, such as a terminal's, it would slow all of them
        with suppress(OSError):
            _AUTOGROUP.write_text(str(_LOWEST), "ascii")
    with suppress(OSError):
        # the last: the first one is where interrupts usually go
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    _ionice(_LOW)


@contextmanager
def idle_disk() -> Iterator[None]:
    """Be in the idle I/O class, as is all that is started in the block; only in a process's first thread.

    Only for a while, and never around what others wait for: in that class, writing a database that others write too
    could keep them waiting until the disk has nothing else to do.
    """
    _ionice(_IDLE)
    try:
        yield
    finally:
        _ionice(_LOW)


def _ionice(words: tuple[str, ...]) -> None:
    """Set the I/O class by util-linux; where that is missing, the kernel derives a low one from the CPU priority."""
    ionice = shutil.which("ionice")
    if ionice is not None:
        subprocess.run([ionice, *words, "--pid", str(os.getpid())], check=False, capture_output=True, timeout=60)
