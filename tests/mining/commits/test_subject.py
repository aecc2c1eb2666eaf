"""Subjects that are requests, subjects that become some, and those that are none."""

import pytest

from greenloop.mining.commits.subject import as_request, quoted


@pytest.mark.parametrize(
    ("subject", "request_"),
    [
        ("Handle empty lists", "Handle empty lists"),
        ("Fix the crash on empty lists (#123).", "Fix the crash on empty lists"),
        ("fix: crash on empty lists", "fix crash on empty lists"),
        ("fix(glob): double star parsing (#285)", "fix double star parsing"),
        ("fix(parser)!: the crash on empty lists", "fix the crash on empty lists"),
        ("[parser] Added support for hex floats", "Add support for hex floats"),
        (":bug: Stopped the endless loop of the reader", "Stop the endless loop of the reader"),
        ("Handles the case of nested comments, closes #12", "Handle the case of nested comments"),
        ("Fixes #12: handle quotes in names", "handle quotes in names"),
        ("mining: drop the lock, fixes #3", "drop the lock"),
        ("lib/re.ml: use Bytes rather than String", "use Bytes rather than String"),
        ("Removing unused variables", "Remove unused variables"),
        ("Tried another way of lexing", "Try another way of lexing"),
        ("Use 1000000 as the largest number", "Use 1000000 as the largest number"),
        ("Make  `Re.str`\ttotal", "Make `Re.str` total"),
    ],
)
def test_a_request(subject: str, request_: str) -> None:
    assert as_request(subject) == request_


@pytest.mark.parametrize(
    "subject",
    [
        "", "fix", "Fix bug", "Fix the tests", "Update code", "add a test", "typo", "Fix typo in the parser",
        "WIP add hex floats", "feat(lib): hex floats", "The parser no longer crashes", "Merge branch 'topic' into main",
        "See https://example.org/bug for the reason", "Use the fix of deadbeef12 for the reader",
        "Update the version to 1.2.3", "Add " + "very " * 20 + "much", "Add " + "x" * 130 + " to it",
        "Should this be changed?", "Remove \ufffd from the table", "Skip the parser [skip ci]",
        "Add <b>bold</b> to the page", "Release the next one", "Address review comments on the parser",
    ],
)  # fmt: skip
def test_no_request(subject: str) -> None:
    assert as_request(subject) == ""
    assert as_request(subject) == ""


@pytest.mark.parametrize("subject", ["[a]" * 300_000 + " add a shape to it", "a: " * 300_000 + "add a shape to it"])
def test_a_subject_without_an_end_is_not_read(subject: str) -> None:
    assert as_request(subject) == ""


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("Add a shape (#7)", "Add a shape (#7)"),
        ("Add \x1b[31mred\x1b]0;t\x07 to\tit\u2028now", "Add [31mred ]0;t to it now"),
        ("\x07", ""),
        ("word " * 1000, "word " * 59 + "word…"),
    ],
)
def test_a_subject_as_a_text_repeats_it(subject: str, text: str) -> None:
    assert quoted(subject) == text
