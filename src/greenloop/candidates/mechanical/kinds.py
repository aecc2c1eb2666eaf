"""What a token is: itself for keywords, operators and brackets, which are few; its kind for all that is open."""

import re

from greenloop.workspace.syntax import KEYWORDS, Language


class Kind:
    """The kinds of tokens that are not themselves."""

    NAME = "name"
    CONSTRUCTOR = "constructor"
    INTEGER = "integer"
    FLOAT = "float"
    STRING = "string"
    CHARACTER = "character"
    LABEL = "label"


ATOMS = frozenset({Kind.NAME, Kind.CONSTRUCTOR, Kind.INTEGER, Kind.FLOAT, Kind.STRING, Kind.CHARACTER, "true", "false"})
"""What is a whole expression by itself."""
OPENING = {"(": ")", "[": "]", "{": "}", "begin": "end", "[|": "|]"}
CLOSING = frozenset(OPENING.values())

_NUMBER = re.compile(rb"[0-9][\w']*")
_CONSTANTS = {b"0", b"1", b"0.", b"0.0", b"1.", b'""'}
"""Literals that are so usual that they are kinds of their own in rules."""


def kind_of(text: bytes, language: Language | None) -> str:
    """Return the kind of a token, or the token itself."""
    head = text[:1]
    if head.isalpha() or head == b"_" or head >= b"\x80":
        if language is not None and text in KEYWORDS:
            return text.decode()
        return Kind.CONSTRUCTOR if head.isupper() else Kind.NAME
    if head.isdigit():
        return Kind.INTEGER if _NUMBER.fullmatch(text) and not _exponent(text) else Kind.FLOAT
    long = len(text) > 2
    openings = (
        (b'"', Kind.STRING),
        (b"{", Kind.STRING),
        (b"'", Kind.CHARACTER),
        (b"~", Kind.LABEL),
        (b"?", Kind.LABEL),
    )
    kind = next((kind for mark, kind in openings if head == mark and (long or mark == b'"')), None)
    return text.decode("utf-8", "replace") if kind is None else kind


def shape_of(text: bytes, language: Language | None) -> str:
    """Return how rules spell a token that an edit brings in or takes away."""
    return text.decode() if text in _CONSTANTS else kind_of(text, language)


def _exponent(text: bytes) -> bool:
    return text[:2].lower() != b"0x" and b"e" in text.lower()
