"""Words of code: identifiers are split, so that ``parseExpr``, ``parse_expr`` and "parse expressions" meet."""

import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_SPELLED = re.compile(r"[A-Za-z_][\w']*")


def words_in(text: str) -> list[str]:
    """Return the words of ``text`` in order, identifiers split, in lower case, single letters left out."""
    # one call for all of them: this is where indexing spends its time
    return [word for word in " ".join(_WORDS.findall(text)).lower().split(" ") if len(word) > 1]


def words_of(text: str) -> frozenset[str]:
    """Return the words of ``text``, each once."""
    return frozenset(words_in(text))


def spelled_in(text: str) -> frozenset[str]:
    """Return the identifiers of ``text`` as they are spelled; each step of a path such as ``List.map`` by itself."""
    return frozenset(_SPELLED.findall(text))
