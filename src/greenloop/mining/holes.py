"""Places of a text where an expression is still to be written: half-typed code, whose end nobody could have asked for.

Only OCaml is known here; a text in another language has none.
"""

from itertools import pairwise, takewhile

from greenloop.workspace.syntax import Language
from greenloop.workspace.tokens import token_lines, tokens

_WANTING = frozenset({b"then", b"else", b"with", b"->", b"=", b"in", b"do"})
"""After these an expression comes, or the cases of a ``match``."""
_NO_BEGINNING = frozenset(
    {b";;", b")", b"]", b"}", b"|]", b"|", b"then", b"else", b"in", b"with", b"do", b"done", b"and"}
)
"""No expression begins with these."""
_FINE = frozenset({(b"with", b"|"), (b"=", b"|"), (b"=", b")")})
"""The first case of a ``match``, the first constructor of a type, and the operator ``(=)``."""
_STARTS = frozenset({b";;", b"let", b"type", b"module", b"open", b"exception", b"and"})
_BODIES = frozenset({b"=", b"->", b"then", b"else"})
"""Where one of these ends a line and a ``let`` begins another at its very start, a new definition has begun."""


def holes(source: bytes, language: Language | None) -> int:
    """Return how many expressions are missing: behind a word that wants one stands what can begin none."""
    if language is None:
        return 0
    # the end of the text ends everything
    following = pairwise((*tokens(source, language), b";;"))
    inside = sum(
        wanting in _WANTING and found in _NO_BEGINNING and (wanting, found) not in _FINE for wanting, found in following
    )
    texts = source.split(b"\n")
    lines = pairwise(token_lines(source, language).items())
    return inside + sum(
        held[-1] in _BODIES and follows[0] == b"let" and texts[number - 1].startswith(b"let")
        for (_, held), (number, follows) in lines
    )


def filled(old: bytes, new: bytes, language: Language | None) -> bool:
    """Whether all that changed is that an expression came where a definition had none, and the next one began."""
    if language is None:
        return False
    before, after = tokens(old, language), tokens(new, language)
    start = _alike(before, after)
    end = min(_alike(before[::-1], after[::-1]), len(before) - start)
    if not start or len(before) != start + end or len(after) == len(before):
        return False
    following = before[start] if start < len(before) else b";;"
    come = after[start : len(after) - end]
    return before[start - 1] in _BODIES and following in _STARTS and come[-1] not in _WANTING


def _alike(left: tuple[bytes, ...], right: tuple[bytes, ...]) -> int:
    """How many tokens both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False)))
