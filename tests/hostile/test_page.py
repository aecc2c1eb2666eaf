"""The page that says what a green verdict is worth says what the tests test."""

from tests.hostile.lists import PAGE, renewed


def test_the_lists_of_the_page_are_those_of_the_tests() -> None:
    page = PAGE.read_text("utf-8")
    assert page == renewed(page), "run `python -m tests.hostile.lists`"
