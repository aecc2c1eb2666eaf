"""Whether this machine has time to spare: what work that nobody waits for asks before it begins.

Absent here: any waiting. Everything is read below ``/proc``, nothing is locked and nothing of the user's is opened.
"""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

_PROC = Path("/proc")


class Load(Protocol):
    """Tells how busy the machine's processors are."""

    def waiting(self) -> float:
        """Return a share from 0 to 1: 0 when nobody waits for a processor, 1 when somebody always does."""
        ...


class MachineLoad:
    """This machine's processors.

    By the kernel's pressure stall information (``/proc/pressure/cpu``, ``some avg10``: the share of the last ten
    seconds in which a process that could run had to wait). Kernels that do not keep it tell at least how many processes
    want to run: what has no processor of its own among them waits, by the average of the last minute or right now,
    whichever is more, so that a build is noticed when it begins, and not forgotten in its pauses.
    """

    def __init__(self, proc: Path = _PROC, *, cores: int | None = None) -> None:
        self._proc = proc
        self._cores = cores or os.cpu_count() or 1

    def waiting(self) -> float:
        """See ``Load.waiting``; 0 where the system tells nothing at all."""
        pressure = self._pressure()
        if pressure is not None:
            return pressure
        return max((self._share(count) for count in self._wanting()), default=0.0)

    def _pressure(self) -> float | None:
        with suppress(OSError, ValueError, IndexError):
            for line in (self._proc / "pressure/cpu").read_text("ascii").splitlines():
                if line.startswith("some "):
                    return float(line.split("avg10=", 1)[1].split()[0]) / 100
        return None

    def _wanting(self) -> Iterator[float]:
        """Yield how many processes want to run: over the last minute, and at the moment without the one that asks."""
        with suppress(OSError, ValueError, IndexError):
            yield float((self._proc / "loadavg").read_text("ascii").split()[0])
        with suppress(OSError, ValueError, IndexError):
            text = (self._proc / "stat").read_text("ascii")
            yield float(text.split("procs_running ", 1)[1].split()[0]) - 1

    def _share(self, wanting: float) -> float:
        return 0.0 if wanting <= self._cores else 1 - self._cores / wanting


class ScriptedLoad:
    """The fake: answers what it was given, one after the other, and the last of them from then on."""

    def __init__(self, shares: Iterable[float] = (0.0,)) -> None:
        self._shares = deque(shares)

    def waiting(self) -> float:
        """Return the next share."""
        return self._shares.popleft() if len(self._shares) > 1 else self._shares[0]


def locked_by_others(file: Path, proc: Path = _PROC) -> bool:
    """Say whether any process holds a lock (``flock`` or ``fcntl``) on a file, which is only looked at, never opened.

    dune 3 locks ``_build/.lock`` for as long as it builds or watches.
    """
    try:
        wanted = file.stat(follow_symlinks=False)
        lines = (proc / "locks").read_text("ascii", "replace").splitlines()
    except OSError:
        return False
    for line in lines:
        # 1: FLOCK  ADVISORY  WRITE 23373 fe:00:2293988 0 EOF; a waiting one has an arrow behind its number
        words = line.split()
        if "->" in words or len(words) < 6 or words[5].rpartition(":")[2] != str(wanted.st_ino):
            continue
        major, minor, _ = words[5].split(":")
        if (int(major, 16), int(minor, 16)) == (os.major(wanted.st_dev), os.minor(wanted.st_dev)):
            return True
        if _opened(proc / words[4] / "fd", wanted):
            return True
    return False


def _opened(descriptors: Path, wanted: os.stat_result) -> bool:
    """Say whether a process has that very file open: btrfs and overlayfs show locks by other devices."""
    with suppress(OSError):
        for descriptor in descriptors.iterdir():
            with suppress(OSError):
                if os.path.samestat(descriptor.stat(), wanted):
                    return True
    return False
