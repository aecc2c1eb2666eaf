"""Splitting examples into train, valid and test so that nothing leaks from one side to another.

By author (the default): whoever is held out was never trained on. By time, for one author's history: the past trains,
the future tests, an episode is never torn, and a gap lies between the parts.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from greenloop.records import Example, InputError


class Split(StrEnum):
    """The parts of a dataset."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


class SplitBy(StrEnum):
    """What keeps the parts apart."""

    AUTHOR = "author"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How to split. ``valid`` and ``test`` are shares of all examples between 0 and 1; the rest trains."""

    by: SplitBy = SplitBy.AUTHOR
    valid: float = 0.1
    test: float = 0.1
    gap_seconds: float = 600.0
    """By time only: examples that begin less than this after a part's end are left out."""

    def __post_init__(self) -> None:
        """Raise ``InputError`` when the shares leave nothing to train on, or nothing to test on."""
        if not (0 <= self.valid < 1 and 0 < self.test < 1 and self.valid + self.test < 1):
            raise InputError(
                f"the shares valid={self.valid:g} and test={self.test:g} cannot be held out",
                "valid from 0, test above 0, both together below 1",
            )

    def described(self) -> str:
        """Return the rule in one sentence, for the card."""
        shares = f"{self.valid:.0%} valid, {self.test:.0%} test"
        if self.by is SplitBy.AUTHOR:
            return f"by author, in the order of SHA-256 of their names, whole authors only; {shares}"
        return f"by time, oldest first, whole episodes only, {self.gap_seconds:g} s between the parts; {shares}"


@dataclass(frozen=True, slots=True)
class Parts:
    """The examples of each part in the order in which they came; ``in_gap`` of them are in none."""

    examples: Mapping[Split, tuple[Example, ...]]
    in_gap: int = 0


@dataclass(slots=True)
class _Group:
    """Examples that must stay together."""

    key: str
    examples: list[Example] = field(default_factory=list)

    @property
    def start(self) -> float:
        return min(example.time for example in self.examples)

    @property
    def end(self) -> float:
        return max(example.time for example in self.examples)


def split(examples: Sequence[Example], rule: SplitRule) -> Parts:
    """Split ``examples`` by ``rule``. Train and test are never empty; valid is where there are three groups or more.

    Raises ``InputError`` when there are too few authors or episodes to hold any out.
    """
    if rule.by is SplitBy.AUTHOR:
        return _by_author(examples, rule)
    return _by_time(examples, rule)


def episodes(examples: Sequence[Example]) -> dict[str, str]:
    """Return example id → the id that names its episode: examples of one workspace that share a tree are one."""
    leader: dict[str, str] = {}
    first_with: dict[tuple[str, str], str] = {}

    def root(id_: str) -> str:
        while leader[id_] != id_:
            leader[id_] = leader[leader[id_]]
            id_ = leader[id_]
        return id_

    for example in examples:
        leader[example.id] = example.id
        for tree in (example.base, example.target):
            other = first_with.setdefault((example.workspace, tree), example.id)
            leader[root(example.id)] = root(other)
    return {example.id: root(example.id) for example in examples}


def _by_author(examples: Sequence[Example], rule: SplitRule) -> Parts:
    sizes = Counter(example.author for example in examples)
    if len(sizes) < 2:
        raise InputError(
            f"all {len(examples)} examples are by one author, so none can be held out by author",
            "split by time instead: --by time",
        )
    order = sorted(sizes, key=lambda author: (hashlib.sha256(author.encode()).hexdigest(), author))
    side: dict[str, Split] = {}
    # one author at the least stays to train on, and one to validate with where there are three
    for part, share, stay in ((Split.TEST, rule.test, 2 if rule.valid > 0 else 1), (Split.VALID, rule.valid, 1)):
        left = [author for author in order if author not in side]
        if share > 0 and len(left) > 1:
            most = max(1, len(left) - stay)
            side.update(dict.fromkeys(_held_out(left, sizes, share * len(examples), most), part))
    parts = {part: tuple(one for one in examples if side.get(one.author, Split.TRAIN) is part) for part in Split}
    _assert_apart({part: {one.author for one in held} for part, held in parts.items()})
    return Parts(parts)


def _held_out(authors: Sequence[str], sizes: Mapping[str, int], wanted: float, most: int) -> tuple[str, ...]:
    """Take the authors, in order, that bring the count nearer to ``wanted``; at least one and at most ``most``."""
    taken: list[str] = []
    count = 0
    for author in authors:
        if len(taken) < most and abs(count + sizes[author] - wanted) < abs(count - wanted):
            taken.append(author)
            count += sizes[author]
    # where everyone has too much, the one with the least is held out
    return tuple(taken) or (min(authors, key=lambda author: (sizes[author], author)),)


def _by_time(examples: Sequence[Example], rule: SplitRule) -> Parts:
    groups = _episode_groups(examples)
    if len(groups) < 2:
        raise InputError(
            f"{len(examples)} examples are one episode, so none can be held out by time", "record a longer history"
        )
    total = len(examples)
    test = _tail(groups[1:], rule.test * total)
    rest = groups[: len(groups) - test]
    valid = _tail(rest[1:], rule.valid * total) if rule.valid > 0 and len(rest) > 1 else 0
    train = len(rest) - valid
    kept: dict[Split, list[_Group]] = {Split.TRAIN: groups[:train], Split.VALID: [], Split.TEST: []}
    end = max(group.end for group in groups[:train])
    for part, held in ((Split.VALID, groups[train : len(rest)]), (Split.TEST, groups[len(rest) :])):
        kept[part] = [group for group in held if group.start >= end + rule.gap_seconds]
        end = max([end, *(group.end for group in held)])
    if not kept[Split.TEST]:
        raise InputError(
            f"with whole episodes and {rule.gap_seconds:g} s between the parts nothing is left to test on",
            "choose a smaller gap, or record a longer history",
        )
    side = {one.id: part for part, held in kept.items() for group in held for one in group.examples}
    parts = {part: tuple(one for one in examples if side.get(one.id) is part) for part in Split}
    _assert_apart({part: {group.key for group in held} for part, held in kept.items()})
    return Parts(parts, total - len(side))


def _episode_groups(examples: Sequence[Example]) -> list[_Group]:
    """Return the episodes in the order of their ends."""
    keys = episodes(examples)
    groups: dict[str, _Group] = {}
    for example in examples:
        key = keys[example.id]
        groups.setdefault(key, _Group(key)).examples.append(example)
    return sorted(groups.values(), key=lambda group: (group.end, group.key))


def _tail(groups: Sequence[_Group], wanted: float) -> int:
    """Return how many of the last ``groups`` hold ``wanted`` examples; at least one."""
    taken = count = 0
    for group in reversed(groups):
        if taken and count >= wanted:
            break
        taken += 1
        count += len(group.examples)
    return taken


def _assert_apart(keys: Mapping[Split, Iterable[str]]) -> None:
    seen: set[str] = set()
    for part, held in keys.items():
        fresh = set(held)
        assert not seen & fresh, f"{part}: {sorted(seen & fresh)[:3]} also stand on another side"
        seen |= fresh
