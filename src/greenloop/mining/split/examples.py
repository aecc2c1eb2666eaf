"""From the pieces of a feature to examples: green → green, proven at both ends."""

from dataclasses import dataclass

from greenloop.builds.judge import Judge
from greenloop.mining.example import Proposal, example_of
from greenloop.mining.filters import UNPROVEN
from greenloop.mining.own import NOTHING, Accepted
from greenloop.mining.rules import Rules
from greenloop.mining.split.split import Piece, Split
from greenloop.records import Example, Origin, Suite
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True)
class Taken:
    """The examples of one feature, and each piece that became none with the rule that kept it out."""

    examples: tuple[Example, ...]
    dropped: tuple[tuple[Piece, str], ...]


def examples_of(
    store: TreeStore,
    judge: Judge,
    suite: Suite,
    split: Split,
    *,
    workspace: str,
    rules: Rules,
    episode: str = "",
    accepted: Accepted = NOTHING,
) -> Taken:
    """Return the pieces of ``split`` as examples; its verdicts are those that ``judge`` has."""
    found: list[Example] = []
    dropped: list[tuple[Piece, str]] = []
    for piece in split.pieces:
        if not piece.green:
            dropped.append((piece, UNPROVEN))
            continue
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
            dropped.append((piece, result))
        else:
            found.append(result)
    return Taken(tuple(found), tuple(dropped))
