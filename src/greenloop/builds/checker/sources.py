"""Writing files of a tree that somebody else could have touched: no path ever passes through a link."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.records import InfrastructureError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Sources:
    """The tree below ``root``; any ``OSError`` of the methods says that it is not as it must be."""

    def __init__(self, root: Path) -> None:
        # the last part of the path is the sandbox's own mount point; what is above it belongs to the kernel
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Give the file descriptor back; it keeps the sandbox's mounts alive."""
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def write(self, path: str, content: bytes) -> None:
        """Write a file in place, or make it, in a folder that is there."""
        with self.folder(path.rpartition("/")[0]) as folder:
            name = path.rpartition("/")[2]
            try:
                file = os.open(name, _FILE | os.O_TRUNC, dir_fd=folder)
            except FileNotFoundError:
                file = os.open(name, _FILE | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=folder)
            with os.fdopen(file, "wb") as opened:
                if not stat.S_ISREG(os.fstat(file).st_mode):
                    raise InfrastructureError(f"{path}: a plain file was expected in the checker's tree")
                opened.write(content)

    def remove(self, path: str) -> None:
        """Remove a file that is there."""
        with self.folder(path.rpartition("/")[0]) as folder:
            os.unlink(path.rpartition("/")[2], dir_fd=folder)

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """Open a folder below the root, one part after another; raises ``OSError`` at a link."""
        at = os.dup(self._root)
        try:
            for part in path.split("/") if path else ():
                below = os.open(part, _FOLDER, dir_fd=at)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)
