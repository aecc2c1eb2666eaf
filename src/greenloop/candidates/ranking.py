"""Which attempts come first: the order in which they would be put before a person."""

from collections.abc import Iterable

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.records import Rung, Status, TreeId


def distinct(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Return the attempts that lead to a new tree, one a tree: of several one that did not touch
    protected files, the most literal, the first."""
    best: dict[TreeId, Attempt] = {}
    for attempt in attempts:
        if attempt.outcome not in (Outcome.JUDGED, Outcome.UNJUDGED) or attempt.result is None:
            continue
        held = best.get(attempt.result)
        if held is None or _trust(attempt) < _trust(held):
            best[attempt.result] = attempt
    return tuple(best.values())


def ranked(attempts: Iterable[Attempt]) -> tuple[Attempt, ...]:
    """Return the attempts best first.

    What deserves mistrust is last. Before it: fixed with an exact match; else fixed; else green; else by the stages
    passed, the number of errors left, and the size of the change. Equals keep their order.
    """
    return tuple(sorted(attempts, key=_key))


def _trust(attempt: Attempt) -> tuple[bool, Rung]:
    return bool(attempt.restored), Rung.TOKENS if attempt.rung is None else attempt.rung


def _key(attempt: Attempt) -> tuple[bool, bool, bool, bool, int, int, int, int]:
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
        attempt.changed_lines,
        attempt.index,
    )
