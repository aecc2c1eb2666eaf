"""Splitting examples into train, valid and test so that nothing leaks from one side to another.

By author (the default): whoever is held out was never trained on. By directory: the code that is held out was never
trained on. By time, for one author's history: the past trains, the future tests, and a gap lies between the parts.
However it is split, an episode is never torn.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from greenloop.datasets.groups import Group, Ties, grouped, of_author, of_directory, of_episode
from greenloop.datasets.shares import in_order, shares, tail
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
    DIRECTORY = "directory"


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
        if not self.gap_seconds >= 0:
            raise InputError(f"a gap of {self.gap_seconds:g} s lies between no two parts", "0 is no gap")

    def described(self) -> str:
        """Return the rule in one sentence, for the card."""
        sizes = f"{self.valid:.0%} valid, {self.test:.0%} test"
        if self.by is SplitBy.AUTHOR:
            return f"by author, in the order of SHA-256 of their names, whole authors only; {sizes}"
        if self.by is SplitBy.DIRECTORY:
            return (
                "by directory, in the order of SHA-256 of their names, whole directories only, those that an edit "
                f"or an episode ties together as one; {sizes}"
            )
        return f"by time, oldest first, whole episodes only, {self.gap_seconds:g} s between the parts; {sizes}"


@dataclass(frozen=True, slots=True)
class Parts:
    """The examples of each part in the order in which they came; ``between`` are in the gaps between them."""

    examples: Mapping[Split, tuple[Example, ...]]
    between: tuple[Example, ...] = ()

    @property
    def in_gap(self) -> int:
        """How many examples are in no part."""
        return len(self.between)


def split(examples: Sequence[Example], rule: SplitRule) -> Parts:
    """Split ``examples`` by ``rule``. Train and test are never empty; valid is where there are three groups or more.

    Raises ``InputError`` when there are too few authors, directories or episodes to hold any out.
    """
    if rule.by is SplitBy.TIME:
        return _by_time(examples, rule)
    return _by_name(examples, rule, of_author if rule.by is SplitBy.AUTHOR else of_directory)


def _by_name(examples: Sequence[Example], rule: SplitRule, ties: Ties) -> Parts:
    groups = {
        # two names in one group: it goes by the first
        min(str(name) for one in group.examples for name in ties(one)): group
        for group in grouped(examples, ties, of_episode)
    }
    if len(groups) < 2:
        raise InputError(*_one_group(examples, rule))
    sizes = {name: len(group.examples) for name, group in groups.items()}
    held = shares(in_order(groups), sizes, valid=rule.valid, test=rule.test)
    return _parted(examples, {Split(part): [groups[name] for name in names] for part, names in held.items()})


def _one_group(examples: Sequence[Example], rule: SplitRule) -> tuple[str, str]:
    if rule.by is SplitBy.AUTHOR:
        what = f"all {len(examples)} examples are by one author, or by authors whom an episode ties together"
        return f"{what}, so none can be held out by author", "split by time instead: --by time"
    what = f"all {len(examples)} examples are of one directory, or of directories that their edits tie together"
    return f"{what}, so none can be held out by directory", "split otherwise: --by author or --by time"


def _by_time(examples: Sequence[Example], rule: SplitRule) -> Parts:
    groups = sorted(grouped(examples, of_episode), key=lambda group: (group.end, group.key))
    if len(groups) < 2:
        raise InputError(
            f"{len(examples)} examples are one episode, so none can be held out by time", "record a longer history"
        )
    sizes = [len(group.examples) for group in groups]
    test = tail(sizes[1:], rule.test * len(examples))
    rest = groups[: len(groups) - test]
    valid = tail(sizes[1 : len(rest)], rule.valid * len(examples)) if rule.valid > 0 and len(rest) > 1 else 0
    train = len(rest) - valid
    kept: dict[Split, list[Group]] = {Split.TRAIN: groups[:train], Split.VALID: [], Split.TEST: []}
    end = max(group.end for group in groups[:train])
    for part, held in ((Split.VALID, groups[train : len(rest)]), (Split.TEST, groups[len(rest) :])):
        kept[part] = [group for group in held if group.start >= end + rule.gap_seconds]
        end = max([end, *(group.end for group in held)])
    if not kept[Split.TEST]:
        raise InputError(
            f"with whole episodes and {rule.gap_seconds:g} s between the parts nothing is left to test on",
            "choose a smaller gap, or record a longer history",
        )
    return _parted(examples, kept)


def _parted(examples: Sequence[Example], groups: Mapping[Split, Iterable[Group]]) -> Parts:
    side: dict[str, Split] = {}
    for part, held in groups.items():
        for one in (one for group in held for one in group.examples):
            assert one.id not in side, f"{one.id} stands on two sides"
            side[one.id] = part
    parts = {part: tuple(one for one in examples if side.get(one.id) is part) for part in Split}
    return Parts(parts, tuple(one for one in examples if one.id not in side))
