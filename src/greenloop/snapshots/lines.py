"""Reading a file of lines of text, xz-compressed or plain, with errors that name file and line."""

import lzma
from collections.abc import Iterator
from pathlib import Path

from greenloop.records import RecordError
from greenloop.storage import named_io_errors

MAX_LINE_BYTES = 256 << 20
"""Longest line that is read; it holds one file's content at most."""
_XZ = b"\xfd7zXZ\x00"


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, line without its end) of ``path``; what it is is told by its first bytes.

    Raises ``RecordError`` when the file is missing, empty, damaged or cut short, or a line is longer than
    ``MAX_LINE_BYTES``: a few KiB of xz can hold one that no memory can.
    """
    if not path.is_file():
        raise RecordError(f"{path}: no such file", "check the path")
    number = 0
    with named_io_errors(path), path.open("rb") as raw:
        compressed = raw.read(len(_XZ)) == _XZ
        raw.seek(0)
        try:
            with lzma.open(raw) if compressed else raw as file:
                while line := file.readline(MAX_LINE_BYTES + 1):
                    number += 1
                    if len(line) > MAX_LINE_BYTES:
                        raise RecordError(f"{path}:{number}: a line of more than {MAX_LINE_BYTES >> 20} MiB", _AGAIN)
                    if not line.endswith(b"\n"):
                        raise RecordError(f"{path}:{number}: the last line is cut short", _AGAIN)
                    yield number, line[:-1]
        except (lzma.LZMAError, EOFError) as error:
            raise RecordError(f"{path}: after line {number}: damaged or cut short: {error}", _AGAIN) from error
    if number == 0:
        raise RecordError(f"{path}: the file is empty", _AGAIN)


_AGAIN = "get the file again"
