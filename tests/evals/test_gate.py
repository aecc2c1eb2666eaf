"""Requirements for continuous integration: what fails them, and what is no requirement at all."""

import pytest
from tests.evals.made import SETTINGS, result

from greenloop.evals.gate import failures, requirements
from greenloop.evals.metrics import Shape, metrics
from greenloop.evals.scores import EvalReport, evaluate
from greenloop.records import InputError

KNOWN = metrics(Shape(greedy=1, sampled=2, sources=False), 2)


@pytest.fixture(scope="module")
def report() -> EvalReport:
    """Forty tasks of thirteen authors: greedy 50 %, any of 2 75 %, nothing to tell of the same."""
    results = [
        result(f"t{number}", f"a{number % 13}", greedy=number < 20, sampled=(number < 30, False))
        for number in range(40)
    ]
    return evaluate(SETTINGS, results, k=2, tasks=40)


@pytest.mark.parametrize(
    "text",
    ["fixed@1>=0.5", "fixed@1 >= .5", "fixed@1<=0.5", "fixed@2>0.7", "fixed@1.low>=0.2", "fixed@1.high<0.9"],
)
def test_what_holds_fails_nothing(report: EvalReport, text: str) -> None:
    assert failures(report, requirements([text], KNOWN)) == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fixed@1>=0.51", "fixed@1>=0.51: it is 0.5000"),
        ("fixed@1>0.5", "it is 0.5000"),
        ("fixed@2<0.7", "it is 0.7500"),
        ("fixed@1.low>=0.5", "fixed@1.low>=0.5: it is 0."),
        ("same_shown>=0", "no task counts for same_shown"),
        ("same_shown<=1", "no task counts for same_shown"),
    ],
)
def test_what_does_not_hold_is_told_in_one_line(report: EvalReport, text: str, why: str) -> None:
    (line,) = failures(report, requirements([text], KNOWN))
    assert why in line
    assert "\n" not in line


def test_all_that_fail_are_told(report: EvalReport) -> None:
    wanted = requirements(["fixed@1>=0.9", "fixed@2>=0.1", "fixed_shown>=0.99"], KNOWN)
    assert [line.partition(":")[0] for line in failures(report, wanted)] == ["fixed@1>=0.9", "fixed_shown>=0.99"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is no requirement"),
        ("fixed@1", "is no requirement"),
        ("fixed@1=0.3", "is no requirement"),
        ("fixed@1>=", "is no requirement"),
        ("fixed@1.middle>=0.3", "is no requirement"),
        ("fixed@1>=much", "'much', which is no number"),
        ("fixed@1>=nan", "lie between 0 and 1"),
        ("fixed@1>=30", "lie between 0 and 1"),
        ("fixed@1>=-0.1", "lie between 0 and 1"),
        ("fixed@8>=0.3", "no score 'fixed@8'"),
        ("green>=0.3", "no score 'green'"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_runs(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        requirements([text], KNOWN)
