"""Control groups: the limits that bind root too, and all processes of a run together.

``RLIMIT_NPROC`` does not bind the kernel's own root (copy_process() exempts INIT_USER), so a run by root needs
``pids.max``. Both generations are served: v1 hierarchies for memory and pids, and the unified v2 hierarchy below
the nearest ancestor that hands both controllers down. See the kernel's admin-guide/cgroup-v1 and cgroup-v2.
"""

import itertools
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CONTROLLERS = ("memory", "pids")
_FILES = {  # (version, controller): file and what it limits
    (1, "memory"): "memory.limit_in_bytes",
    (1, "pids"): "pids.max",
    (2, "memory"): "memory.max",
    (2, "pids"): "pids.max",
}
_serial = itertools.count()
_NAME = "greenloop"
_LETTING_GO = 0.1
"""Seconds for processes that have ended to leave their group."""


@dataclass(frozen=True)
class Hierarchy:
    """A folder below which groups can be made, and the controllers that hold there."""

    folder: Path
    version: int
    controllers: tuple[str, ...]


def find(proc: Path = Path("/proc/self")) -> tuple[Hierarchy, ...]:
    """Return the hierarchies in which this process may make groups; both controllers, or nothing at all."""
    found = tuple(_writable(proc))
    held = {controller for hierarchy in found for controller in hierarchy.controllers}
    return found if held == set(_CONTROLLERS) else ()


def _writable(proc: Path) -> Iterator[Hierarchy]:
    """Yield each hierarchy with the deepest folder, from this process's own upwards, that takes a group of ours."""
    own = {}
    for line in (proc / "cgroup").read_text("utf-8").splitlines():
        _, names, path = line.split(":", 2)
        own.update(dict.fromkeys(names.split(","), path))
    for names, (mount, root) in _mounts(proc).items():
        version = 2 if names == "" else 1
        inside = os.path.relpath(own.get(names.split(",")[0], root), root)
        if inside.startswith(".."):
            continue
        folders = [mount / inside, *(mount / inside).parents]
        for folder in folders[: len(Path(inside).parts) + 1]:
            held = _held(folder, names, version)
            if held and os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK):
                yield Hierarchy(folder, version, held)
                break


def _held(folder: Path, names: str, version: int) -> tuple[str, ...]:
    """Which of our controllers a new group in this folder would have."""
    if version == 1:
        return tuple(c for c in _CONTROLLERS if c in names.split(","))
    handed_down = folder / "cgroup.subtree_control"
    given = handed_down.read_text("utf-8").split() if handed_down.is_file() else []
    return _CONTROLLERS if set(_CONTROLLERS) <= set(given) else ()


def _mounts(proc: Path) -> dict[str, tuple[Path, str]]:
    """Return {controllers as in /proc/self/cgroup: (mount point, the group that is its root)}."""
    mounts = {}
    for line in (proc / "mountinfo").read_text("utf-8").splitlines():
        before, _, after = line.partition(" - ")
        root, point = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2":
            mounts[""] = (Path(point), root)
        elif kind == "cgroup":
            names = [option for option in options.split(",") if option in _CONTROLLERS]
            if names:
                mounts[",".join(names)] = (Path(point), root)
    return mounts


class Group:
    """One group in each hierarchy, for one run. Whoever makes it removes it."""

    def __init__(self, hierarchies: tuple[Hierarchy, ...]) -> None:
        """Make it, without limits yet. Raises ``OSError`` when it cannot be made."""
        name = f"{owner()}-{next(_serial)}"
        self._hierarchies = hierarchies
        self.folders: list[Path] = []
        try:
            for hierarchy in hierarchies:
                (hierarchy.folder / name).mkdir()
                self.folders.append(hierarchy.folder / name)
        except OSError:
            self.remove()
            raise

    def limit(self, *, memory_bytes: int, processes: int) -> None:
        """Bound all that is in the group together."""
        values = {"memory": str(memory_bytes), "pids": str(processes)}
        for hierarchy, folder in zip(self._hierarchies, self.folders, strict=True):
            for controller in hierarchy.controllers:
                (folder / _FILES[hierarchy.version, controller]).write_text(values[controller])

    def enter(self, pid: int) -> None:
        """Put a process, and all that it will start, into the group."""
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Remove it; ``OSError`` when it is still in use although its processes were ended."""
        while self.folders:
            _remove(self.folders.pop())


def sweep(hierarchies: tuple[Hierarchy, ...]) -> None:
    """Remove the groups that a killed Greenloop of this pid namespace left behind; what still runs in one is killed."""
    space = Path("/proc/self/ns/pid").stat().st_ino
    for hierarchy in hierarchies:
        for folder in hierarchy.folder.glob(f"{_NAME}-*-*-{space}-*"):
            pid, start = map(int, folder.name.split("-")[1:3])
            if _start(pid) != start:
                with suppress(OSError):  # swept by another one just now
                    _remove(folder, patience=0.5)


def owner() -> str:
    """What the names of this process's groups begin with: it tells a process from a later one of the same number."""
    pid = os.getpid()
    return f"{_NAME}-{pid}-{_start(pid)}-{Path('/proc/self/ns/pid').stat().st_ino}"


def _start(pid: int) -> int | None:
    """When a process began, in ticks since the machine did (proc(5), field 22), or ``None`` when there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(stat.rpartition(b")")[2].split()[19])


def _remove(folder: Path, patience: float = 5.0) -> None:
    """Remove a group of which no process is wanted any more.

    The kernel may need some milliseconds to let go of processes that have just ended. What is still there then lost
    its parent to a ``kill -9`` at a bad moment, and is killed.
    """
    begun = time.monotonic()
    while True:
        try:
            folder.rmdir()
        except OSError:
            waited = time.monotonic() - begun
            if waited > patience:
                raise
            if waited > _LETTING_GO:
                _kill_members(folder)
            time.sleep(0.002)
        else:
            return


def _kill_members(folder: Path) -> None:
    for pid in (folder / "cgroup.procs").read_text("ascii").split():
        if pid != "0":  # how a process of another namespace is shown, and how kill() calls its own group
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
