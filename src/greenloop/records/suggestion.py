"""A suggestion: an edit whose verdict is already known."""

from enum import IntEnum, StrEnum

from greenloop.records.base import Record
from greenloop.records.edit import Edit
from greenloop.records.tree import TreeId
from greenloop.records.verdict import Verdict


class Rung(IntEnum):
    """How literally an edit's places matched; rewards count ``EXACT`` only. The worst place decides."""

    EXACT = 0
    BLANKS = 1
    """Line ends and trailing blanks differ."""
    INDENTATION = 2
    """All lines are shifted by the same indentation."""
    TOKENS = 3
    """White space between tokens differs, outside strings and comments."""


class Badge(StrEnum):
    """What is known of a suggestion when it is shown; never shown without one."""

    TESTS_PASS = "tests pass"  # noqa: S105 - a label for people, not a password
    BUILDS = "builds"
    TYPE_CHECKS = "type-checks"
    ERRORS = "errors"
    UNVERIFIED = "unverified"


class Suggestion(Record):
    """An edit, the tree it was made for, the tree it leads to, and what is known of that."""

    id: str
    base: TreeId
    result: TreeId
    edit: Edit
    rung: Rung
    verdict: Verdict
    badge: Badge
    flags: tuple[str, ...] = ()
    """Cheap greens and other reasons for mistrust, such as ``stub`` or ``deletion``."""
    model: str = ""
    fixed: bool = False
    """The error that was asked about is gone, honestly: see ``builds.fixed``."""
