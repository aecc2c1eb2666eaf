"""From the pieces of a feature to examples: green → green, proven at both ends."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from greenloop.builds.judge import Judge
from greenloop.mining.example import Proposal, example_of
from greenloop.mining.filters import UNPROVEN
from greenloop.mining.rules import Rules
from greenloop.mining.split.split import Piece, Split
from greenloop.records import Example, Origin, Suite, TreeId
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True)
class Taken:
    """The examples of one feature, and how many pieces each rule kept out."""

    examples: tuple[Example, ...]
    dropped: Counter[str]


def examples_of(
    store: TreeStore,
    judge: Judge,
    suite: Suite,
    split: Split,
    *,
    workspace: str,
    rules: Rules,
    episode: str = "",
    accepted: frozenset[TreeId] = frozenset(),
) -> Taken:
    """Return the pieces of ``split`` as examples; its verdicts are those that ``judge`` has."""
    found: list[Example] = []
    dropped: Counter[str] = Counter()
    for piece in _proven(split, dropped):
        base, target = (judge.judge(tree, suite) for tree in (piece.base, piece.target))
        proposal = Proposal(
            base=base,
            targets=(target,),
            origin=Origin.FEATURE,
            workspace=workspace,
            author=split.feature.author,
            time=split.feature.time,
            suite=suite,
            accepted=accepted,
            rules=rules,
            episode=episode,
            title=split.feature.title,
        )
        result = example_of(store, proposal)
        if isinstance(result, str):
            dropped[result] += 1
        else:
            found.append(result)
    return Taken(tuple(found), dropped)


def _proven(split: Split, dropped: Counter[str]) -> Iterator[Piece]:
    for piece in split.pieces:
        if piece.green:
            yield piece
        else:
            dropped[UNPROVEN] += 1
