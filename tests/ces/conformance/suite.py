"""One suite of cases that every toolchain passes: what is done to a project, and what must come of it.

A language is a small green project and, for each name in ``SUITE``, the change in its own words (``Language``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from greenloop.records import FileEdit, Stage, Status

Place = tuple[str, int, int]
"""Path, line from 1, column from 0."""


@dataclass(frozen=True)
class Expected:
    """What a case must come to in every language."""

    status: Status = Status.GREEN
    stage: Stage = Stage.TESTS


@dataclass(frozen=True)
class Change:
    """A case in one language."""

    files: tuple[FileEdit, ...]
    beneath: Mapping[str, str | bytes] = field(default_factory=dict)
    """Files that the base holds besides the project's: what people leave lying about."""
    place: Place | None = None
    """Where an error must be."""
    failed: tuple[str, ...] = ()
    """Tests that must be told to have failed; all of them."""
    says: str = ""
    """Words that the note or a message must hold."""
    logs: str = ""
    """Words that the log must hold."""


@dataclass(frozen=True)
class Language:
    """A green project, the names of its tests, and its changes, one for each name of the suite."""

    files: Mapping[str, str]
    tests: tuple[str, ...]
    changes: Mapping[str, Change]


RED_AT_TESTS = Expected(Status.RED, Stage.TESTS)
SUITE: Mapping[str, Expected] = {
    "a change that keeps everything": Expected(),
    "a syntax error": Expected(Status.RED, Stage.PARSE),
    "a type error": Expected(Status.RED, Stage.TYPES),
    "a change that breaks another file": Expected(Status.RED, Stage.TYPES),
    "what only the build refuses": Expected(Status.RED, Stage.BUILD),
    "a failing test": RED_AT_TESTS,
    "a test that never ends": Expected(Status.TIMEOUT, Stage.TESTS),
    "tests that are never seen": RED_AT_TESTS,
    "a new file": Expected(),
    "a new file with an error": Expected(Status.RED, Stage.TYPES),
    "a deleted file that nothing needs": Expected(),
    "a deleted file that is needed": Expected(Status.RED, Stage.TYPES),
    "a renamed file": Expected(),
    "a renamed file that is missed": Expected(Status.RED, Stage.TYPES),
    "text that is not ASCII": Expected(),
    "a failure told in text that is not ASCII": RED_AT_TESTS,
    "lines that end in CR LF": Expected(),
    "an error in lines that end in CR LF": Expected(Status.RED, Stage.TYPES),
    "leftovers of other builds": Expected(),
    "leftovers that hide a failure": RED_AT_TESTS,
}
