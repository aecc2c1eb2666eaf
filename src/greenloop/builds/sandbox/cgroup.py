"""Control groups: the limits that bind root too, and all processes of a run together.

``RLIMIT_NPROC`` does not bind the kernel's own root (copy_process() exempts INIT_USER), so a run by root needs
``pids.max``. Both generations are served: v1 hierarchies for memory and pids, and the unified v2 hierarchy below
the nearest ancestor that hands both controllers down. See the kernel's admin-guide/cgroup-v1 and cgroup-v2.
"""

import itertools
import os
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
        name = f"greenloop-{os.getpid()}-{next(_serial)}"
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

    def remove(self) -> None:
        """Remove it; ``OSError`` when it is still in use although its processes were ended."""
        while self.folders:
            _remove(self.folders.pop())


def sweep(hierarchies: tuple[Hierarchy, ...]) -> None:
    """Remove the groups that a killed Greenloop left behind; they are empty, its processes died with it."""
    for hierarchy in hierarchies:
        for folder in hierarchy.folder.glob("greenloop-*-*"):
            if not Path("/proc", folder.name.split("-")[1]).exists():
                with suppress(OSError):  # in use after all (by another pid namespace), or swept by another one
                    folder.rmdir()


def _remove(folder: Path, patience: float = 5.0) -> None:
    """Remove a group; the kernel may need some milliseconds to let go of processes that have just ended."""
    deadline = time.monotonic() + patience
    while True:
        try:
            folder.rmdir()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.002)
        else:
            return
