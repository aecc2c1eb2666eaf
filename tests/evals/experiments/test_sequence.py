"""The effect, its interval, and a thousand experiments in which nothing differs."""

import numpy as np
import pytest

from greenloop.aid.experiments.assign import arm_of
from greenloop.evals.experiments.ratio import STOP, sample_ratio
from greenloop.evals.experiments.sequence import LEAST_DEVELOPERS, LEAST_TASKS, Sample, effect
from greenloop.evals.experiments.simulate import Team, simulate, tally

WEIGHTS = {"control": 1.0, "treatment": 1.0}


def treated(developer: str, task: str) -> bool:
    return arm_of("a/a", WEIGHTS, developer, task) == "treatment"


def made(developers: int, tasks: int, difference: float, seed: int = 1) -> Sample:
    draw = np.random.default_rng(seed)
    developer = np.arange(developers * tasks) % developers
    arm = draw.integers(0, 2, developers * tasks).astype(float)
    # each developer has a level of their own, far apart: only differences within developers tell
    return Sample(developer, arm, 10.0 * developer + difference * arm + draw.normal(0, 1, len(arm)))


def test_the_estimate_is_the_difference_within_developers() -> None:
    found = effect(made(10, 100, 0.5))
    assert found is not None
    assert found.estimate == pytest.approx(0.5, abs=3 * found.error)
    # the levels, which differ by 10, are not in the error
    assert found.error == pytest.approx(2 / np.sqrt(1000), rel=0.4)
    assert found.low < found.estimate < found.high
    assert found.differs


def test_the_interval_is_that_of_the_paper() -> None:
    # the half width over the standard error, worked out by hand for t = t* = 1000 and a = 0.05
    found = effect(made(10, 100, 0.0))
    assert found is not None
    rho = (-2 * np.log(0.05) + np.log(1 - 2 * np.log(0.05))) / 1000
    reach = np.sqrt(2 * (1000 * rho + 1) / (1000 * rho) * np.log(np.sqrt(1000 * rho + 1) / 0.05))
    assert (found.high - found.estimate) / found.error == pytest.approx(reach)
    assert 2.5 < reach < 3.5


def test_the_same_answer_many_times_over_is_no_evidence() -> None:
    """Tasks of a developer that always come out alike count as few, however many they are."""
    draw = np.random.default_rng(3)
    developer = np.repeat(np.arange(8), 200)
    arm = draw.integers(0, 2, len(developer)).astype(float)
    # each developer has a liking of their own for either arm; on average there is none
    liking = np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -0.2])
    found = effect(Sample(developer, arm, liking[developer] * arm))
    assert found is not None
    assert not found.differs


def test_with_too_little_nothing_is_told() -> None:
    assert effect(made(LEAST_DEVELOPERS - 1, 200, 5.0)) is None
    assert effect(made(10, 2 * LEAST_TASKS // 10 - 2, 5.0)) is None
    one_arm = made(10, 100, 0.0)
    assert effect(Sample(one_arm.developer, np.zeros(1000), one_arm.value)) is None


def test_a_constant_measure_differs_in_nothing() -> None:
    sample = made(10, 100, 0.0)
    found = effect(Sample(sample.developer, sample.treated, np.ones(1000)))
    assert found is not None
    assert not found.differs


def test_the_sample_ratio() -> None:
    assert sample_ratio({"a": 500, "b": 510}, {"a": 1, "b": 1}) > 0.5
    assert sample_ratio({"a": 500, "b": 700}, {"a": 1, "b": 1}) < STOP
    assert sample_ratio({"a": 500, "b": 1000}, {"a": 1, "b": 2}) == pytest.approx(1.0)
    assert sample_ratio({"b": 40}, {"a": 1, "b": 1}) < STOP
    assert sample_ratio({}, {"a": 1, "b": 1}) == 1.0


def test_a_run_has_the_days_that_were_asked_for_and_ends_with_its_last_task() -> None:
    run = simulate(Team(developers=4, days=5), 1, treated)
    assert len(run.days) == 5
    assert run.days[-1] == len(run.sample.value)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "team", [Team(), Team(developers=6), Team(spread=0.1)], ids=["20 developers", "6 developers", "effects differ"]
)
def test_a_thousand_experiments_in_which_nothing_differs(team: Team) -> None:
    told = tally(team, 1000, treated)
    # the interval of the share lies below what is promised, or holds it
    assert told.interval()[0] <= 0.05
    assert told.alarms / told.runs <= 0.05
    # so many looks by a t test do cry wolf: the suite can tell
    assert told.peeking / told.runs > 0.15
    assert told.ratio / told.runs < 0.03


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_an_effect_is_seen() -> None:
    told = tally(Team(effect=0.1), 100, treated)
    assert told.alarms > 90


def test_a_faulty_assignment_is_stopped() -> None:
    """One that follows the number of the task, not chance, and loses a tenth of an arm."""
    told = tally(Team(), 10, lambda _developer, task: int(task.rpartition("-")[2]) % 20 < 9)
    assert told.ratio == 10
