"""The search for the smaller form of one fix: trees are yielded, and whether each of them mends is sent."""

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial

from greenloop.mining.minimise.belonging import belonging
from greenloop.mining.minimise.ddmin import Answers, Numbers, Search, ddmin
from greenloop.mining.split.fragments import Parts
from greenloop.records import InputError, TreeId
from greenloop.workspace.store import TreeStore

_MOST_GROUPS = 40
"""More fragments than this are first tried in so many groups of neighbours."""


@dataclass(frozen=True, slots=True)
class Smaller:
    """What became of one fix. ``kept`` and ``hunks`` count fragments; ``tree`` is the target with ``kept`` of them."""

    tree: TreeId
    kept: int
    hunks: int
    builds: int
    cut_short: bool
    """The builds allowed were spent: even less might do."""


def smaller(store: TreeStore, base: TreeId, target: TreeId, limit: int) -> Generator[TreeId, bool, Smaller]:
    """Return the smaller form of the fix from ``base`` to ``target``, in at most ``limit`` builds.

    A minimal set of fragments comes first (``ddmin``), then what belongs to it: all of that, or one after the other
    where the whole of it does not mend.
    """
    parts = Parts(store, base, target)
    everything = frozenset(range(len(parts.fragments)))
    # the last build is for what is put back
    answers = Answers(limit - 1)
    kept, builds = yield from _built(parts, _searched(everything, parts, answers, limit))
    tree = target if kept == everything else parts.tree(kept)
    return Smaller(tree, len(kept), len(everything), builds, answers.cut_short)


def _searched(everything: Numbers, parts: Parts, answers: Answers, limit: int) -> Search:
    step = -(-len(everything) // _MOST_GROUPS)
    numbers = sorted(everything)
    kept = everything
    if step > 1:
        kept = yield from ddmin([frozenset(numbers[at : at + step]) for at in range(0, len(numbers), step)], answers)
    kept = yield from ddmin([frozenset({number}) for number in sorted(kept)], answers)
    if kept == everything:
        return kept
    cut_short, answers.limit = answers.cut_short, limit
    back = belonging(parts, kept)
    whole = kept | back
    if whole == everything or (yield from answers.ask(whole)):
        kept = whole
    else:
        for number in sorted(back):
            if (yield from answers.ask(kept | {number})):
                kept |= {number}
    answers.cut_short = cut_short
    return kept


def _built(parts: Parts, search: Search) -> Generator[TreeId, bool, tuple[Numbers, int]]:
    """Turn a search over numbers into one over trees; return its result and how many trees there were."""
    builds = 0
    advance = partial(next, search)
    while True:
        try:
            numbers = advance()
        except StopIteration as end:
            return end.value, builds
        try:
            tree = parts.tree(numbers)
        except InputError:
            # a path would be both file and folder: there is no such tree to build
            advance = partial(search.send, False)
            continue
        builds += 1
        advance = partial(search.send, (yield tree))
