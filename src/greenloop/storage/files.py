"""Replacing a file whole, and naming what the disk refused."""

import errno
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from greenloop.records import EnvironmentFault

_WAYS_OUT = {
    errno.ENOENT: "check the path",
    errno.ENOSPC: "the disk is full: free some space and run the command again; nothing was half written",
    errno.EDQUOT: "your disk quota is used up: free some space and run the command again",
    errno.EROFS: "the file system is read-only: choose another place",
    errno.EACCES: "permission denied: choose a place that you may write to",
    errno.EPERM: "permission denied: choose a place that you may write to",
    errno.ENOTDIR: "a part of that path is a file: choose another place",
    errno.EEXIST: "a part of that path is a file: choose another place",
    errno.EISDIR: "that is a folder: name a file",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.EFBIG: "a limit on the size of files (`ulimit -f`) was reached: raise it; nothing was half written",
}


@contextmanager
def named_io_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` about ``path`` into an ``EnvironmentFault`` that says what to do."""
    try:
        yield
    except OSError as error:
        way_out = _WAYS_OUT.get(error.errno or 0, "")
        raise EnvironmentFault(f"{path}: {error.strerror or error}", way_out) from error


def made_once(path: Path, make: Callable[[], str]) -> str:
    """Return the line that the private file ``path`` holds; ``make`` gives it when the file is missing.

    Of several processes that come at once one makes it. Raises ``EnvironmentFault`` when the disk refuses.
    """
    with named_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return path.read_text("ascii", "replace").strip()
        text = make()
        with os.fdopen(handle, "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
    return text


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a reader, or a crash at any moment, sees the old file or the new one.

    Raises ``EnvironmentFault`` when the disk refuses; then the old file is untouched.
    """
    with replacing(path) as file:
        file.write(content)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Give a file to write to, bit by bit, that takes the place of ``path`` at the end of the block.

    When the block raises, the old file is untouched. An ``OSError`` in it is taken for the disk's refusal of this file,
    and raised as ``EnvironmentFault``.
    """
    with named_io_errors(path), _fresh(path) as (file, name):
        yield file
        _finish(file)
        name.replace(path)


@contextmanager
def replacing_together(paths: Sequence[Path]) -> Iterator[tuple[IO[bytes], ...]]:
    """Give a file to write to for each of ``paths``, all in one folder, that take their places at the end of the block.

    The last of them vouches for the others: it goes before any is replaced and comes when all have been, so that after
    a kill in between it is missing. Of several processes one at a time puts its files in place. Raises as ``replacing``
    does; then, unless a rename is what the disk refused, all old files are untouched.
    """
    with named_io_errors(paths[0]), ExitStack() as held:
        fresh = [held.enter_context(_fresh(path)) for path in paths]
        yield tuple(file for file, _ in fresh)
        for file, _ in fresh:
            _finish(file)
        folder = os.open(paths[0].parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        held.callback(os.close, folder)
        # the lock is on the folder, so it leaves no file behind, and it ends with the process
        fcntl.flock(folder, fcntl.LOCK_EX)
        paths[-1].unlink(missing_ok=True)
        for path, (_, name) in zip(paths, fresh, strict=True):
            name.replace(path)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give the path of an empty file beside ``path``, for a library that opens what it writes itself.

    At the end of the block what stands there is synced and takes the place of ``path``; else it is as ``replacing``.
    """
    with named_io_errors(path), _fresh(path) as (_, name):
        yield name
        with name.open("r+b") as written:
            _finish(written)
        name.replace(path)


@contextmanager
def _fresh(path: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """Make a private file beside ``path``; it goes at the end unless it has been renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file, Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _finish(file: IO[bytes]) -> None:
    """Wait until the disk has it; a result that people share gets the modes that ``open`` gives, not ``mkstemp``'s."""
    file.flush()
    umask = os.umask(0)
    os.umask(umask)
    os.fchmod(file.fileno(), 0o666 & ~umask)
    os.fsync(file.fileno())


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, 64 hexadecimal digits. 100 MB take a tenth of a second."""
    with named_io_errors(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
