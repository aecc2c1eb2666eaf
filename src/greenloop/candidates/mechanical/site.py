"""Where an error is, and what stands around it: all that the kinds of edits look at."""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

from greenloop.candidates.mechanical.kinds import Kind, kind_of
from greenloop.records import Category, Diagnostic, Span
from greenloop.workspace.syntax import Language, enclosing, language_of
from greenloop.workspace.tokens import Token, placed_tokens

REACH = {Category.SYNTAX: (30, 8), Category.UNBOUND: (16, 8)}
"""How many tokens before and behind the error are looked at, by its class."""
_REACH = (16, 14)
_MOST_NAMES = 14


@dataclass(frozen=True, slots=True)
class Change:
    """Put ``text`` for the bytes ``start`` to ``end`` of the file.

    ``first`` and ``last`` say which tokens that changes: those from ``first`` up to ``last``, exclusive; none where
    something is inserted before ``first``. ``family`` is the kind of edit, ``rule`` says what it does; ``name`` how far
    away a name was found that it brings in: 0 for the nearest, -1 for none.
    """

    start: int
    end: int
    text: bytes
    first: int
    last: int
    family: str
    rule: str
    name: int = -1


@dataclass(frozen=True)
class Site:
    """An error in a file: the tokens from ``first`` up to ``last`` are what it points at.

    ``begin`` and ``stop`` bound the tokens that may be changed; they never leave the top-level item of the error.
    """

    source: bytes
    language: Language | None
    error: Diagnostic
    tokens: tuple[Token, ...]
    first: int
    last: int
    begin: int
    stop: int

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What each token is: see ``kinds.kind_of``."""
        return tuple(kind_of(token.text, self.language) for token in self.tokens)

    @cached_property
    def names(self) -> tuple[bytes, ...]:
        """The names of values that occur before the error's end or in its item, the nearest first."""
        return self._near(Kind.NAME)

    @cached_property
    def constructors(self) -> tuple[bytes, ...]:
        """The constructors that occur, the nearest first; modules in paths are none."""
        return self._near(Kind.CONSTRUCTOR)

    def _near(self, kind: str) -> tuple[bytes, ...]:
        found: dict[bytes, int] = {}
        for place in range(self.stop):
            if self.kinds[place] == kind and not self._in_path(place):
                distance = self.first - place if place < self.first else max(0, place - self.last + 1)
                text = self.tokens[place].text
                found[text] = min(distance, found.get(text, distance))
        return tuple(sorted(found, key=lambda text: (found[text], text)))[:_MOST_NAMES]

    def _in_path(self, place: int) -> bool:
        after = self.tokens[place + 1].text if place + 1 < len(self.tokens) else b""
        before = self.tokens[place - 1].text if place else b""
        return before == b"." or (after == b"." and self.kinds[place] == Kind.CONSTRUCTOR)

    def text(self, first: int, last: int) -> bytes:
        """Return the bytes of the tokens from ``first`` up to ``last``, layout between them included."""
        return self.source[self.tokens[first].start : self.tokens[last - 1].end]

    def replacement(self, first: int, last: int, text: bytes, family: str, rule: str, name: int = -1) -> Change:
        """Return the change that puts ``text`` for the tokens from ``first`` up to ``last``, at least one."""
        start, end = self.tokens[first].start, self.tokens[last - 1].end
        return Change(start, end, text, first, last, family, rule, name)

    def insertion(self, place: int, text: bytes, family: str, rule: str, name: int = -1) -> Change:
        """Return the change that inserts ``text`` before the token ``place``: behind the one before it where they
        stand on different lines."""
        if place == len(self.tokens) or (
            place and b"\n" in self.source[self.tokens[place - 1].end : self.tokens[place].start]
        ):
            at = self.tokens[place - 1].end
            return Change(at, at, b" " + text, place, place, family, rule, name)
        at = self.tokens[place].start
        return Change(at, at, text + b" ", place, place, family, rule, name)


def site_of(source: bytes, path: str, error: Diagnostic) -> Site | None:
    """Return the site of ``error``, or ``None`` when it points at no place in ``source`` or no code is there."""
    language = language_of(path)
    held = None if error.span is None else offsets(source, error.span)
    tokens = placed_tokens(source, language)
    if held is None or error.span is None or not tokens:
        return None
    ends, starts = [token.end for token in tokens], [token.start for token in tokens]
    first = min(bisect_right(ends, held[0]), len(tokens))
    last = max(first, bisect_left(starts, held[1]))
    behind, ahead = REACH.get(error.category, _REACH)
    begin, stop = max(0, first - behind), min(len(tokens), last + ahead)
    item = enclosing(source, error.span.line, language) if language is not None else None
    if item is not None and error.category is not Category.SYNTAX:
        # a syntax error shows behind its cause, often in the item after it
        rows = _line_starts(source)
        begin = max(begin, bisect_left(starts, rows[item.first_line - 1]))
        stop = max(last, min(stop, bisect_left(starts, rows[item.last_line])))
    return Site(source, language, error, tokens, first, last, begin, stop)


def offsets(source: bytes, span: Span) -> tuple[int, int] | None:
    """Return the bytes that ``span`` covers, which may be none; ``None`` where it lies outside of the text."""
    starts = _line_starts(source)
    if span.end_line >= len(starts):
        return None
    first, last = starts[span.line - 1] + span.column, starts[span.end_line - 1] + span.end_column
    return (first, last) if first <= last <= len(source) else None


def _line_starts(source: bytes) -> list[int]:
    """Where each line starts; the last entry is the end of the text."""
    return [0, *(match.end() for match in re.finditer(rb"\n", source)), len(source)]
