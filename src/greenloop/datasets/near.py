"""Finding texts that are nearly the same: MinHash finds the candidates, the exact Jaccard index decides.

A text is the set of its shingles: runs of 5 tokens, layout left out (Lee et al., "Deduplicating Training Data Makes
Language Models Better", arXiv 2107.06499, use runs of 5 as well). Two texts are near when their sets overlap by the
threshold: the common shingles over all of both.
"""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from datasketch import MinHash, MinHashLSH

from greenloop.records import InputError
from greenloop.workspace.tokens import tokens

SHINGLE_TOKENS = 5
THRESHOLD = 0.8
LOWEST = 0.3
"""Below this, 128 permutations no longer find every pair."""
_PERMUTATIONS = 128
_MISS = 1e-4
"""The chance, at most, that a pair exactly at the threshold is not even a candidate."""
_HASH_BITS = 0xFFFFFFFF

Shingles = npt.NDArray[np.uint64]
"""Sorted 64-bit hashes of a text's shingles, each once."""


def shingles(text: str) -> Shingles:
    """Return the shingles of ``text``; a text of fewer tokens than one shingle has is one shingle, no token is none."""
    words = tokens(text.encode("utf-8", "replace"), None)
    runs = {words[start : start + SHINGLE_TOKENS] for start in range(max(1, len(words) - SHINGLE_TOKENS + 1))}
    return np.array(sorted(_hash(run) for run in runs if run), dtype=np.uint64)


def _hash(run: tuple[bytes, ...]) -> int:
    # a token holds no zero byte, except where a file does; then two runs may count as one
    return int.from_bytes(hashlib.blake2b(b"\0".join(run), digest_size=8).digest(), "big")


def jaccard(one: Shingles, other: Shingles) -> float:
    """Return the Jaccard index of two texts; 0 where either has no token."""
    if not len(one) or not len(other):
        return 0.0
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)


@dataclass(frozen=True, slots=True)
class Near:
    """A text that is near the one that was asked about."""

    key: Hashable
    similarity: float


class NearIndex:
    """Texts by their keys, asked for those near a given one."""

    def __init__(self, threshold: float = THRESHOLD) -> None:
        """Raise ``InputError`` when ``threshold`` is not from ``LOWEST`` to 1."""
        if not LOWEST <= threshold <= 1:
            raise InputError(
                f"a similarity of {threshold:g} cannot tell near-duplicates", f"choose one from {LOWEST:g} to 1"
            )
        self.threshold = threshold
        rows = _rows(threshold)
        self._index = MinHashLSH(num_perm=_PERMUTATIONS, params=(_PERMUTATIONS // rows, rows))
        self._held: dict[Hashable, Shingles] = {}

    def add(self, key: Hashable, text: Shingles) -> None:
        """Add a text under a key of its own; one without tokens is near nothing, so it is not kept."""
        if len(text):
            self._held[key] = text
            self._index.insert(key, _signature(text))

    def near(self, text: Shingles) -> list[Near]:
        """Return the texts whose Jaccard index with ``text`` is at least the threshold, the nearest first."""
        if not len(text):
            return []
        found = [Near(key, jaccard(text, self._held[key])) for key in self._index.query(_signature(text))]
        # keys of one kind have an order; it decides between equals, so that a set's order never does
        return sorted(
            (one for one in found if one.similarity >= self.threshold), key=lambda one: (-one.similarity, str(one.key))
        )


def _rows(threshold: float) -> int:
    """Return the most rows a band may have: more rows give fewer candidates, and miss more of the pairs."""
    fitting = [
        rows for rows in range(1, _PERMUTATIONS // 2 + 1) if (1 - threshold**rows) ** (_PERMUTATIONS // rows) <= _MISS
    ]
    return max(fitting)


def _signature(text: Shingles) -> MinHash:
    made = MinHash(num_perm=_PERMUTATIONS, seed=1, hashfunc=_identity)
    made.update_batch((text & np.uint64(_HASH_BITS)).tolist())
    return made


def _identity(value: int) -> int:
    return value
