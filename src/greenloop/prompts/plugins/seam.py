"""The seam of the plug-ins: what each is given, and the place that a question is about."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from greenloop.prompts.draft import Draft, SourceFile
from greenloop.prompts.question import Question
from greenloop.prompts.retrieval.seam import Index
from greenloop.records import Diagnostic, Severity
from greenloop.workspace.syntax import Item


@dataclass(frozen=True, slots=True)
class Anchor:
    """The spot that a question is about: a line (from 1) of a file, by an error or by where the person is."""

    file: SourceFile
    line: int
    last_line: int
    item: Item | None
    """The definition that holds the line."""
    error: Diagnostic | None

    @property
    def lines(self) -> str:
        """The text of the spot."""
        return self.file.text(self.line, self.last_line)


@dataclass(frozen=True)
class Desk:
    """What a plug-in works on: it reads the question, and chooses through ``draft``."""

    question: Question
    draft: Draft
    index: Index

    @cached_property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that count: the errors, or all where there is none."""
        errors = tuple(one for one in self.question.diagnostics if one.severity is Severity.ERROR)
        return errors or self.question.diagnostics

    @cached_property
    def error(self) -> Diagnostic | None:
        """The error that the question is about: at the person's place, else in a file of ``focus``, else the first."""
        return next(
            (one for one in self.errors if self._at_place(one)),
            next((one for one in self.errors if one.path in self.question.focus), next(iter(self.errors), None)),
        )

    @cached_property
    def anchor(self) -> Anchor | None:
        """Where to look: at the first error that names a place in the code; without errors, where the person is."""
        if self.error is not None:
            placed = next((one for one in (self.error, *self.errors) if self.file_of(one) is not None), None)
            return self._at_error(placed) if placed is not None else None
        place = self.question.place
        file = self.draft.file(place.path) if place is not None else None
        if place is None or file is None or not file.lines:
            return None
        first = min(place.first_line, len(file.lines))
        last = max(first, min(place.last_line, len(file.lines)))
        return Anchor(file, first, last, file.enclosing(first), None)

    def file_of(self, error: Diagnostic) -> SourceFile | None:
        """The file that ``error`` names a place in, if it has lines to show."""
        file = self.draft.file(error.path) if error.path is not None else None
        return file if file is not None and file.lines and error.span is not None else None

    def _at_error(self, error: Diagnostic) -> Anchor:
        file = self.file_of(error)
        assert file is not None
        assert error.span is not None
        # an error at the end of the file may point behind its last line
        line = min(error.span.line, len(file.lines))
        return Anchor(file, line, line, file.enclosing(line), error)

    def _at_place(self, error: Diagnostic) -> bool:
        place, span = self.question.place, error.span
        if place is None or span is None or error.path != place.path:
            return False
        return span.line <= place.last_line and place.first_line <= span.end_line


class Plugin(Protocol):
    """Chooses a part of the context. It has no state, so that one may serve many turns at a time.

    A team's own is a Python entry point of the group ``greenloop.context``: its name is what recipes call it by, its
    value a callable without arguments that returns a ``Plugin``.
    """

    def choose(self, desk: Desk) -> None:
        """Choose what the model should see, best first, through ``desk.draft``, saying why of each."""
        ...


@dataclass(frozen=True, slots=True)
class ScriptedPlugin:
    """The fake: chooses the lines (path, first, last) that it is told to."""

    lines: Sequence[tuple[str, int, int]]
    why: str = "scripted"

    def choose(self, desk: Desk) -> None:
        """Choose the scripted lines in order."""
        for path, first, last in self.lines:
            file = desk.draft.file(path)
            if file is not None:
                desk.draft.add_lines(file, first, last, self.why)
