"""What a compiler, a build or a test runner says about a place in a tree."""

from enum import StrEnum

from pydantic import Field

from greenloop.records.base import Part


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Category(StrEnum):
    """The class of an error: what kind of mistake a person would say it is."""

    SYNTAX = "syntax"
    TYPE = "type"
    UNBOUND = "unbound"
    DEPENDENCY = "dependency"
    WARNING = "warning"
    TEST = "test"
    OTHER = "other"


class Span(Part):
    """A range of text. Lines count from 1; columns are UTF-8 byte offsets from 0; the end is exclusive.

    These are the OCaml compiler's own conventions; editors convert at their door.
    """

    line: int = Field(ge=1)
    column: int = Field(ge=0)
    end_line: int = Field(ge=1)
    end_column: int = Field(ge=0)


class Diagnostic(Part):
    """One message about one place. ``path`` is relative to the tree, with forward slashes."""

    severity: Severity
    category: Category
    message: str
    path: str | None = None
    span: Span | None = None
