"""How well a chunk answers a question: BM25 over words, and a bonus for what defines a name that was spelled out.

BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, with the constants
and the inverse document frequency of Lucene and tantivy, so that both indexes of this package score alike.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from greenloop.prompts.retrieval.chunks import Chunk
from greenloop.prompts.retrieval.seam import Hit
from greenloop.prompts.retrieval.words import spelled_in, words_of

_K1, _B = 1.2, 0.75
MAX_WORDS = 96
"""So many words of a question are looked for, the rarest: an error's message may be long."""


@dataclass(frozen=True)
class Asked:
    """A question's words with their weights, rarest first, and the names that it spells out."""

    weights: dict[str, float]
    spelled: frozenset[str]
    average_length: float

    @property
    def bonus(self) -> float:
        """What a chunk gets that defines a name which was spelled out: as much as the rarest word weighs."""
        return max(self.weights.values(), default=0.0)

    def hit(self, chunk: Chunk) -> Hit | None:
        """Return the chunk with its score; ``None`` where it has nothing of the question."""
        score = 0.0
        for word, weight in self.weights.items():
            count = chunk.words.get(word, 0)
            if count:
                norm = _K1 * (1 - _B + _B * chunk.length / self.average_length)
                score += weight * count * (_K1 + 1) / (count + norm)
        if not self.spelled.isdisjoint(chunk.names):
            score += self.bonus
        return Hit(chunk.path, chunk.first, chunk.last, score) if score > 0 else None


def asked(text: str, chunks: int, having: Callable[[str], int], average_length: float) -> Asked:
    """Weigh the words of ``text``: ``having`` tells in how many of all ``chunks`` a word stands."""
    counts = {word: having(word) for word in sorted(words_of(text))}
    weights = {
        word: math.log(1 + (max(0, chunks - count) + 0.5) / (count + 0.5)) for word, count in counts.items() if count
    }
    rarest = sorted(weights, key=lambda word: (-weights[word], word))[:MAX_WORDS]
    return Asked({word: weights[word] for word in rarest}, spelled_in(text), average_length or 1.0)


def ranked(hits: list[Hit], limit: int) -> list[Hit]:
    """Return the best ``limit`` hits; equal ones by path and line."""
    return sorted(hits, key=lambda hit: (-hit.score, hit.path, hit.first_line))[:limit]
