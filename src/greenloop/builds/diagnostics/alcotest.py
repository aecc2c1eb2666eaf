"""Test results from what alcotest prints (1.6 to 1.9), and the text around it.

A run opens with ``Testing `NAME'.`` and closes with ``Test Successful in`` or ``N failures!``; between them one line
names each test. A run that opens and does not close was cut short, whatever its exit status says.
Source: alcotest/src/alcotest-engine/pp.ml.
"""

import re
from dataclasses import dataclass

from greenloop.builds.diagnostics.text import MAX_TESTS, clip, clip_name, decode
from greenloop.records import Category, Diagnostic, Severity, TestResult, TestStatus

_OPEN = re.compile(r"^Testing [`'\"]?(?P<name>.*?)['\"]?\.?$")
_CLOSE = re.compile(
    r"^(?:Test Successful|(?P<failures>\d+) (?:failures?|errors?)!) in [0-9.]+s\. (?P<count>\d+) tests? run"
)
_STATUS_MARK = re.compile(r"^(?:> |  )\[(?P<status>OK|FAIL|SKIP)\]\s")
_BOX_MARK = re.compile(r"^│ \[FAIL\]\s.*│$")
_INDEX = re.compile(r"(?<=\s)(?P<index>\d+)   (?! )")
_BOX_END = re.compile(r"^ ─{10,}$")
_NOISE = re.compile(r"^(?:┌─|└─|Raised (?:at|by) |Called from |Re-raised at |Logs saved to )")
_STATUS = {"OK": TestStatus.PASSED, "FAIL": TestStatus.FAILED, "SKIP": TestStatus.SKIPPED}


@dataclass(frozen=True)
class TestOutput:
    """What a test runner said. ``rest`` is the text outside of its runs, for the other parsers."""

    results: tuple[TestResult, ...]
    diagnostics: tuple[Diagnostic, ...]
    """One error of category ``test`` for each failed test, with what it printed, if that was shown."""
    opened: int
    closed: int
    rest: str


def parse(output: bytes | str) -> TestOutput:
    """Read the runs in ``output``. A test is named ``run/suite/index/name``; alcotest cuts long names short."""
    text = decode(output) if isinstance(output, bytes) else output
    results: dict[str, TestStatus] = {}
    details: dict[str, list[str]] = {}
    rest: list[str] = []
    run: str | None = None
    box: str | None = None
    opened = closed = 0
    for line in text.split("\n"):
        opening = _OPEN.match(line) if box is None else None
        if opening is not None:
            run = opening["name"]
            opened += 1
        elif run is None:
            rest.append(line)
        elif _BOX_MARK.match(line) and (boxed := _columns(line)):
            box = f"{run}/{boxed[0]}/{boxed[1]}/"
            details[box] = []
        elif box is not None:
            if _BOX_END.match(line):
                box = None
            elif not _NOISE.match(line):
                details[box].append(line)
        elif (mark := _STATUS_MARK.match(line)) and (found := _columns(line)):
            if len(results) < MAX_TESTS:
                results[clip_name("/".join((run, *found)))] = _STATUS[mark["status"]]
        elif _CLOSE.match(line):
            closed += 1
            run = None
    return TestOutput(
        results=tuple(TestResult(name=name, status=status) for name, status in results.items()),
        diagnostics=tuple(
            _failure(name, details) for name, status in results.items() if status is TestStatus.FAILED
        ),
        opened=opened,
        closed=closed,
        rest="\n".join(rest),
    )  # fmt: skip


def _columns(line: str) -> tuple[str, str, str] | None:
    """Return (suite, index, name) of a line that begins with a status.

    Read in one pass: a pattern for the whole line takes ages over one that a hostile test fills with blanks.
    """
    line = line.partition("]")[2]
    index = next((found for found in _INDEX.finditer(line) if line[: found.start()].strip()), None)
    if index is None:
        return None
    return line[: index.start()].strip(), index["index"], line[index.end() :].removesuffix(".")


def _failure(name: str, details: dict[str, list[str]]) -> Diagnostic:
    shown = next((lines for prefix, lines in details.items() if name.startswith(prefix)), [])
    message = "\n".join([f"test failed: {name}", *shown])
    return Diagnostic(severity=Severity.ERROR, category=Category.TEST, message=clip(message))
