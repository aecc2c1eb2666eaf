"""Phrases: runs of tokens, looked for in the tokens of a text."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

Phrase = tuple[bytes, ...]
Table = Mapping[bytes, Mapping[str, tuple[Phrase, ...]]]
"""First token → flag → its phrases that begin so."""

_TODO = re.compile(
    rb"\b(?:todo|fixme|xxx|tbd|stub|dummy|placeholder)\b|\b(?:not|un)[ _-]?(?:yet|implemented|done|written)"
    rb"|\bimplement (?:me|this)\b",
    re.IGNORECASE,
)

_PEEK = re.compile(rb"\.expected\b|\b_build/|/proc/|\.\./tests?\b|\b(?:test|conftest)_?\w*\.(?:ml|py)\b")


def phrases(*spelled: str) -> tuple[Phrase, ...]:
    """Return each text, its tokens separated by blanks, as a phrase."""
    return tuple(tuple(word.encode() for word in text.split()) for text in spelled)


def occurrences(code: Sequence[bytes], wanted: Iterable[Phrase]) -> int:
    """Return at how many places of ``code`` one of these phrases begins."""
    by_first: dict[bytes, list[Phrase]] = {}
    for phrase in wanted:
        by_first.setdefault(phrase[0], []).append(phrase)
    return sum(
        any(tuple(code[place : place + len(phrase)]) == phrase for phrase in by_first[token])
        for place, token in enumerate(code)
        if token in by_first
    )


def table(wanted: Mapping[str, Iterable[Phrase]]) -> Table:
    """Return flag → phrases in the form in which one pass over a text finds all of them."""
    by_first: dict[bytes, dict[str, tuple[Phrase, ...]]] = {}
    for flag, some in wanted.items():
        for phrase in some:
            held = by_first.setdefault(phrase[0], {})
            held[flag] = (*held.get(flag, ()), phrase)
    return by_first


def tally(code: Sequence[bytes], wanted: Table) -> Counter[str]:
    """Return flag → at how many places of ``code`` one of its phrases begins."""
    found: Counter[str] = Counter()
    for place, token in enumerate(code):
        if token in wanted:
            for flag, some in wanted[token].items():
                found[flag] += any(tuple(code[place : place + len(phrase)]) == phrase for phrase in some)
    return found


def says_nothing(text: bytes) -> bool:
    """Whether a message is empty, or one that people write where code is still to come."""
    return not text.strip() or _TODO.search(text) is not None


def peeks(text: bytes) -> bool:
    """Whether a string names what only tests and their tools have business with: expectations, tests, ``/proc``."""
    return _PEEK.search(text) is not None
