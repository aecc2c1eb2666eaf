"""Giving way: this process, and all that it starts from then on, gets what nobody else wants of the machine."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

_LOWEST = 19
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way() -> None:
    """Take the lowest CPU priority, the idle I/O class and a single core, for the rest of this process's life.

    To be called before any thread is started, in a process that leads a session of its own. The one core is what makes
    a build of any tool one at a time: tools count the processors that they may use. The I/O class is set by
    util-linux' ``ionice``; where that is missing, the kernel derives the lowest ordinary one from the CPU priority.
    """
    os.nice(_LOWEST)
    with suppress(OSError):
        # sessions compete as groups (sched_autogroup), within which alone a process's own priority counts
        _AUTOGROUP.write_text(str(_LOWEST), "ascii")
    with suppress(OSError):
        # the last: the first one is where interrupts usually go
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    ionice = shutil.which("ionice")
    if ionice is not None:
        subprocess.run(
            [ionice, "--class", "3", "--pid", str(os.getpid())], check=False, capture_output=True, timeout=10
        )
