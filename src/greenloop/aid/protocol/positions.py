"""Columns: UTF-8 bytes inside Greenloop, what the client counts outside. Converted here and nowhere else.

A line ends with a line feed; a carriage return before it belongs to the line's end. A column beyond the end of its line
means the end, as in the Language Server Protocol, and one inside a character means the character's beginning: editors
and compilers disagree about such places, and neither should make a message unreadable.
"""

from greenloop.aid.protocol.base import Encoding, Position, Range
from greenloop.aid.protocol.session import Problem
from greenloop.records import Diagnostic, Span

_UNIT = {Encoding.UTF16: ("utf-16-le", 2), Encoding.UTF32: ("utf-32-le", 4)}


class Columns:
    """The places of one text. Lines that do not exist are taken for the end of the text."""

    def __init__(self, text: str, encoding: Encoding) -> None:
        self._lines = text.split("\n")
        self._encoding = encoding

    def outside(self, line: int, column: int) -> Position:
        """Return the client's name of a place: ``line`` counts from 1, ``column`` UTF-8 bytes from 0."""
        if line > len(self._lines):
            line, column = len(self._lines), len(self._bytes(len(self._lines) - 1))
        before = self._bytes(line - 1)[:column].decode("utf-8", "ignore")
        return Position(line=line - 1, column=_units(before, self._encoding))

    def inside(self, place: Position) -> tuple[int, int]:
        """Return (line from 1, column in UTF-8 bytes from 0) of a place that the client named."""
        if place.line >= len(self._lines):
            return len(self._lines), len(self._bytes(len(self._lines) - 1))
        before = _beginning(self._text(place.line), place.column, self._encoding)
        return place.line + 1, len(before.encode("utf-8", "surrogatepass"))

    def range_of(self, span: Span) -> Range:
        """Return a span as the client names it."""
        return Range(start=self.outside(span.line, span.column), end=self.outside(span.end_line, span.end_column))

    def span_of(self, place: Range) -> Span:
        """Return a range of the client's as records hold it."""
        (line, column), (end_line, end_column) = self.inside(place.start), self.inside(place.end)
        return Span(line=line, column=column, end_line=end_line, end_column=end_column)

    def _text(self, index: int) -> str:
        return self._lines[index].removesuffix("\r")

    def _bytes(self, index: int) -> bytes:
        return self._text(index).encode("utf-8", "surrogatepass")


def problem_of(diagnostic: Diagnostic, text: str | None, encoding: Encoding) -> Problem:
    """Return a diagnostic as a client is told it; ``text`` is the file's, ``None`` where it is not known.

    Without the text columns cannot be converted, so the range then covers whole lines.
    """
    span = diagnostic.span
    place = None
    if span is not None and text is not None:
        place = Columns(text, encoding).range_of(span)
    elif span is not None:
        place = Range(start=Position(line=span.line - 1, column=0), end=Position(line=span.end_line, column=0))
    return Problem(path=diagnostic.path, range=place, severity=diagnostic.severity, message=diagnostic.message)


def _units(text: str, encoding: Encoding) -> int:
    if encoding is Encoding.UTF8:
        return len(text.encode("utf-8", "surrogatepass"))
    codec, size = _UNIT[encoding]
    return len(text.encode(codec, "surrogatepass")) // size


def _beginning(text: str, column: int, encoding: Encoding) -> str:
    """Return the first ``column`` units of a text, as whole characters."""
    if encoding is Encoding.UTF8:
        return text.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "ignore")
    codec, size = _UNIT[encoding]
    return text.encode(codec, "surrogatepass")[: column * size].decode(codec, "ignore")
