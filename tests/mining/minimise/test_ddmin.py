"""Delta debugging against brute force: what it returns mends, and nothing in it can be left out."""

from collections.abc import Callable
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.mining.minimise.ddmin import Answers, Numbers, Search, ddmin

Oracle = Callable[[Numbers], bool]


def run(search: Search, oracle: Oracle) -> tuple[Numbers, list[Numbers]]:
    """Answer a search to its end; return its result and what it asked, in order."""
    asked: list[Numbers] = []
    try:
        question = next(search)
        while True:
            asked.append(question)
            question = search.send(oracle(question))
    except StopIteration as end:
        return end.value, asked


def singles(count: int) -> list[Numbers]:
    return [frozenset({number}) for number in range(count)]


SETS = st.frozensets(st.integers(0, 6))


@settings(max_examples=300, deadline=None)
@given(count=st.integers(1, 7), mending=st.frozensets(SETS, max_size=40))
def test_whatever_mends_the_result_is_one_minimal(count: int, mending: frozenset[Numbers]) -> None:
    """The oracle is any set of sets, most of them not monotone: a change may break what another one mends."""
    everything = frozenset(range(count))

    def oracle(numbers: Numbers) -> bool:
        return numbers == everything or (bool(numbers) and numbers in mending)

    answers = Answers(10_000)
    found, asked = run(ddmin(singles(count), answers), oracle)
    assert oracle(found)
    assert not any(oracle(found - {number}) for number in found)
    assert len(asked) == len(set(asked)) == answers.asked <= count * count + 3 * count
    assert not answers.cut_short
    assert frozenset() not in asked


@settings(max_examples=200, deadline=None)
@given(count=st.integers(1, 9), needed=st.frozensets(st.frozensets(st.integers(0, 8), min_size=1), min_size=1))
def test_where_more_never_hurts_no_smaller_set_within_the_result_mends(count: int, needed: frozenset[Numbers]) -> None:
    everything = frozenset(range(count))
    sufficient = {one & everything for one in needed if one <= everything} | {everything}

    def oracle(numbers: Numbers) -> bool:
        return any(one <= numbers for one in sufficient)

    found, _ = run(ddmin(singles(count), Answers(10_000)), oracle)
    smaller = (frozenset(some) for size in range(1, len(found)) for some in combinations(sorted(found), size))
    assert not any(map(oracle, smaller))
    assert found in sufficient


@settings(max_examples=200, deadline=None)
@given(count=st.integers(1, 12), needed=st.frozensets(st.integers(0, 11), min_size=1), limit=st.integers(0, 20))
def test_the_bound_holds_and_what_was_found_so_far_mends(count: int, needed: Numbers, limit: int) -> None:
    everything = frozenset(range(count))
    wanted = needed & everything or everything
    answers = Answers(limit)
    found, asked = run(ddmin(singles(count), answers), lambda numbers: wanted <= numbers)
    assert len(asked) <= limit
    assert wanted <= found
    assert answers.cut_short or found == wanted


def test_one_of_many_is_found_in_few_questions() -> None:
    _, asked = run(ddmin(singles(32), Answers(1000)), lambda numbers: 21 in numbers)
    assert len(asked) <= 10


@pytest.mark.parametrize("needed", [{0}, {3}, {0, 5}, {1, 2, 3, 4, 5}])
def test_groups_stay_whole(needed: set[int]) -> None:
    groups = [frozenset({0, 1}), frozenset({2}), frozenset({3, 4}), frozenset({5})]
    found, _ = run(ddmin(groups, Answers(1000)), lambda numbers: needed <= numbers)
    assert found == frozenset().union(*(group for group in groups if group & needed))
