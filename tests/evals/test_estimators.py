"""pass@k against brute force; intervals that cover, and that admit what they do not know."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.evals.estimators import interval, mean, pass_at_k
from greenloop.records import InputError


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 9))
    return n, draw(st.integers(0, n)), draw(st.integers(1, n))


@settings(deadline=None)
@given(counts())
def test_pass_at_k_is_the_share_of_draws_with_a_right_one(drawn: tuple[int, int, int]) -> None:
    n, c, k = drawn
    samples = [True] * c + [False] * (n - c)
    draws = list(itertools.combinations(samples, k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(any(draw) for draw in draws) / len(draws), abs=1e-15)


@settings(deadline=None)
@given(st.integers(1, 3000), st.data())
def test_pass_at_k_stays_exact_for_many_samples(n: int, data: st.DataObject) -> None:
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    value = pass_at_k(n, c, k)
    assert 0.0 <= value <= 1.0
    assert pass_at_k(n, c, 1) == c / n
    assert (value == 0.0) == (c == 0)
    if n - c < k:
        assert value == 1.0
    if k < n:
        assert pass_at_k(n, c, k + 1) >= value


def test_a_tiny_chance_is_not_lost_to_rounding() -> None:
    assert pass_at_k(10**9, 1, 1) == 1e-9


@pytest.mark.parametrize(("n", "c", "k"), [(4, 0, 5), (4, 5, 1), (4, -1, 1), (4, 1, 0), (0, 0, 1)])
def test_what_cannot_be_estimated_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(InputError):
        pass_at_k(n, c, k)


def test_the_mean_of_nothing_is_zero() -> None:
    assert mean([]) == 0.0
    assert mean([0.25, 0.75]) == 0.5


def test_likeness_within_authors_widens_the_interval() -> None:
    # twenty authors who are each all right or all wrong know as much as twenty tasks, not two hundred
    alike = [float(author % 2) for author in range(20) for _ in range(10)]
    authors = [f"a{author}" for author in range(20) for _ in range(10)]
    clustered = interval(alike, authors)
    independent = interval(alike, [f"t{task}" for task in range(200)])
    assert clustered is not None
    assert independent is not None
    assert clustered.low < 0.5 < clustered.high
    assert clustered.high - clustered.low > 2 * (independent.high - independent.low)
    assert "20 authors" in clustered.method


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = random.Random(7)
    covered = 0
    for _ in range(60):
        values, authors = [], []
        for author in range(25):
            skill = rng.betavariate(2, 3)
            for _ in range(rng.randint(1, 12)):
                values.append(float(rng.random() < skill))
                authors.append(str(author))
        found = interval(values, authors)
        assert found is not None
        covered += found.low <= 0.4 <= found.high
    assert covered >= 50


def test_the_same_results_give_the_same_interval() -> None:
    values, authors = [0.0, 1.0, 0.5, 0.25, 1.0], ["a", "a", "b", "c", "c"]
    assert interval(values, authors) == interval(values, authors)


def test_few_authors_are_admitted() -> None:
    found = interval([0.0, 1.0, 1.0, 0.0], ["a", "b", "c", "c"])
    assert found is not None
    assert "too narrow" in found.method


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("authors", [["a"] * 10, ["a"] * 5 + ["b"] * 5])
def test_all_right_or_all_wrong_is_no_certainty(value: float, authors: list[str]) -> None:
    found = interval([value] * 10, authors)
    assert found is not None
    assert found.method.startswith("Wilson")
    assert found.low <= value <= found.high
    assert found.high - found.low == pytest.approx(0.2775, abs=1e-3)


def test_one_author_says_so() -> None:
    binary = interval([0.0, 1.0, 1.0], ["a"] * 3)
    fractions = interval([0.25, 0.5, 0.0, 1.0], ["a"] * 4)
    assert binary is not None
    assert "one author" in binary.method
    assert binary.method.startswith("Wilson")
    assert fractions is not None
    assert "one author" in fractions.method


@pytest.mark.parametrize(
    ("values", "authors"),
    [([], []), ([0.5], ["a"]), ([0.5, 0.5], ["a", "b"]), ([0.0, 1.0, 0.0, 1.0], ["a", "a", "b", "b"])],
)
def test_where_nothing_honest_can_be_said_there_is_no_interval(values: list[float], authors: list[str]) -> None:
    assert interval(values, authors) is None


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0]), st.sampled_from("abcd")), max_size=12))
def test_every_interval_lies_between_zero_and_one_around_the_mean_or_is_absent(data: list[tuple[float, str]]) -> None:
    found = interval([value for value, _ in data], [author for _, author in data])
    if found is not None:
        assert 0.0 <= found.low <= found.high <= 1.0
        assert found.method


def test_values_without_their_authors_are_refused() -> None:
    with pytest.raises(InputError):
        interval([1.0], [])
