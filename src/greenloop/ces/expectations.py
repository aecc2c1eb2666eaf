"""What must have been seen of the tests before green may be said: pure functions on verdicts.

An exit status of 0 says that nothing complained, not that anything ran (invariant 7). So every test that passed in
the base is expected by name; and a test that is known to disagree with itself neither counts for an edit nor
against it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

from greenloop.records import Category, Stage, Status, TestResult, TestStatus, Verdict


def missing(
    expected: Iterable[str], tests: Iterable[TestResult], excused: AbstractSet[str] = frozenset()
) -> tuple[str, ...]:
    """Return the expected tests that were not seen to pass, sorted; a name expected twice has to pass twice.

    A test that was skipped has not passed. Those in ``excused`` are not demanded.
    """
    seen = Counter(test.name for test in tests if test.status is TestStatus.PASSED)
    lacking = Counter(name for name in expected if name not in excused) - seen
    return tuple(sorted(lacking.elements()))


def failed(verdict: Verdict) -> frozenset[str]:
    """Return the tests that were seen to fail."""
    return frozenset(test.name for test in verdict.tests if test.status is TestStatus.FAILED)


def reached_tests(verdict: Verdict) -> bool:
    """Whether the tests ran to an end of their own, green or red."""
    return (
        verdict.status in {Status.GREEN, Status.RED}
        and bool(verdict.stages)
        and verdict.stages[-1].stage is Stage.TESTS
    )


def counts_as_green(verdict: Verdict, excused: AbstractSet[str]) -> bool:
    """Whether a verdict is green, or red for nothing but tests in ``excused``.

    Only where all that the tools complain of is about those very tests: a further error without a name is not theirs.
    """
    if verdict.green:
        return True
    bad = failed(verdict)
    if verdict.status is not Status.RED or not reached_tests(verdict) or not bad or not bad <= excused:
        return False
    return all(
        error.category is Category.TEST and any(_names(error.message, name) for name in bad) for error in verdict.errors
    )


def unsteady(runs: Sequence[Verdict]) -> frozenset[str]:
    """Return the tests that did not end alike in all runs, or that some runs did not show at all."""
    ends = [Counter((test.name, test.status) for test in run.tests) for run in runs]
    return frozenset(name for end in ends for other in ends for name, _ in end - other)


def _names(message: str, test: str) -> bool:
    """Whether the first line of an error is about this test: it ends with its name, or begins with it."""
    head = message.partition("\n")[0].strip()
    return head.endswith(test) or head.startswith(test)
