"""Files that a library writes by itself."""

from pathlib import Path

import pytest

from greenloop.records import EnvironmentFault
from greenloop.storage import staged


def test_what_was_written_takes_the_place(tmp_path: Path) -> None:
    path = tmp_path / "deep/a"
    with staged(path) as beside:
        beside.write_text("one")
        assert not path.exists()
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def _fill(path: Path) -> None:
    path.write_text("new")
    raise OSError(28, "No space left on device")


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(EnvironmentFault, match="the disk is full"), staged(path) as beside:
        _fill(beside)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
