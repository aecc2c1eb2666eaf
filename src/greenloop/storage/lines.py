"""Files of lines that only ever grow: one write a line, so that a crash tears the last line at most."""

import os
from dataclasses import dataclass
from pathlib import Path

from greenloop.storage.files import named_io_errors

_NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class Lines:
    """What a file of lines holds: (line number from 1, text without its line end) for each line that is not empty.

    ``torn`` is a last line that has no line end: the write of it was cut off.
    """

    whole: tuple[tuple[int, str], ...] = ()
    torn: tuple[int, str] | None = None


def append_line(path: Path, text: str) -> None:
    """Append ``text`` and a line end to ``path`` (created when missing), and wait until the disk has it.

    The line goes out in one ``write`` with ``O_APPEND``, so lines of several processes never mix (POSIX ``write``).
    After a torn line a line end is written first, so the torn line stays alone. Raises ``EnvironmentFault`` when the
    disk refuses, or takes a part of the line only.
    """
    if _NEWLINE in text.encode():
        raise ValueError("a line that is appended holds no line end of its own")
    with named_io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != _NEWLINE
            line = (_NEWLINE if torn else b"") + text.encode() + _NEWLINE
            written = os.write(handle, line)
            os.fsync(handle)
            if written != len(line):
                # only a disk that is nearly full takes a part; the next write then says why it takes no more
                os.write(handle, line[written:])
                os.fsync(handle)
        finally:
            os.close(handle)


def read_lines(path: Path) -> Lines:
    """Return the lines of ``path``; none when there is no such file.

    Bytes that are no UTF-8 come as lone surrogates (``surrogateescape``): a tear may fall within a character, and
    records refuse such text. Raises ``EnvironmentFault`` when the disk refuses.
    """
    with named_io_errors(path):
        if not path.exists():
            return Lines()
        content = path.read_bytes()
    *whole, last = content.decode("utf-8", "surrogateescape").split("\n")
    return Lines(
        whole=tuple((number, line) for number, line in enumerate(whole, 1) if line),
        torn=(len(whole) + 1, last) if last else None,
    )
