"""The tokens of source text: what is left when layout and comments are taken away.

A lexer, not a parser: it reads broken text as well, and never fails. OCaml's lexical rules are those of the manual
(https://v2.ocaml.org/manual/lex.html), and where it is silent, of the compiler's ``parsing/lexer.mll``: comments nest
and hold strings; a string, a quoted string (``{%name tag|…|tag}`` too), a character and a label with its colon
(``~name:``) are one token each; a line directive is no code. A comment or string that is never closed runs to the end
of the text. For a language without a lexer here, tokens are words, numbers, strings on one line and single punctuation
marks; comments then count as code.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from greenloop.workspace.syntax import Language

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
_CHARACTER = rb"'(?:[^'\\\n\r]|\r*\n|\\(?:[\\'\"ntbr ]|[0-9]{3}|x[0-9A-Fa-f]{2}|o[0-3][0-7]{2}))'"
_WORD = rb"[A-Za-z_\x80-\xff][\w'\x80-\xff]*+"
# possessive throughout: nothing is tried twice, so the time is linear
_QUOTED = rb"\{(?:%%?+" + _WORD + rb"(?:\." + _WORD + rb")*+[ \t\f]*+)?+(?P<tag>[a-z_]*+)\|.*?(?:\|(?P=tag)\}|\Z)"
_LITERAL = _STRING + rb"|" + _QUOTED + rb"|" + _CHARACTER
# what opens or closes a comment, or may hide such a mark
_MARKS = (b"(*", b"*)", b'"', b"'", b"{", b"|}", b"#")
# a quote right behind an identifier belongs to it, and opens no character
_IN_CODE = re.compile(
    rb"(?P<open>\(\*)|(?P<directive>^\#[ \t]*+[0-9][^\n]*+)|(?<=[\w\x80-\xff])'[\w'\x80-\xff]*+|" + _LITERAL,
    re.DOTALL | re.MULTILINE,
)
# in a comment only letters of ASCII make identifiers, and '' is no character that is left open
_IN_COMMENT = re.compile(
    rb"(?P<open>\(\*)|(?P<close>\*\))|(?<!\w)[0-9]*+[A-Za-z_]\w*+'[\w']*+|''|" + _LITERAL, re.DOTALL
)
_OCAML = re.compile(
    _LITERAL + rb"|" + _WORD + rb"|[0-9][\w']*(?:\.[\w']*)?(?:(?<=[eEpP])[+-][0-9_]+)?"
    rb"|[~?][a-z_\x80-\xff][\w'\x80-\xff]*+:"
    rb"|;;|\[@@?@?|\[%%?|\[\||\|\]|\{<|>\}|[!$%&*+\-./:<=>?@^|~#]+|\S",
    re.DOTALL,
)
# OCaml 5.3 takes `{é|…|é}` for a string, older compilers do not: what is a comment then depends on the compiler
_OPEN_TAG = re.compile(rb"\{(?:%[^{}|]*[ \t\f])?+([a-z_\x80-\xff]++)\|")
_CLOSED_TAG = re.compile(rb"\|([a-z_\x80-\xff]++)\}")
_GENERIC = re.compile(rb"""[\w\x80-\xff]+|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|[^\s\w]""")


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the bytes that it takes: from ``start`` up to ``end``, exclusive."""

    start: int
    end: int
    text: bytes


@lru_cache(maxsize=8)
def tokens(source: bytes, language: Language | None) -> tuple[bytes, ...]:
    """Return the tokens of ``source`` in order, without layout; for OCaml without comments too."""
    if language is None:
        return tuple(_GENERIC.findall(source))
    return tuple(match[0] for match in _OCAML.finditer(_without_comments(source)))


def token_lines(source: bytes, language: Language | None) -> dict[int, tuple[bytes, ...]]:
    """Return line (from 1) → the tokens that start on it, for each line that holds any, in order."""
    text, lexer = (source, _GENERIC) if language is None else (_without_comments(source), _OCAML)
    lines: dict[int, list[bytes]] = {}
    line, seen = 1, 0
    for match in lexer.finditer(text):
        line += text.count(b"\n", seen, match.start())
        seen = match.start()
        lines.setdefault(line, []).append(match[0])
    return {number: tuple(held) for number, held in lines.items()}


def placed_tokens(source: bytes, language: Language | None) -> tuple[Token, ...]:
    """Return the tokens of ``source`` in order, as ``tokens`` does, with their places."""
    if language is None:
        return tuple(Token(match.start(), match.end(), match[0]) for match in _GENERIC.finditer(source))
    bare = bytearray(b" " * len(source))
    for start, end in _code(source):
        bare[start:end] = source[start:end]
    return tuple(Token(match.start(), match.end(), match[0]) for match in _OCAML.finditer(bytes(bare)))


def unclear(source: bytes) -> int:
    """Return in how many places it takes a compiler's version to tell what of an OCaml text is a comment."""
    if source.isascii():
        return 0
    closed = sum(1 for tag in _CLOSED_TAG.findall(source) if not tag.isascii())
    return min(closed, sum(1 for tag in _OPEN_TAG.findall(source) if not tag.isascii()))


def same_code(old: bytes, new: bytes, language: Language | None) -> bool:
    """Whether two texts differ in layout and comments at most.

    Without a lexer for the language, only blank lines and blanks at line ends count as layout: elsewhere they may
    have a meaning, as in Python.
    """
    if old == new:
        return True
    if language is None:
        return _bare_lines(old) == _bare_lines(new)
    # cheap answers that are nearly always enough come first
    if _other_code(old, new) or unclear(old) != unclear(new):
        return False
    return _squeezed(old) == _squeezed(new) and tokens(old, language) == tokens(new, language)


def _other_code(old: bytes, new: bytes) -> bool:
    """Whether what changed is code, seen without a lexer; ``False`` when only a lexer can tell.

    It is when the text between the first and the last changed byte differs in more than white space, opens and closes
    nothing, and stands where neither a comment nor a line directive is open. (A stray comment mark in a string before
    it may hide a comment: then a change of that comment passes for code.)
    """
    first = _common_prefix(old, new)
    shortest = min(len(old), len(new)) - first
    last = min(shortest, _common_prefix(old[first:][::-1], new[first:][::-1]))
    changed = [text[first : len(text) - last] for text in (old, new)]
    # a mark of two bytes may stand half outside
    around = [text[max(0, first - 1) : len(text) - last + 1] for text in (old, new)]
    if any(mark in text for text in around for mark in _MARKS):
        return False
    before = old[:first]
    if before.startswith(b"#", before.rfind(b"\n") + 1):
        return False  # in a line directive, perhaps
    return before.count(b"(*") <= before.count(b"*)") and b"".join(changed[0].split()) != b"".join(changed[1].split())


def _common_prefix(left: bytes, right: bytes) -> int:
    """Return how many bytes both begin with, by bisection: slices are compared at the speed of memory."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        middle = (low + high + 1) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _squeezed(source: bytes) -> bytes:
    return b"".join(_without_comments(source).split())


@lru_cache(maxsize=8)
def _without_comments(source: bytes) -> bytes:
    """OCaml with a blank and the line ends in place of each comment, and no line directives.

    In a history each text is asked for twice.
    """
    kept: list[bytes] = []
    place = 0
    for start, end in _code(source):
        if start > place:
            kept += (b" ", b"\n" * source.count(b"\n", place, start))
        kept.append(source[start:end])
        place = end
    return b"".join(kept)


def _code(source: bytes) -> Iterator[tuple[int, int]]:
    """Yield the stretches of an OCaml text between its comments and line directives; the last may be empty."""
    place = 0  # what stands before it is code already told, or none
    start = 0  # of the comment that is open, if ``depth`` says so
    depth = 0
    mark = _IN_CODE.search(source)
    while mark is not None:
        kind = mark.lastgroup
        if kind == "open":
            start = start if depth else mark.start()
            depth += 1
        elif kind == "close":
            depth -= 1
        if kind == "directive" or (kind == "close" and depth == 0):
            yield place, (start if kind == "close" else mark.start())
            place = mark.end()
        mark = (_IN_COMMENT if depth else _IN_CODE).search(source, mark.end())
    yield place, (start if depth else len(source))


def _bare_lines(source: bytes) -> list[bytes]:
    return [line.rstrip() for line in source.splitlines() if line.strip()]
