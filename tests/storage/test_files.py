import stat
from pathlib import Path

import pytest

from greenloop.records import EnvironmentFault
from greenloop.storage import replacing, write_atomically


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert list(target.parent.iterdir()) == [target]
    assert stat.S_IMODE(target.stat().st_mode) & stat.S_IRUSR


def test_a_path_through_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFault, match="file") as error:
        write_atomically(tmp_path / "file" / "below", b"")
    assert error.value.way_out


def test_a_file_that_is_written_bit_by_bit_comes_at_the_end_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with replacing(target) as file:
        file.write(b"one")
        assert not target.exists()
        file.write(b"two")
    assert target.read_bytes() == b"onetwo"
    assert stat.S_IMODE(target.stat().st_mode) & stat.S_IRGRP

    def interrupted() -> None:
        with replacing(target) as file:
            file.write(b"three")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert target.read_bytes() == b"onetwo"
    assert list(tmp_path.iterdir()) == [target]
