"""Diagnostics and results by a team's own patterns."""

import pytest

from greenloop.builds.diagnostics.pattern import (
    DIAGNOSTIC_GROUPS,
    TEST_GROUPS,
    compile_pattern,
    parse_diagnostics,
    parse_tests,
)
from greenloop.builds.toolchains.command import CommandConfig
from greenloop.records import Category, InputError, Severity, TestStatus

DEFAULT = CommandConfig.model_fields["diagnostic_pattern"].default


def check(pattern: str, printed: str, expected: list[tuple[object, ...]], *, first_column: int = 1) -> None:
    compiled = compile_pattern(pattern, groups=DIAGNOSTIC_GROUPS, needs=frozenset(), what="pattern")
    found = parse_diagnostics(printed, compiled, category=Category.OTHER, first_column=first_column)
    assert [
        (d.severity, d.path, *((d.span.line, d.span.column, d.span.end_line, d.span.end_column) if d.span else ()))
        for d in found
    ] == expected


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ("a.c:3:5: error: expected ';'", [(Severity.ERROR, "a.c", 3, 4, 3, 4)]),
        ("./src/a.c:3:5: warning: unused", [(Severity.WARNING, "src/a.c", 3, 4, 3, 4)]),
        ("/w/a.py:7: error: Name is not defined  [name-defined]", [(Severity.ERROR, "a.py", 7, 0, 7, 0)]),
        ("a.c:1:1: note: here\na.c:1:1: note: here", [(Severity.INFO, "a.c", 1, 0, 1, 0)]),
        ("a.go:12:2: undefined: x", [(Severity.ERROR, "a.go", 12, 1, 12, 1)]),
        ("make: *** [all] Error 1", []),
    ],
)
def test_the_default_pattern(printed: str, expected: list[tuple[object, ...]]) -> None:
    check(DEFAULT, printed, expected)


def test_ranges_and_columns_from_one_and_from_zero() -> None:
    pattern = r"^(?P<file>\S+) (?P<line>\d+),(?P<column>\d+)-(?P<end_line>\d+),(?P<end_column>\d+) (?P<message>.*)$"
    # characters 2 to 4 of a line, the last one included when counting from one
    check(pattern, "a 1,2-1,4 x", [(Severity.ERROR, "a", 1, 1, 1, 4)])
    check(pattern, "a 1,1-1,4 x", [(Severity.ERROR, "a", 1, 1, 1, 4)], first_column=0)
    check(pattern, "a 3,9-4,2 x", [(Severity.ERROR, "a", 3, 8, 4, 2)])
    check(pattern, "a 3,9-2,2 x", [(Severity.ERROR, "a", 3, 8, 3, 8)])


@pytest.mark.parametrize(
    ("pattern", "needs", "says"),
    [
        ("(?P<message>", frozenset({"message"}), "no regular expression"),
        ("(?P<file>x)", frozenset({"message"}), "lacks the named group 'message'"),
        ("(?P<message>x)(?P<colour>y)", frozenset({"message"}), "unknown group 'colour'"),
    ],
)
def test_a_bad_pattern_is_named(pattern: str, needs: frozenset[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        compile_pattern(pattern, groups=DIAGNOSTIC_GROUPS, needs=needs, what="diagnostic_pattern")


def test_results_and_their_wordings() -> None:
    pattern = compile_pattern(
        r"^(?P<name>\w+) \.\.\. (?P<status>.+)$", groups=TEST_GROUPS, needs=TEST_GROUPS, what="test_pattern"
    )
    printed = "a ... ok\nb ... FAIL\nc ... skipped 'slow'\nd ... ERROR\na ... PASSED\nx ... expected failure\n"
    assert [(result.name, result.status) for result in parse_tests(printed, pattern)] == [
        ("a", TestStatus.PASSED),
        ("b", TestStatus.FAILED),
        ("c", TestStatus.SKIPPED),
        ("d", TestStatus.FAILED),
        ("x", TestStatus.SKIPPED),
    ]
