"""Whether a reader of the broken tree could know what to restore.

A mutant may leave out or replace words. The rule, by the tokens of the file before and after:

- nothing is lost, or only keywords, brackets and operators: the grammar and the types say where they go;
- a number is only written in another way (``1.`` for ``1``): its value is still there;
- one word is lost: a new word is this one misspelt, or it stands elsewhere in the project, where what it names is
  defined or used; a literal has to stand elsewhere in the same definition;
- more words are lost, ``MOST_WORDS`` at most: each still stands in the same definition, or, of an interface or a dune
  file, elsewhere in the project.

What fails this is no example unless a test pins it.
"""

import re
from collections import Counter

from greenloop.mining.synthetic.code import Mutant
from greenloop.workspace.syntax import Item, Language, items
from greenloop.workspace.tokens import tokens

MOST_WORDS = 4
_WORD = re.compile(rb"[~?]?[A-Za-z_][\w']*:?|`[A-Za-z_][\w']*|[\"'{0-9].*", re.DOTALL)
_NUMBER = re.compile(rb"\d[\d_]*\.?0*")
_KEYWORDS = frozenset(
    b"and as begin do done else end fun function if in let match mod module of open rec sig struct then to try type "
    b"val when while with".split()
)


def inferable(mutant: Mutant, source: bytes, broken: bytes, language: Language | None, others: frozenset[str]) -> bool:
    """Say whether the way back from ``broken`` to ``source`` can be told; ``others`` are the words of other files."""
    before, after = Counter(tokens(source, language)), Counter(tokens(broken, language))
    gained = list((after - before).elements())
    values = {_value(token) for token in gained}
    lost = [
        token for token in (before - after).elements()
        if _WORD.fullmatch(token) and token not in _KEYWORDS and _value(token) not in values
    ]  # fmt: skip
    if not lost:
        return True
    if len(lost) > MOST_WORDS:
        return False
    everywhere = set(after) | {word.encode() for word in others}
    if language is None:
        # a library or a module is spelt in small letters in a dune file, and as a module where it is used
        everywhere |= {word[:1].lower() + word[1:] for word in everywhere}
    if language is not Language.OCAML or (len(lost) == 1 and not _is_literal(lost[0])):
        return all(_misspelt(word, gained) or (word in everywhere and not _is_literal(word)) for word in lost)
    around = set(tokens(_definition(mutant, broken, language), language))
    return all(word in around for word in lost)


def _misspelt(word: bytes, gained: list[bytes]) -> bool:
    """Whether a new word is this one with a slip: a letter more or less, or two that changed places."""
    return any(
        other[:1] == word[:1]
        and sum(((Counter(other) - Counter(word)) + (Counter(word) - Counter(other))).values()) <= 1
        for other in gained
    )


def _value(token: bytes) -> bytes:
    return token.rstrip(b"0").rstrip(b".") if _NUMBER.fullmatch(token) and b"." in token else token


def _is_literal(token: bytes) -> bool:
    return token[:1] in b"\"'{0123456789"


def _definition(mutant: Mutant, broken: bytes, language: Language | None) -> bytes:
    """Return the top-level item around the mutant; a window around it where the text has none there."""
    held: list[Item] = [one for one in items(broken, language) if one.first_line <= mutant.line <= one.last_line]
    first, last = (held[-1].first_line, held[-1].last_line) if held else (mutant.line - 5, mutant.line + 5)
    return b"\n".join(broken.split(b"\n")[max(0, first - 1) : last])
