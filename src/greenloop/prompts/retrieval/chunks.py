"""Cutting files into what a search finds: runs of ``CHUNK_LINES`` lines.

Definitions as chunks did worse on the history of a real project, cut or not (``docs/performance.md``).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from greenloop.prompts.draft import SourceFile
from greenloop.prompts.retrieval.words import spelled_in, words_in

CHUNK_LINES = 40


@dataclass(frozen=True, slots=True)
class Chunk:
    """Lines ``first`` to ``last`` (from 1, both included) of a file."""

    path: str
    first: int
    last: int
    names: frozenset[str]
    """The top-level names that are defined in it."""
    words: Mapping[str, int]
    """How often each word stands in it; the words of its path count once more."""
    spelled: frozenset[str]
    """The identifiers in it as they are spelled."""

    @property
    def length(self) -> int:
        """How many words it has."""
        return sum(self.words.values())


def chunks_of(file: SourceFile) -> Iterator[Chunk]:
    """Yield the chunks of ``file`` in order."""
    count = len(file.lines)
    path_words = words_in(file.path)
    for first in range(1, count + 1, CHUNK_LINES):
        last = min(first + CHUNK_LINES - 1, count)
        text = file.text(first, last)
        names = frozenset(name for item in file.items if first <= item.first_line <= last for name in item.names)
        yield Chunk(file.path, first, last, names, Counter(words_in(text) + path_words), spelled_in(text))
