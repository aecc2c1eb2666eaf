"""From an attempt to a suggestion with its badge."""

import hashlib

from greenloop.candidates.attempt import Attempt
from greenloop.records import Badge, Stage, Status, Suggestion, Suite, TestStatus, TreeId, Verdict


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
