"""Files of lines that only grow."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.records import EnvironmentFault
from greenloop.storage.lines import Lines, append_line, read_lines

_TEXT = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(deadline=None)
@given(st.lists(_TEXT, max_size=8))
def test_lines_come_back_as_they_went_in(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = tmp_path_factory.mktemp("lines") / "deep" / "file"
    for text in texts:
        append_line(path, text)
    assert read_lines(path) == Lines(tuple(enumerate(texts, 1)))


def test_a_torn_line_is_told_with_its_number_and_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    append_line(path, "one")
    append_line(path, "zwölf")
    path.write_bytes(path.read_bytes()[:-4])
    # the tear falls within the letter ö
    assert read_lines(path) == Lines(((1, "one"),), (2, "zw\udcc3"))
    append_line(path, "three")
    assert read_lines(path) == Lines(((1, "one"), (2, "zw\udcc3"), (3, "three")))


def test_a_line_end_within_a_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line end"):
        append_line(tmp_path / "file", "a\nb")
    assert not (tmp_path / "file").exists()


def test_what_the_disk_refuses_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="that is a folder"):
        append_line(tmp_path, "x")


def test_a_full_disk_is_named() -> None:
    with pytest.raises(EnvironmentFault, match="the disk is full"):
        append_line(Path("/dev/full"), "x")
