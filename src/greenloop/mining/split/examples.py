"""From the pieces of a feature to examples: green → green, proven at both ends."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from greenloop.builds.judge import Judge
from greenloop.mining.describe import describe_files
from greenloop.mining.example import example_id
from greenloop.mining.filters import LEAKING, Candidate, keeping
from greenloop.mining.prompting.rules import prompt_for
from greenloop.mining.rules import Rules
from greenloop.mining.split.split import Piece, Split
from greenloop.records import Category, Example, Origin, Suite
from greenloop.workspace.store import TreeStore


@dataclass(frozen=True)
class Taken:
    """The examples of one feature, and how many pieces each rule kept out."""

    examples: tuple[Example, ...]
    dropped: Counter[str]


def examples_of(store: TreeStore, judge: Judge, suite: Suite, split: Split, *, workspace: str, rules: Rules) -> Taken:
    """Return the pieces of ``split`` as examples; its verdicts are those that ``judge`` has."""
    found: list[Example] = []
    dropped: Counter[str] = Counter()
    for result in (_example(store, judge, suite, split, piece, workspace, rules) for piece in _proven(split, dropped)):
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
            dropped["not proven by verdicts"] += 1


def _example(
    store: TreeStore, judge: Judge, suite: Suite, split: Split, piece: Piece, workspace: str, rules: Rules
) -> Example | str:
    base, target = (judge.judge(tree, suite) for tree in (piece.base, piece.target))
    pair = Candidate(store, base, target, Origin.FEATURE, accepted=False)
    against = next((rule.name for rule in keeping(rules) if rule.drops(pair)), None)
    if against is not None:
        return against
    assert pair.edit is not None, "a filter drops pairs without an exact edit"
    id_ = example_id(piece.base, piece.target, suite)
    prompt = prompt_for(id_, Category.OTHER, (), pair.files, split.feature.title, distribution=rules.prompts)
    if prompt is None:
        return LEAKING
    return Example(
        id=id_,
        workspace=workspace,
        author=split.feature.author,
        time=split.feature.time,
        base=piece.base,
        target=piece.target,
        edit=pair.edit,
        prompt=prompt,
        description=describe_files(pair.files),
        diagnostics=base.diagnostics,
        category=Category.OTHER,
        changed_lines=pair.changed_lines,
        toolchain=base.toolchain,
        suite=suite,
        origin=Origin.FEATURE,
    )
