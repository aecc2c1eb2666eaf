"""Replacing a file whole, and naming what the disk refused."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
    with named_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            _put(Path(name), path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Give the path of an empty file beside ``path``, for a library that opens what it writes itself.

    At the end of the block what stands there is synced and takes the place of ``path``; else it is as ``replacing``.
    """
    with named_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        try:
            yield Path(name)
            with Path(name).open("rb") as written:
                os.fsync(written.fileno())
            _put(Path(name), path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise


def _put(written: Path, path: Path) -> None:
    # mkstemp makes files private; a result that people share gets the modes that open() gives
    umask = os.umask(0)
    os.umask(umask)
    written.chmod(0o666 & ~umask)
    written.replace(path)
