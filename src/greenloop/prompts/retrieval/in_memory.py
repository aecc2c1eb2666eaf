"""Searching a tree without an index: its files are read and cut anew for each question.

Right for a small tree, and where an answer must depend on nothing but the tree, as in training. Chunks are top-level
items, or runs of ``CHUNK_LINES`` lines. A chunk scores the sum of the inverse document frequencies of the distinct
words that it, or its path, shares with the person's words. A chunk that defines a name which the person spelled out
scores twice the rarest word on top.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from greenloop.prompts.draft import SourceFile, source_file
from greenloop.prompts.listing import listing
from greenloop.prompts.retrieval.seam import Hit
from greenloop.prompts.retrieval.words import spelled_in, words_of
from greenloop.records import TreeId
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.syntax import language_of

CHUNK_LINES = 40
MAX_FILES_READ = 1_000
"""How many files are read at most: those with a grammar first, then by path."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    path: str
    first: int
    last: int
    names: tuple[str, ...]
    words: frozenset[str]


class InMemory:
    """Searches trees of ``store``."""

    def __init__(self, store: TreeStore) -> None:
        self._store = store

    def search(self, tree: TreeId, text: str, *, limit: int) -> Sequence[Hit]:
        """Return the chunks that share words with ``text``, the best first.

        When no chunk does, files are returned whole in the order of their paths: a small tree is then still shown.
        """
        files = list(self._files(tree))
        chunks = [chunk for file in files for chunk in _chunks(file)]
        asked = words_of(text)
        spelled = spelled_in(text)
        weights = {word: _idf(sum(word in chunk.words for chunk in chunks), len(chunks)) for word in sorted(asked)}
        rarest = sorted(weights, key=lambda word: (-weights[word], word))
        bonus = 2 * max(weights.values(), default=0.0)
        scored = []
        for place, chunk in enumerate(chunks):
            # fsum does not depend on the order of a set
            score = math.fsum(weights[word] for word in asked & chunk.words)
            if not spelled.isdisjoint(chunk.names):
                score += bonus
            if score > 0:
                scored.append((-score, place, chunk))
        if not scored:
            return [Hit(file.path, 1, len(file.lines), 0.0) for file in files]
        scored.sort(key=lambda entry: entry[:2])
        return [
            Hit(chunk.path, chunk.first, chunk.last, -score, tuple(word for word in rarest if word in chunk.words))
            for score, _, chunk in scored[:limit]
        ]

    def uses(self, tree: TreeId, names: Iterable[str]) -> Mapping[str, int]:
        """Return in how many files each identifier is spelled."""
        spelled = [spelled_in(file.text(1, len(file.lines))) for file in self._files(tree)]
        return {name: sum(name in words for words in spelled) for name in names}

    def _files(self, tree: TreeId) -> Iterator[SourceFile]:
        entries = listing(self._store, tree).entries
        for path in sorted(entries, key=lambda path: (language_of(path) is None, path))[:MAX_FILES_READ]:
            entry = entries[path]
            file = source_file(path, self._store.read_blob(entry.blob)) if entry.mode is not Mode.LINK else None
            if file is not None and file.lines:
                yield file


def _idf(having: int, count: int) -> float:
    return math.log((count + 1) / (having + 0.5)) if having else 0.0


def _chunks(file: SourceFile) -> Iterator[_Chunk]:
    path_words = words_of(file.path)
    spans = [(item.first_line, item.last_line, item.names) for item in file.items]
    if not spans:
        count = len(file.lines)
        spans = [(start, min(start + CHUNK_LINES - 1, count), ()) for start in range(1, count + 1, CHUNK_LINES)]
    for first, last, names in spans:
        yield _Chunk(file.path, first, last, names, words_of(file.text(first, last)) | path_words)
