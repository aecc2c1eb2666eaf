"""Which attempts come first: the order in which they would be put before a person."""

import math
from collections.abc import Iterable

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.records import Edit, ReplaceBlocks, Rung, Status, TreeId, WriteFile
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.syntax import language_of
from greenloop.workspace.tokens import tokens

# log-odds that a fix is the one that the person made; the first three are measured (docs/search.md), the others chosen
_UNTOLD = -0.33
"""Of a fix whose source says nothing of it: of hints' and of a trained model's fixes 42 % were the person's."""
_SEARCHED = -0.82
_PER_LIKELIHOOD = 0.24
"""Of a fix with a likelihood, by it: a logistic regression on training authors, each third weighed by the others."""
_VOTE = 1.0
"""What a doubling of the proposals that agree adds."""
_SOURCE = 1.5
"""What another source that came to the same adds to that: it errs in other ways."""
_GREEDY = 0.5
"""What it adds that a model wrote it greedily."""
_TOKEN = 0.05
"""What a changed token costs."""
_PREFERENCE = 0.5
"""What a nat adds by which the model prefers one fix to the others."""
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


def merit(attempt: Attempt) -> float:
    """Return the log-odds, roughly, that a fix is the one that is meant, beside what its verdict says.

    Its source and the likelihood that it gave count, proposals that agree speak for it, each changed token against it.
    """
    own = _UNTOLD if attempt.likelihood is None else _SEARCHED + _PER_LIKELIHOOD * attempt.likelihood
    agreed = _VOTE * math.log2(attempt.votes) + _SOURCE * (attempt.sources - 1)
    size = _TOKEN * min(changed_tokens(attempt.edit), _MOST_TOKENS)
    preferred = _PREFERENCE * (attempt.preference or 0.0)
    return own + _GREEDY * attempt.greedy + agreed - size + preferred


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
