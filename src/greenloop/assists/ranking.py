"""From attempts to suggestions, best first."""

import hashlib
from collections.abc import Iterable

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.records import Badge, Rung, Stage, Status, Suggestion, Suite, TestStatus, TreeId, Verdict


def badge(verdict: Verdict) -> Badge:
    """Return what a verdict lets one claim, and no more.

    ``TESTS_PASS`` needs a test that passed by name: an exit code alone is never a pass. A judgement that ended
    without a word on the code (a time-out, a fault) leaves the tree unverified.
    """
    if verdict.status is Status.RED:
        return Badge.ERRORS
    if verdict.status is not Status.GREEN:
        return Badge.UNVERIFIED
    if verdict.passed(Stage.TESTS) and any(test.status is TestStatus.PASSED for test in verdict.tests):
        return Badge.TESTS_PASS
    if verdict.passed(Stage.BUILD):
        return Badge.BUILDS
    return Badge.TYPE_CHECKS if verdict.passed(Stage.TYPES) else Badge.UNVERIFIED


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


def suggestion(attempt: Attempt, *, base: TreeId, toolchain: str, suite: Suite) -> Suggestion:
    """Return the suggestion that ``attempt`` came to. Without a verdict it says so, and why, in its note."""
    if attempt.result is None or attempt.edit is None or attempt.rung is None:
        raise ValueError(f"attempt {attempt.index} led to no tree")
    verdict = attempt.verdict or Verdict(
        tree=attempt.result, toolchain=toolchain, suite=suite, status=Status.INFRA_ERROR, note=attempt.detail
    )
    name = "\n".join((base, attempt.result, attempt.source))
    return Suggestion(
        id=hashlib.sha256(name.encode()).hexdigest()[:16],
        base=base,
        result=attempt.result,
        edit=attempt.edit,
        rung=attempt.rung,
        verdict=verdict,
        badge=badge(verdict),
        flags=attempt.flags,
        model=attempt.source,
        fixed=attempt.fixed,
    )


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
