"""Where an export goes: to a place of its own, whatever the format."""

from pathlib import Path

import pytest

from greenloop.records import InputError
from greenloop.snapshots.exports import FORMATS
from greenloop.snapshots.store import SnapshotStore


@pytest.mark.parametrize("kind", FORMATS)
def test_no_format_replaces_what_is_there(filled: SnapshotStore, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "out"
    target.write_text("somebody's own")

    with pytest.raises(InputError, match="out is there already") as told:
        FORMATS[kind].write(filled, target)

    assert "that is not there" in told.value.way_out
    assert target.read_text() == "somebody's own"
    assert [path.name for path in tmp_path.iterdir() if "out" in path.name] == ["out"]
