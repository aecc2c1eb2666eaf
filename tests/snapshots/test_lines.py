"""Reading lines from a file that may be hostile."""

import lzma
from itertools import repeat
from pathlib import Path

import pytest

from greenloop.records import RecordError
from greenloop.snapshots.lines import MAX_LINE_BYTES, read_lines


def test_a_line_that_no_memory_can_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xz"
    compressor = lzma.LZMACompressor(preset=0)
    piece = b"a" * (1 << 20)
    with path.open("wb") as file:
        file.write(compressor.compress(b"first\n"))
        for part in repeat(piece, (MAX_LINE_BYTES >> 20) + 1):
            file.write(compressor.compress(part))
        file.write(compressor.flush())

    lines = read_lines(path)
    assert next(lines) == (1, b"first")
    with pytest.raises(RecordError, match=r"bomb\.xz:2: a line of more than 256 MiB"):
        next(lines)
