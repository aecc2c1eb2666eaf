"""Diagnostics and test results by a team's own regular expressions, for tools that Greenloop does not know."""

import re
from itertools import islice

from greenloop.builds.diagnostics.text import (
    MAX_DIAGNOSTICS,
    MAX_TESTS,
    clip,
    clip_name,
    decode,
    distinct,
    normalise,
    number,
)
from greenloop.records import Category, Diagnostic, InputError, Severity, Span, TestResult, TestStatus

DIAGNOSTIC_GROUPS = frozenset({"file", "line", "column", "end_line", "end_column", "severity", "message"})
TEST_GROUPS = frozenset({"name", "status"})

_SEVERITIES = {
    "error": Severity.ERROR,
    "fatal": Severity.ERROR,
    "failure": Severity.ERROR,
    "e": Severity.ERROR,
    "f": Severity.ERROR,
    "warning": Severity.WARNING,
    "warn": Severity.WARNING,
    "w": Severity.WARNING,
    "info": Severity.INFO,
    "note": Severity.INFO,
    "hint": Severity.INFO,
    "help": Severity.INFO,
    "i": Severity.INFO,
    "n": Severity.INFO,
}
_PASSED = frozenset({"ok", "pass", "passed", "success", "successful", "succeeded", "."})
_SKIPPED = frozenset({"skip", "skipped", "ignored", "ignore", "todo", "xfail", "expected failure", "disabled", "s"})


def compile_pattern(pattern: str, *, groups: frozenset[str], needs: frozenset[str], what: str) -> re.Pattern[str]:
    """Compile with ``^`` and ``$`` at lines.

    Raises ``InputError`` when the pattern is malformed, lacks a group in ``needs``, or has one not in ``groups``.
    """
    try:
        compiled = re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise InputError(f"{what} is no regular expression: {error}: {pattern!r}") from error
    named = compiled.groupindex.keys()
    if missing := sorted(needs - named):
        raise InputError(f"{what} lacks the named group {missing[0]!r}", f"write it as (?P<{missing[0]}>…)")
    if unknown := sorted(named - groups):
        raise InputError(f"{what} has the unknown group {unknown[0]!r}", f"known are {', '.join(sorted(groups))}")
    return compiled


def parse_diagnostics(
    output: bytes | str, pattern: re.Pattern[str], *, category: Category, first_column: int = 1, root: str = "/w"
) -> tuple[Diagnostic, ...]:
    """Return one diagnostic a match, in printed order, each once.

    ``first_column`` is what the tool calls the first column, 0 or 1. Its end column is taken as the last character
    when it counts from 1, as the one after it when it counts from 0. Without a column the span is the whole line's
    start; a severity that is missing or unknown is an error.
    """
    text = decode(output) if isinstance(output, bytes) else output
    found = []
    for match in islice(pattern.finditer(text), 10 * MAX_DIAGNOSTICS):
        groups = match.groupdict()
        named = (groups.get("severity") or "error").strip().lower()
        severity = _SEVERITIES.get(named, Severity.ERROR)
        path = normalise(groups["file"].strip(), root) if groups.get("file") else None
        found.append(
            Diagnostic(
                severity=severity,
                category=category if severity is Severity.ERROR else Category.WARNING,
                message=clip(groups.get("message") or match[0]),
                path=path,
                span=_span(groups, first_column) if path is not None else None,
            )
        )
    return distinct(found)


def _span(groups: dict[str, str | None], first_column: int) -> Span | None:
    if not groups.get("line"):
        return None
    line = max(1, number(groups["line"] or "1"))
    column = max(0, number(groups.get("column") or str(first_column)) - first_column)
    end_line = max(line, number(groups.get("end_line") or "0"))
    # exclusive from 0 is the same number as inclusive from 1
    end_column = number(groups.get("end_column") or "0")
    if end_line == line:
        end_column = max(column, end_column)
    return Span(line=line, column=column, end_line=end_line, end_column=end_column)


def parse_tests(output: bytes | str, pattern: re.Pattern[str]) -> tuple[TestResult, ...]:
    """Return the named results; the last one of a name holds. A status of unknown wording is a failure."""
    text = decode(output) if isinstance(output, bytes) else output
    results: dict[str, TestStatus] = {}
    for match in islice(pattern.finditer(text), MAX_TESTS):
        results[clip_name(match["name"])] = _test_status(match["status"] or "")
    return tuple(TestResult(name=name, status=status) for name, status in results.items())


def _test_status(word: str) -> TestStatus:
    word = word.strip().lower()
    if word in _PASSED:
        return TestStatus.PASSED
    return TestStatus.SKIPPED if word in _SKIPPED or word.startswith("skipped ") else TestStatus.FAILED
