"""What must have been seen of the tests, told by verdicts alone."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.ces.expectations import counts_as_green, failed, missing, reached_tests, unsteady
from greenloop.records import (
    Category,
    Diagnostic,
    Severity,
    Stage,
    StageResult,
    Status,
    Suite,
    TestResult,
    TestStatus,
    Verdict,
)

ENDS = {"P": TestStatus.PASSED, "F": TestStatus.FAILED, "S": TestStatus.SKIPPED}


def results(*spelled: str) -> tuple[TestResult, ...]:
    """``"a:P"`` is the test a, passed."""
    return tuple(TestResult(name=one[:-2], status=ENDS[one[-1]]) for one in spelled)


def error(message: str, category: Category = Category.TEST) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, category=category, message=message)


def verdict(
    status: Status, *tests: str, errors: tuple[Diagnostic, ...] | None = None, last: Stage = Stage.TESTS
) -> Verdict:
    seen = results(*tests)
    told = tuple(error(f"test failed: {test.name}") for test in seen if test.status is TestStatus.FAILED)
    stages = list(Stage)[: list(Stage).index(last) + 1]
    return Verdict(
        tree="0" * 40,
        toolchain="t",
        suite=Suite.TEST,
        status=status,
        stages=tuple(
            StageResult(stage=stage, status=status if stage is last else Status.GREEN, seconds=0) for stage in stages
        ),
        tests=seen,
        diagnostics=told if errors is None else errors,
    )


@pytest.mark.parametrize(
    ("expected", "seen", "excused", "lacking"),
    [
        ("ab", ["a:P", "b:P", "c:P"], "", ""),
        ("ab", ["a:P"], "", "b"),
        ("ab", ["a:P", "b:S"], "", "b"),
        ("ab", ["a:P", "b:F"], "", "b"),
        ("ab", ["a:P"], "b", ""),
        ("aa", ["a:P"], "", "a"),
        ("aa", ["a:P", "a:P"], "", ""),
        ("", [], "", ""),
        ("ba", [], "", "ab"),
    ],
)
def test_expected_tests_are_missed_by_name_and_number(
    expected: str, seen: list[str], excused: str, lacking: str
) -> None:
    assert missing(expected, results(*seen), frozenset(excused)) == tuple(lacking)


NAMES = st.lists(st.sampled_from("abcde"))


@given(expected=NAMES, seen=NAMES, excused=st.frozensets(st.sampled_from("abcde")))
def test_nothing_is_missed_exactly_when_every_expected_pass_was_seen(
    expected: list[str], seen: list[str], excused: frozenset[str]
) -> None:
    lacking = missing(expected, results(*(f"{name}:P" for name in seen)), excused)
    demanded = Counter(name for name in expected if name not in excused)
    assert (lacking == ()) == all(Counter(seen)[name] >= count for name, count in demanded.items())
    assert not set(lacking) & excused
    assert len(seen) >= len(expected) - len(lacking) - sum(name in excused for name in expected)


G, R = Status.GREEN, Status.RED


@pytest.mark.parametrize(
    ("judged", "excused", "green"),
    [
        (verdict(G, "a:P"), "", True),
        (verdict(R, "a:P", "b:F"), "b", True),
        (verdict(R, "a:F", "b:F"), "b", False),
        (verdict(R, "a:P", "b:F"), "", False),
        # red, though no test failed: something else did
        (verdict(R, "a:P", "b:P"), "ab", False),
        (verdict(R, "a:P", "b:F", errors=(error("test failed: b"), error("exited with code 3"))), "b", False),
        (verdict(R, "b:F", errors=(error("test failed: b", Category.TYPE),)), "b", False),
        (verdict(R, "b:F", last=Stage.BUILD), "b", False),
        (verdict(Status.TIMEOUT, "b:F"), "b", False),
        (verdict(Status.REJECTED, "b:F"), "b", False),
    ],
)
def test_only_failures_of_excused_tests_are_forgiven(judged: Verdict, excused: str, green: bool) -> None:
    assert counts_as_green(judged, frozenset(excused)) is green


def test_tests_were_reached_when_they_came_to_an_end_of_their_own() -> None:
    assert reached_tests(verdict(G))
    assert reached_tests(verdict(R, "a:F"))
    assert not reached_tests(verdict(R, last=Stage.BUILD))
    assert not reached_tests(verdict(Status.TIMEOUT))
    assert failed(verdict(R, "a:F", "b:P", "c:S")) == {"a"}


@pytest.mark.parametrize(
    ("runs", "names"),
    [
        ([["a:P", "b:P"]], ""),
        ([["a:P", "b:P"], ["a:P", "b:P"]], ""),
        ([["a:P", "b:P"], ["a:P", "b:F"]], "b"),
        ([["a:P", "b:P"], ["a:P"], ["a:P", "b:P"]], "b"),
        ([["a:P"], ["a:S"], ["a:F", "c:P"]], "ac"),
        ([], ""),
    ],
)
def test_tests_are_unsteady_when_runs_disagree_on_them(runs: list[list[str]], names: str) -> None:
    assert unsteady([verdict(G, *run) for run in runs]) == frozenset(names)
