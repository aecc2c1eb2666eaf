"""Columns as editors count them, against the text that they would cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.aid.protocol.base import Encoding, Position
from greenloop.aid.protocol.positions import Columns, problem_of
from greenloop.records import Category, Diagnostic, Severity, Span

TEXT = 'let é = "😀"\r\nx\n'


@pytest.mark.parametrize(("encoding", "column"), [(Encoding.UTF8, 14), (Encoding.UTF16, 11), (Encoding.UTF32, 10)])
def test_a_place_behind_characters_of_every_width(encoding: Encoding, column: int) -> None:
    # the closing quote: after 5 + 1 + 3 + 1 + 1 characters, of which é has 2 bytes and 😀 has 4
    columns = Columns(TEXT, encoding)
    assert columns.outside(1, 14) == Position(line=0, column=column)
    assert columns.inside(Position(line=0, column=column)) == (1, 14)


def test_beyond_the_end_means_the_end() -> None:
    columns = Columns(TEXT, Encoding.UTF16)
    assert columns.inside(Position(line=0, column=99)) == (1, 15)
    assert columns.inside(Position(line=99, column=0)) == (3, 0)
    assert columns.outside(1, 99) == Position(line=0, column=12)
    assert columns.outside(99, 4) == Position(line=2, column=0)


def test_within_a_character_means_its_beginning() -> None:
    assert Columns("😀x", Encoding.UTF16).inside(Position(line=0, column=1)) == (1, 0)
    assert Columns("😀x", Encoding.UTF8).inside(Position(line=0, column=3)) == (1, 0)
    assert Columns("😀x", Encoding.UTF32).outside(1, 2) == Position(line=0, column=0)


@given(st.text(st.characters(blacklist_categories=["Cs"])), st.integers(0, 5), st.integers(0, 40))
def test_all_encodings_mean_the_same_place(text: str, line: int, column: int) -> None:
    place = Columns(text, Encoding.UTF32).inside(Position(line=line, column=column))
    for encoding in Encoding:
        columns = Columns(text, encoding)
        assert columns.inside(columns.outside(*place)) == place


def test_a_diagnostic_in_the_clients_columns() -> None:
    found = Diagnostic(
        severity=Severity.ERROR, category=Category.TYPE, message="no", path="a.ml",
        span=Span(line=1, column=9, end_line=1, end_column=15),
    )  # fmt: skip
    problem = problem_of(found, TEXT, Encoding.UTF16)
    assert problem.range is not None
    assert (problem.range.start.column, problem.range.end.column) == (8, 12)
    unread = problem_of(found, None, Encoding.UTF16)
    assert unread.range is not None
    assert (unread.range.start, unread.range.end) == (Position(line=0, column=0), Position(line=1, column=0))
