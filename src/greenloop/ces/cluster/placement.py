"""Which actors a revision belongs to."""

import hashlib
from collections.abc import Iterable


def ranked(key: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return ``names`` in the order in which they are asked for ``key``.

    Rendezvous hashing (Thaler and Ravishankar, 1998): each name draws a number with the key, the highest first. A name
    that goes or comes moves only the keys that it held or will hold; every key has an order of its own.
    """
    return tuple(sorted(names, key=lambda name: (_draw(key, name), name), reverse=True))


def _draw(key: str, name: str) -> bytes:
    return hashlib.sha256(f"{len(key)}:{key}{name}".encode()).digest()
