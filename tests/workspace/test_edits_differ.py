"""The difference of two texts: exact, tidy, and cheap even where nothing anchors it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.workspace.edits.differ import Hunk, hunks

LINES = st.lists(st.sampled_from("abcdef"), max_size=30)


@settings(max_examples=500, deadline=None)
@given(old=LINES, new=LINES)
def test_hunks_turn_the_old_into_the_new(old: list[str], new: list[str]) -> None:
    result: list[str] = []
    at = new_at = 0
    for hunk in hunks(old, new):
        assert hunk.end > hunk.start or hunk.new_end > hunk.new_start
        # at least one equal line between neighbours, the same on both sides
        kept = old[at : hunk.start]
        assert kept == new[new_at : hunk.new_start]
        assert kept or at == 0
        result += kept + new[hunk.new_start : hunk.new_end]
        at, new_at = hunk.end, hunk.new_end
    assert result + old[at:] == new
    assert (hunks(old, new) == ()) == (old == new)


def test_lines_that_occur_once_anchor_the_comparison() -> None:
    old = ["f", "{", "1", "}", "g", "{", "2", "}"]
    new = ["f", "{", "1", "}", "h", "{", "3", "}", "g", "{", "2", "}"]
    assert hunks(old, new) == (Hunk(4, 4, 4, 8),)


def test_large_texts_without_anchors_are_one_change_and_not_an_afternoon() -> None:
    old, new = ["x", "y"] * 100_000, ["y", "y", "x"] * 70_000
    (hunk,) = hunks(old, new)
    assert hunk.end - hunk.start > 100_000
