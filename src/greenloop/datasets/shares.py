"""Which groups are held out, so that their sizes come near to the shares that are asked for."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in the order of their SHA-256: as good as drawn, and the same on every machine."""
    return sorted(names, key=lambda name: (hashlib.sha256(name.encode()).hexdigest(), name))


def shares(order: Sequence[str], sizes: Mapping[str, int], *, valid: float, test: float) -> dict[str, list[str]]:
    """Return part → names. One name at the least stays to train on, and one to validate with where there are three."""
    total = sum(sizes.values())
    left = list(order)
    held: dict[str, list[str]] = {"valid": [], "test": []}
    for part, share, stay in (("test", test, 2 if valid > 0 else 1), ("valid", valid, 1)):
        if share > 0 and len(left) > 1:
            most = max(1, len(left) - stay)
            held[part] = _held_out(left, sizes, share * total, most)
            left = [name for name in left if name not in held[part]]
    return {"train": left, **held}


def _held_out(names: Sequence[str], sizes: Mapping[str, int], wanted: float, most: int) -> list[str]:
    """Take the names, in order, that bring the count nearer to ``wanted``; at least one and at most ``most``."""
    taken: list[str] = []
    count = 0
    for name in names:
        if len(taken) < most and abs(count + sizes[name] - wanted) < abs(count - wanted):
            taken.append(name)
            count += sizes[name]
    # where every group is too large, the smallest is held out
    return taken or [min(names, key=lambda name: (sizes[name], name))]


def tail(sizes: Sequence[int], wanted: float) -> int:
    """Return how many of the last groups hold ``wanted`` examples; at least one."""
    taken = count = 0
    for size in reversed(sizes):
        if taken and count >= wanted:
            break
        taken += 1
        count += size
    return taken
