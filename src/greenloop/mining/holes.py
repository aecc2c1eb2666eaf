"""Places of a text where an expression is still to be written: half-typed code, whose end nobody could have asked for.

Only OCaml is known here; a text in another language has none.
"""

from itertools import pairwise

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
