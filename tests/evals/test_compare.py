"""Two runs on the same tasks: chance is told from a difference, and unlike runs from like ones."""

import itertools
import random
from pathlib import Path

import pytest
from tests.evals.made import SETTINGS, result

from greenloop.evals.compare import Comparison, Run, compare
from greenloop.evals.estimators import difference
from greenloop.evals.results import ResultsFolder, TaskResult
from greenloop.evals.tables import comparison_lines
from greenloop.records import InputError


def a_run(greedy: list[bool], *, authors: int = 20, sampled: list[tuple[bool, bool]] | None = None) -> Run:
    results = [
        result(
            f"t{number}", f"a{number % authors}", greedy=right, sampled=sampled[number] if sampled else (False, False)
        )
        for number, right in enumerate(greedy)
    ]
    return Run(SETTINGS, {one.task: one for one in results})


def named(found: Comparison, name: str) -> dict[str, object]:
    return next(one for one in found.differences if one.name == name).model_dump()


def test_a_run_is_no_better_than_itself() -> None:
    one = a_run([number % 3 == 0 for number in range(60)])
    for found in compare(one, one).differences:
        assert (found.difference, found.p, found.test, found.better) == (0.0, 1.0, "no task differs", "")


def test_mcnemar_is_the_binomial_test_on_the_tasks_that_differ() -> None:
    # 12 tasks gained and 3 lost: 2 * sum(C(15, i) for i <= 3) / 2**15
    first = [number < 3 for number in range(60)]
    second = [3 <= number < 15 for number in range(60)]
    found = named(compare(a_run(first), a_run(second)), "fixed@1")
    assert found["test"] == "McNemar, exact"
    assert found["p"] == pytest.approx(2 * (1 + 15 + 105 + 455) / 2**15)
    assert (found["only_a"], found["only_b"]) == (3, 12)
    assert found["difference"] == pytest.approx(9 / 60)


def test_a_clear_difference_is_called_by_its_side() -> None:
    rng = random.Random(1)
    first = [rng.random() < 0.2 for _ in range(200)]
    second = [right or rng.random() < 0.4 for right in first]
    found = compare(a_run(first, authors=40), a_run(second, authors=40))
    assert named(found, "fixed@1")["better"] == "B"
    turned = compare(a_run(second, authors=40), a_run(first, authors=40))
    assert named(turned, "fixed@1")["better"] == "A"
    low, high = named(found, "fixed@1")["low"], named(found, "fixed@1")["high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 0 < low < 0.32 < high < 0.5
    assert any("B is better" in line for line in comparison_lines(found))


def test_one_author_who_carries_all_of_it_shows_no_difference() -> None:
    # 30 tasks gained, all by one of 20 people: as tasks that is beyond chance, as people it is not
    owners = [0 if number < 30 else 1 + number % 19 for number in range(120)]
    runs = []
    for gained in (False, True):
        held = [
            result(f"t{number}", f"a{owner}", greedy=gained and number < 30, sampled=(False, False))
            for number, owner in enumerate(owners)
        ]
        runs.append(Run(SETTINGS, {one.task: one for one in held}))
    found = named(compare(*runs), "fixed@1")
    assert isinstance(found["p"], float)
    assert found["p"] < 0.001
    assert found["better"] == ""


def test_shares_between_are_compared_by_wilcoxon() -> None:
    plain = [False] * 40
    ends = list(itertools.islice(itertools.cycle([(True, False), (False, False), (True, True)]), 40))
    found = named(compare(a_run(plain), a_run(plain, sampled=ends)), "fixed@1_sampled")
    assert found["test"] == "Wilcoxon signed-rank"
    assert found["better"] == "B"
    # any of 2 is right or wrong again
    assert named(compare(a_run(plain), a_run(plain, sampled=ends)), "fixed@2")["test"] == "McNemar, exact"


def test_only_tasks_of_both_count() -> None:
    whole = a_run([True] * 30)
    part = Run(SETTINGS, {task: one for task, one in whole.results.items() if int(task[1:]) < 20})
    found = compare(whole, part)
    assert (found.tasks, found.only_in_a, found.only_in_b) == (20, 10, 0)
    with pytest.raises(InputError, match="no task in common"):
        compare(whole, Run(SETTINGS, {}))


@pytest.mark.parametrize(("name", "value"), [("dataset", "other"), ("part", "all"), ("toolchain", "u"), ("sampled", 4)])
def test_unlike_runs_are_refused_unless_asked(name: str, value: object) -> None:
    one = a_run([True, False] * 10)
    other = Run(SETTINGS.model_copy(update={name: value}), one.results)
    with pytest.raises(InputError, match=f"differ in more than the model: {name}"):
        compare(one, other)
    if name != "sampled":
        assert compare(one, other, anyway=True).differing == (name,)
    assert compare(one, Run(SETTINGS.model_copy(update={"model": "n", "seed": 7}), one.results)).differing == ()


def test_a_folder_without_a_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run is here"):
        Run.read(ResultsFolder(tmp_path))


def test_a_comparison_survives_its_json() -> None:
    found = compare(a_run([True, False] * 10), a_run([False, False] * 10))
    assert Comparison.from_json(found.to_json()) == found


def test_the_interval_of_a_difference_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(3)
    covered = 0
    for _ in range(40):
        changes, authors = [], []
        for author in range(25):
            gain = rng.gauss(0.1, 0.15)
            for _ in range(rng.randint(2, 8)):
                changes.append(float(rng.random() < 0.4 + gain) - float(rng.random() < 0.4))
                authors.append(str(author))
        found = difference(changes, authors)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.1 <= found.high
    assert 34 <= covered <= 40


def test_a_difference_without_spread_has_no_interval() -> None:
    assert difference([0.0, 0.0], ["a", "b"]).low is None
    assert "alike" in difference([1.0, 1.0], ["a", "b"]).method
    with pytest.raises(InputError):
        difference([1.0], [])


def test_results_are_what_is_compared() -> None:
    one = result("t", "a", greedy=True, sampled=(True, False))
    assert TaskResult.from_json(one.to_json()) == one
    assert (one.greedy, one.sampled, one.replies) == (0, (1, 2), (0, 1, 2))
