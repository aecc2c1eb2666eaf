"""One feature into pieces that build, each after the one before."""

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from greenloop.builds.judge import Judge
from greenloop.mining.rules import Rules
from greenloop.mining.split.edges import edges
from greenloop.mining.split.facts import facts_of
from greenloop.mining.split.fragments import Parts
from greenloop.mining.split.search import Answer, Group, Search
from greenloop.mining.split.units import Unit, units
from greenloop.records import Feature, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore

Progress = Callable[[int, int], None]
"""Called after each build with (fragments that are placed, fragments in all)."""

_WORD = re.compile(r"[A-Za-z_][\w']*")


@dataclass(frozen=True)
class Piece:
    """One step: from ``base`` to ``target``, ``lines`` changed in ``paths``.

    ``green``: a build said so of ``target``. ``reason`` says why it is beyond the limit, where it is.
    """

    base: TreeId
    target: TreeId
    lines: int
    paths: tuple[str, ...]
    green: bool
    reason: str = ""


@dataclass(frozen=True)
class Split:
    """What became of a feature. ``unsplit`` says why it is one piece where it had to stay one."""

    feature: Feature
    pieces: tuple[Piece, ...]
    fragments: int
    planned: int
    """Pieces that the rules alone proposed, before any build."""
    builds: int
    seconds: float
    base: Verdict | None = None
    target: Verdict | None = None
    unsplit: str = ""

    @property
    def green_prefix_share(self) -> float:
        """The part of all prefixes, the whole included, that builds; 1 for a feature without any change."""
        return sum(piece.green for piece in self.pieces) / len(self.pieces) if self.pieces else 1.0

    @property
    def exact(self) -> bool:
        """Whether the pieces lead from the feature's base to exactly its target."""
        ends = [self.feature.base, *(piece.target for piece in self.pieces)]
        starts = [*(piece.base for piece in self.pieces), self.feature.target]
        return ends == starts


class Splitter:
    """Splits features with one store and one judge."""

    def __init__(self, store: TreeStore, judge: Judge, suite: Suite, *, rules: Rules | None = None) -> None:
        self._store = store
        self._judge = judge
        self._suite = suite
        self._limit = (rules or Rules()).max_changed_lines

    def split(self, feature: Feature, progress: Progress | None = None) -> Split:
        """Return the pieces of a feature.

        Where its base or its target is not green there is nothing to hold on to: it stays one piece, and
        ``Split.unsplit`` says why. Raises ``InfrastructureError`` when a build could not be made, ``InputError`` when
        the store lacks a tree.
        """
        began = time.monotonic()
        parts = Parts(self._store, feature.base, feature.target)
        count = len(parts.fragments)
        if not count:
            return Split(feature, (), 0, 0, 0, time.monotonic() - began, unsplit="its base is its target")
        ends = [self._judge.judge(tree, self._suite) for tree in (feature.base, feature.target)]
        known = edges(parts)
        held = units(parts, known, self._limit)
        doubt = next((_why(name, one) for name, one in zip(("base", "target"), ends, strict=True) if not one.green), "")
        trials = 0
        if doubt:
            groups: tuple[Group, ...] = (Group(tuple(range(len(held)))),)
            planned = 1
        else:
            trial = _Trials(self._judge, self._suite, parts, held, progress)
            search = Search(held, trial, self._limit)
            groups, planned, trials = search.run(), search.planned, search.trials
        return Split(
            feature=feature,
            pieces=tuple(_pieces(parts, held, groups, green=not doubt)),
            fragments=count,
            planned=planned,
            builds=2 + trials,
            seconds=time.monotonic() - began,
            base=ends[0],
            target=ends[1],
            unsplit=doubt,
        )


class _Trials:
    """Builds the trees of sets of units."""

    def __init__(
        self, judge: Judge, suite: Suite, parts: Parts, units: tuple[Unit, ...], progress: Progress | None
    ) -> None:
        self._judge = judge
        self._suite = suite
        self._parts = parts
        self._units = units
        self._progress = progress
        self._names = tuple(self._named(unit) for unit in units)

    def __call__(self, made: frozenset[int]) -> Answer:
        tree = self._parts.tree(number for place in made for number in self._units[place].fragments)
        verdict = self._judge.judge(tree, self._suite)
        if self._progress is not None:
            self._progress(sum(len(self._units[place].fragments) for place in made), len(self._parts.fragments))
        if verdict.green:
            return Answer(green=True)
        said = frozenset(word for error in verdict.errors for word in _WORD.findall(error.message))
        where = frozenset(error.path for error in verdict.errors if error.path)

        def suspects(place: int) -> int:
            # what an error names, then what lies where the error is
            if said & self._names[place]:
                return 0
            return 1 if where & self._units[place].paths else 2

        return Answer(green=False, suspects=suspects)

    def _named(self, unit: Unit) -> frozenset[str]:
        facts = [facts_of(self._parts.fragments[number]) for number in unit.fragments]
        names = frozenset[str]().union(*(one.brings | one.loses | one.touches for one in facts))
        return names | {one.module for one in facts if one.fragment.file.change.old is None and one.module}


def _why(name: str, verdict: Verdict) -> str:
    error = next(iter(verdict.errors), None)
    said = verdict.note if error is None else f"{error.path or ''}: {' '.join(error.message.split())}"
    return f"its {name} is {verdict.status.value}, so no build could tell its parts from each other" + (
        f" ({said})" if said else ""
    )


def _pieces(parts: Parts, units: tuple[Unit, ...], groups: Iterable[Group], *, green: bool) -> Iterable[Piece]:
    made: set[int] = set()
    base = parts.base
    for group in groups:
        held = [units[place] for place in group.places]
        made |= {number for unit in held for number in unit.fragments}
        tree = parts.tree(made)
        paths = sorted({path for unit in held for path in unit.paths})
        yield Piece(base, tree, sum(unit.lines for unit in held), tuple(paths), green, group.reason)
        base = tree
    assert base == parts.target, "all fragments make the target"
