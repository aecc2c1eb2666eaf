"""One file on disk as what a tree can hold: its mode and its bytes, from one moment; or why it stays out."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from greenloop.workspace.store import Mode

Screen = Callable[[str, bytes], str | None]
"""(path, content) → why the file must not be stored, or ``None``."""

Stamp = tuple[int, int, int, int, int]
"""Times of change of content and of status in ns, length, inode, mode."""

NEVER: Stamp = (0, 0, 0, 0, 0)
"""The stamp of no file: what carries it is looked at again the next time."""

SETTLED_NS = 2_000_000_000
"""A time stamp younger than this may stay the same over one more write: FAT counts in 2 s, ext4 in ticks of 4 ms."""

CHANGING = "changed while it was read"
_ATTEMPTS = 3


class Left(Exception):  # noqa: N818 - no fault: the file is left out and reported
    """The file stays out of the tree."""

    def __init__(self, reason: str, stamp: Stamp) -> None:
        super().__init__(reason)
        self.reason = reason
        self.stamp = stamp


@dataclass(frozen=True, slots=True)
class Content:
    """What a file, or the target of a link, is made of."""

    mode: Mode
    content: bytes
    stamp: Stamp


def stamp_of(status: os.stat_result) -> Stamp:
    """Return what changes when the file does."""
    # the change time too: `touch -r` and `rsync --times` put the modification time back, never this one
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)


def read_file(full: bytes, status: os.stat_result, max_bytes: int) -> Content:
    """Read the file or link at ``full``, whose ``lstat`` is ``status``; no link is followed, no pipe waited for.

    Raises ``Left`` when it is too large, of no kind that a tree holds, or never still; ``OSError`` as the system does.
    """
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(full)  # noqa: PTH115 - the bytes of a name, which need not be text
        return Content(Mode.LINK, target, stamp_of(status))
    if not stat.S_ISREG(status.st_mode):
        raise Left("not a regular file", stamp_of(status))
    if status.st_size > max_bytes:
        raise Left(f"larger than {max_bytes} bytes ({status.st_size})", stamp_of(status))
    content, status = _read_whole(full, max_bytes)
    mode = Mode.EXECUTABLE if status.st_mode & stat.S_IXUSR else Mode.FILE
    return Content(mode, content, stamp_of(status))


def _read_whole(full: bytes, limit: int) -> tuple[bytes, os.stat_result]:
    for _ in range(_ATTEMPTS):
        handle = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            before = os.fstat(handle)
            # one byte more than there should be, so that most files are known whole after one more, empty, read
            content = os.read(handle, min(before.st_size, limit) + 1)
            while len(content) <= limit and (more := os.read(handle, limit + 1)):
                content += more
            after = os.fstat(handle)
        finally:
            os.close(handle)
        if stamp_of(before) == stamp_of(after) and len(content) == after.st_size:
            return content, after
    raise Left(CHANGING, NEVER)


def is_text(path: bytes) -> bool:
    """Return whether a name is UTF-8, as the paths of a tree are."""
    try:
        path.decode()
    except UnicodeDecodeError:
        return False
    return True
