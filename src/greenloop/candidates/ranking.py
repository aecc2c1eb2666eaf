"""Which attempts come first: the order in which they would be put before a person."""

import math
from collections.abc import Iterable, Mapping

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.records import Edit, ReplaceBlocks, Rung, Status, TreeId, WriteFile
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.syntax import language_of
from greenloop.workspace.tokens import tokens

# log-odds that a fix is the one that the person made: what they were fitted to, and how, docs/search.md says
WEIGHTS: Mapping[str, float] = {
    "untold": -0.54,
    "searched": -0.61,
    "likelihood": 0.16,
    "votes": 1.18,
    "sources": 1.66,
    "greedy": 0.5,
    "tokens": -0.89,
    "preference": 0.16,
}
"""By the names of ``features``."""
_MOST_TOKENS = 60


def distinct(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Return the attempts that lead to a new tree, one a tree: of several one that did not touch
    protected files, the most literal, the first.

    It carries how many there were (``votes``, ``sources``), whether one was greedy, and the highest likelihood.
    """
    alike: dict[TreeId, list[Attempt]] = {}
    for attempt in attempts:
        if attempt.outcome in (Outcome.JUDGED, Outcome.UNJUDGED) and attempt.result is not None:
            alike.setdefault(attempt.result, []).append(attempt)
    return tuple(_one(held) for held in alike.values())


def ranked(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Return the attempts best first.

    What deserves mistrust is last. Before it: fixed with an exact match; else fixed; else green; else by the stages
    passed, the number of errors left. Among equals by ``merit``, then in their order.
    """
    return tuple(sorted(attempts, key=_key))


def merit(attempt: Attempt, weights: Mapping[str, float] = WEIGHTS) -> float:
    """Return the log-odds, roughly, that a fix is the one that is meant, beside what its verdict says."""
    return sum(weights[name] * value for name, value in features(attempt).items())


def features(attempt: Attempt) -> dict[str, float]:
    """Return what speaks for and against a fix, beside its verdict.

    ``untold`` is 1 where the source says nothing of it (a hint, a model), ``searched`` where it does, by a
    ``likelihood``. ``votes`` is how often the proposals that agree doubled, ``sources`` how many further sources came
    to the same, ``greedy`` 1 where a model wrote it greedily, ``tokens`` how many tokens changed, and ``preference``
    the nats by which the model prefers it to the other fixes.
    """
    return {
        "untold": float(attempt.likelihood is None),
        "searched": float(attempt.likelihood is not None),
        "likelihood": attempt.likelihood or 0.0,
        "votes": math.log2(attempt.votes),
        "sources": attempt.sources - 1.0,
        "greedy": float(attempt.greedy),
        "tokens": float(min(changed_tokens(attempt.edit), _MOST_TOKENS)),
        "preference": attempt.preference or 0.0,
    }


def changed_tokens(edit: Edit | None) -> int:
    """Return how many tokens an edit takes away and brings in; a file deleted or renamed counts as a large change."""
    count = 0
    for file in edit.files if edit is not None else ():
        language = language_of(file.path)
        if isinstance(file, ReplaceBlocks):
            for block in file.blocks:
                old, new = ([text.decode("latin-1") for text in tokens(side.encode("utf-8", "replace"), language)]
                            for side in (block.search, block.replace))  # fmt: skip
                count += sum(hunk.end - hunk.start + hunk.new_end - hunk.new_start for hunk in hunks(old, new))
        elif isinstance(file, WriteFile):
            count += len(tokens(file.content.encode("utf-8", "replace"), language))
        else:
            count += _MOST_TOKENS
    return count


def _one(alike: list[Attempt]) -> Attempt:
    best = min(alike, key=_trust)
    said = [one.likelihood for one in alike if one.likelihood is not None]
    known = {
        "votes": sum(one.votes for one in alike),
        "sources": len({one.source for one in alike}),
        "greedy": any(one.greedy for one in alike),
        "likelihood": max(said, default=None),
    }
    return best.model_copy(update=known)


def _trust(attempt: Attempt) -> tuple[bool, Rung]:
    return bool(attempt.restored), Rung.TOKENS if attempt.rung is None else attempt.rung


def _key(attempt: Attempt) -> tuple[bool, bool, bool, bool, int, int, float, int, int]:
    verdict = attempt.verdict
    green = verdict is not None and verdict.green
    passed = 0 if verdict is None else sum(result.status is Status.GREEN for result in verdict.stages)
    # without a verdict nothing is known, so it stands behind all that have one
    errors = 1_000_000 if verdict is None or not (green or verdict.errors) else len(verdict.errors)
    return (
        bool(attempt.flags),
        not (attempt.fixed and attempt.exact),
        not attempt.fixed,
        not green,
        -passed,
        errors,
        -merit(attempt),
        attempt.changed_lines,
        attempt.index,
    )
