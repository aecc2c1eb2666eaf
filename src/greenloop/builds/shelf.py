"""The folder in which warm trees stand, of every kind: what is there, whether it is whole, who holds it, its end.

A build stands in ``KIND-TREE/``: the tree in ``w``, ``built`` where its own build succeeded, and ``whole``, which says
what ``w`` held when it was complete. Beside it lies ``KIND-TREE.lock``, held shared by whoever uses it and alone by
whoever makes or removes it. What begins with a dot is being made or removed, or was when somebody was killed.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from greenloop.builds.locks import locked_if_free, shared
from greenloop.builds.stop import Stop
from greenloop.records import Part, RecordError, TreeId
from greenloop.storage import named_io_errors

_HALF_MADE_SECONDS = 10.0
"""A folder younger than this may belong to somebody who has not locked it yet."""
_TREE_DIGITS = 40


class Extent(Part):
    """What a complete warm tree holds, as its file ``whole`` says."""

    bytes: int
    """Disk that it takes, in bytes: blocks, not lengths; hard links once."""
    files: int
    digest: str
    """sha256 over each path with its kind, mode, length and time of change, or where the link leads."""


class Hold:
    """A warm tree that cannot be removed until this is closed."""

    def __init__(self, tree: TreeId, folder: Path, handle: int) -> None:
        self.tree = tree
        self.folder = folder
        """The build's folder; the tree lies in ``w`` below it."""
        self._handle = handle

    def close(self) -> None:
        """Let go; any number of times."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Place:
    """Where one warm tree stands."""

    kind: str
    tree: TreeId
    folder: Path

    @property
    def lock(self) -> Path:
        """The file that is locked for it."""
        return self.folder.with_name(f"{self.folder.name}.lock")

    @property
    def built(self) -> bool:
        """Whether its own build succeeded."""
        return (self.folder / "built").exists()


class Shelf:
    """The warm trees below ``root`` whose kind begins with ``kind``."""

    def __init__(self, root: Path, kind: str = "") -> None:
        self.root = root
        self._kind = kind

    def places(self, tree: TreeId | None = None) -> tuple[Place, ...]:
        """Return the complete ones, or those of one tree, by name."""
        found = []
        for folder in sorted(self.root.glob(f"{self._kind}*-{tree or '?' * _TREE_DIGITS}/")):
            if not folder.name.startswith("."):
                kind, _, of = folder.name.rpartition("-")
                found.append(Place(kind, of, folder))
        return tuple(found)

    def hold(self, place: Place, stop: Stop | None = None) -> Hold | None:
        """Hold a warm tree against removal; ``None`` when it is not there (any more).

        Raises ``Cancelled`` when ``stop`` is requested while somebody makes or removes it.
        """
        handle = shared(place.lock, stop)
        if not place.folder.is_dir():
            os.close(handle)
            return None
        os.utime(place.lock)
        return Hold(place.tree, place.folder, handle)

    def size(self, tree: TreeId) -> int:
        """Return the bytes of disk that the builds of a tree take, 0 where there is none."""
        return sum(map(self.size_of, self.places(tree)))

    def size_of(self, place: Place) -> int:
        """Return the bytes of disk that one build takes, as measured when it was completed; 0 when it is gone."""
        try:
            return _extent(place.folder).bytes
        except RecordError:
            return measure(place.folder / "w").bytes if (place.folder / "w").is_dir() else 0

    def whole(self, place: Place) -> bool:
        """Say whether a build is as it was when it was completed, by every file's kind, mode, length and time."""
        try:
            extent = _extent(place.folder)
        except RecordError:
            return False
        return measure(place.folder / "w") == extent

    def held(self) -> frozenset[TreeId]:
        """Return the trees of which somebody holds a build, this process or another."""
        return frozenset(place.tree for place in self.places() if self.is_held(place))

    def is_held(self, place: Place) -> bool:
        """Say whether somebody holds one build, or removes it just now."""
        with locked_if_free(place.lock) as free:
            return not free

    def evict(self, tree: TreeId) -> bool:
        """Remove the builds of a tree that nobody holds; say whether none is left."""
        gone = [self.remove(place) for place in self.places(tree)]
        return all(gone)

    def remove(self, place: Place) -> bool:
        """Remove one build unless somebody holds it; say whether it is gone."""
        with locked_if_free(place.lock) as free, named_io_errors(place.folder):
            if free:
                if place.folder.is_dir():
                    # renamed first: a kill half way must not leave a damaged folder under a good name
                    doomed = Path(tempfile.mkdtemp(prefix=f".{place.folder.name}.", dir=self.root))
                    place.folder.rename(doomed / "old")
                    discard(doomed)
                place.lock.unlink(missing_ok=True)
        return free

    def used(self) -> tuple[Place, ...]:
        """Return the complete ones, the most recently used first."""
        times = []
        for place in self.places():
            with suppress(FileNotFoundError):
                times.append((place.lock.stat().st_mtime, place))
        return tuple(place for _, place in sorted(times, key=lambda one: one[0], reverse=True))

    def sweep(self) -> None:
        """Remove what killed processes left half made or half removed, and the locks of what is gone."""
        for leftover in self.root.glob(".*-*/"):
            name = leftover.name.removeprefix(".").rpartition(".")[0]
            with suppress(FileNotFoundError):
                if leftover.name.startswith(".delta-"):
                    _discard_if_free(leftover)
                elif name:
                    with locked_if_free(self.root / f"{name}.lock") as free:
                        if free:
                            discard(leftover)
        for lock in self.root.glob(f"{self._kind}*-{'?' * _TREE_DIGITS}.lock"):
            with locked_if_free(lock) as free:
                if free and not lock.with_suffix("").is_dir():
                    lock.unlink(missing_ok=True)


def complete(folder: Path) -> None:
    """Write down what a build's folder holds, as the last thing before it gets its name."""
    (folder / "whole").write_text(measure(folder / "w").model_dump_json())


def measure(folder: Path) -> Extent:
    """Look at every file below ``folder``; nothing is opened."""
    digest, total, files = hashlib.sha256(), 0, 0
    linked: set[tuple[int, int]] = set()
    for path, status in _walk(os.fsencode(folder)):
        name = path[len(os.fsencode(folder)) :]
        kind = stat.S_IFMT(status.st_mode)
        told: tuple[object, ...] = (name, status.st_mode)
        if kind == stat.S_IFREG:
            files += 1
            told += (status.st_size, status.st_mtime_ns)
        elif kind == stat.S_IFLNK:
            told += (os.readlink(path),)  # noqa: PTH115 - the bytes of a name, which need not be text
        digest.update(repr(told).encode())
        if status.st_nlink == 1 or kind == stat.S_IFDIR or (status.st_dev, status.st_ino) not in linked:
            total += status.st_blocks * 512
            linked.add((status.st_dev, status.st_ino))
    return Extent(bytes=total, files=files, digest=digest.hexdigest())


def _walk(folder: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        yield entry.path, entry.stat(follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)


def _extent(folder: Path) -> Extent:
    """Raises ``RecordError`` when the build does not say how large it is."""
    try:
        return Extent.model_validate_json((folder / "whole").read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"{folder}: not a whole warm build: {error}", "remove the folder") from error


@contextmanager
def delta_folder(root: Path) -> Iterator[Path]:
    """A folder for the files of one run, locked so that ``Shelf.sweep`` leaves it alone; removed at the end."""
    with named_io_errors(root):
        folder = Path(tempfile.mkdtemp(prefix=".delta-", dir=root))
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield folder
    finally:
        os.close(handle)
        discard(folder)


def _discard_if_free(folder: Path) -> None:
    if time.time() - folder.stat().st_mtime < _HALF_MADE_SECONDS:
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    else:
        discard(folder)
    finally:
        os.close(handle)


def discard(folder: Path) -> None:
    """Remove a folder in which a build may have taken permissions away, even from itself."""
    for at, folders, _ in os.walk(folder):
        for name in folders:
            if not (Path(at) / name).is_symlink():
                (Path(at) / name).chmod(0o700)
    shutil.rmtree(folder)
