"""The tokens of source text: what is left when layout and comments are taken away.

A lexer, not a parser: it reads broken text as well, and never fails. OCaml's lexical rules are those of the manual
(https://v2.ocaml.org/manual/lex.html): comments nest and hold strings, a string, a quoted string and a character are
one token each. A comment or string that is never closed runs to the end of the text. For a language without a lexer
here, tokens are words, numbers and single punctuation marks; comments and layout are then not told apart from code.
"""

import re
from collections.abc import Iterator

from greenloop.workspace.syntax import Language

_STRING = rb'"(?:[^"\\]|\\.)*(?:"|\Z)'
_QUOTED = rb"\{(?P<tag>[a-z_]*)\|.*?(?:\|(?P=tag)\}|\Z)"
_CHARACTER = rb"'(?:[^'\\\n\r]|\\(?:[\\'\"ntbr ]|[0-9]{3}|x[0-9A-Fa-f]{2}|o[0-3][0-7]{2}))'"
# what can open or close a comment, or hide such a mark
_IN_COMMENT = re.compile(rb"\(\*|\*\)|" + _STRING + rb"|" + _QUOTED + rb"|" + _CHARACTER, re.DOTALL)
_OCAML = re.compile(
    rb"(?P<blank>\s+)|(?P<comment>\(\*)|(?P<token>" + _STRING + rb"|" + _QUOTED + rb"|" + _CHARACTER
    + rb"|[A-Za-z_\x80-\xff][\w'\x80-\xff]*"
    rb"|[0-9][\w']*(?:\.[\w']*)?(?:(?<=[eEpP])[+-][0-9_]+)?"
    rb"|;;|\[@@?@?|\[%%?|\[\||\|\]|\{<|>\}|[!$%&*+\-./:<=>?@^|~#]+|.)",
    re.DOTALL,
)  # fmt: skip
_GENERIC = re.compile(rb"[\w\x80-\xff]+|[^\s\w]")


def tokens(source: bytes, language: Language | None) -> tuple[bytes, ...]:
    """Return the tokens of ``source`` in order, without layout; for OCaml without comments too."""
    return tuple(token for _, token in _placed(source, language))


def token_lines(source: bytes, language: Language | None) -> dict[int, tuple[bytes, ...]]:
    """Return line (from 1) → the tokens that start on it, for each line that holds any, in order."""
    lines: dict[int, list[bytes]] = {}
    line, seen = 1, 0
    for place, token in _placed(source, language):
        line += source.count(b"\n", seen, place)
        seen = place
        lines.setdefault(line, []).append(token)
    return {number: tuple(held) for number, held in lines.items()}


def _placed(source: bytes, language: Language | None) -> Iterator[tuple[int, bytes]]:
    if language is None:
        for word in _GENERIC.finditer(source):
            yield word.start(), word[0]
        return
    place = 0
    while (match := _OCAML.match(source, place)) is not None:
        start, place = place, match.end()
        if match.lastgroup == "comment":
            place = _after_comment(source, place)
        elif match.lastgroup != "blank":
            yield start, match[0]


def same_code(old: bytes, new: bytes, language: Language | None) -> bool:
    """Whether two texts differ in layout and comments at most.

    Without a lexer for the language, only blank lines and blanks at line ends count as layout: elsewhere they may
    have a meaning, as in Python.
    """
    if old == new:
        return True
    if language is None:
        return _bare_lines(old) == _bare_lines(new)
    # cheap and nearly always enough: a text with other letters in its code is other code
    return _squeezed(old) == _squeezed(new) and tokens(old, language) == tokens(new, language)


def _after_comment(source: bytes, place: int) -> int:
    """Return the place behind the comment whose opening mark ends at ``place``."""
    depth = 1
    for mark in _IN_COMMENT.finditer(source, place):
        if mark[0] == b"(*":
            depth += 1
        elif mark[0] == b"*)":
            depth -= 1
            if depth == 0:
                return mark.end()
    return len(source)


def _squeezed(source: bytes) -> bytes:
    """OCaml without comments and white space, which runs words together."""
    kept: list[bytes] = []
    place = 0
    for mark in _IN_COMMENT.finditer(source):
        if mark.start() >= place and mark[0] == b"(*":
            kept.append(source[place : mark.start()])
            place = _after_comment(source, mark.end())
    kept.append(source[place:])
    return b"".join(b"".join(kept).split())


def _bare_lines(source: bytes) -> list[bytes]:
    return [line.rstrip() for line in source.splitlines() if line.strip()]
