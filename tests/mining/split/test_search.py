"""The search with a judge that knows the true dependencies, which nobody told the search."""

import itertools
import math
from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.mining.split.search import Answer, Search
from greenloop.mining.split.units import Unit

LIMIT = 100


def units(*lines: int, needs: Mapping[int, set[int]] | None = None) -> list[Unit]:
    known = needs or {}
    return [
        Unit((place,), frozenset(known.get(place, ())), size, frozenset({f"{place}.ml"}))
        for place, size in enumerate(lines)
    ]


class World:
    """Green where every unit has all that it truly needs."""

    def __init__(self, needs: Mapping[int, set[int]]) -> None:
        self.needs = needs
        self.asked: list[frozenset[int]] = []

    def __call__(self, made: frozenset[int]) -> Answer:
        self.asked.append(made)
        return Answer(green=self.green(made))

    def green(self, made: frozenset[int]) -> bool:
        return all(self.needs.get(place, set()) <= made for place in made)


def check(sizes: list[int], truth: Mapping[int, set[int]], known: Mapping[int, set[int]] | None = None) -> list[int]:
    """Search, hold the promises, and return the size of each piece."""
    world = World(truth)
    search = Search(units(*sizes, needs=known), world, LIMIT)
    groups = search.run()
    made: frozenset[int] = frozenset()
    for group in groups:
        assert not made & set(group.places)
        made |= set(group.places)
        assert world.green(made), f"{sorted(made)} is red"
    assert made == frozenset(range(len(sizes)))
    n = search.planned
    assert len(world.asked) == search.trials == len(set(world.asked))
    assert search.trials + 2 <= 3 * n * math.log2(max(n, 1)) + 5
    found = [sum(sizes[place] for place in group.places) for group in groups]
    assert all(bool(group.reason) == (size > LIMIT) for group, size in zip(groups, found, strict=True))
    return found


def test_without_secrets_each_piece_costs_one_build() -> None:
    world = World({})
    search = Search(units(*[60] * 8), world, LIMIT)
    assert len(search.run()) == 8
    assert search.trials == 7  # the whole is the target, which was built


def test_what_a_unit_needs_comes_before_it() -> None:
    assert check([90] * 8, {0: {6}}) == [90] * 8


def test_units_that_need_each_other_are_one_piece_with_a_reason() -> None:
    assert sorted(check([60] * 6, {1: {4}, 4: {1}})) == [60, 60, 60, 60, 120]


def test_small_units_that_need_each_other_leave_the_others_alone() -> None:
    assert max(check([40] * 9, {0: {7}, 7: {0}})) <= LIMIT


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[int], dict[int, set[int]], dict[int, set[int]]]:
    """Sizes, the true dependencies (knots allowed), and those of them that the rules knew and the order obeys."""
    count = draw(st.integers(1, 24))
    sizes = draw(st.lists(st.integers(0, 130), min_size=count, max_size=count))
    place = st.integers(0, count - 1)
    pairs = draw(st.lists(st.tuples(place, place), max_size=2 * count))
    truth: dict[int, set[int]] = {}
    known: dict[int, set[int]] = {}
    for a, b in pairs:
        if a != b:
            truth.setdefault(a, set()).add(b)
            if b < a and draw(st.booleans()):
                known.setdefault(a, set()).add(b)
    return sizes, truth, known


@settings(max_examples=100, deadline=None)
@given(worlds())
def test_every_prefix_is_green_within_the_builds_allowed(
    world: tuple[list[int], dict[int, set[int]], dict[int, set[int]]],
) -> None:
    sizes, truth, known = world
    check(sizes, truth, known)


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 16), st.data())
def test_one_secret_costs_no_granularity(count: int, data: st.DataObject) -> None:
    """Units of 60 lines, of which no two fit together, and one that needs a later one."""
    a, b = sorted(data.draw(st.sets(st.integers(0, count - 1), min_size=2, max_size=2)))
    assert check([60] * count, {a: {b}}) == [60] * count


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(12)))
def test_a_chain_in_any_order_is_found_by_what_errors_name(order: list[int]) -> None:
    truth = {a: {b} for a, b in itertools.pairwise(order)}

    def trial(made: frozenset[int]) -> Answer:
        missing = {other for place in made for other in truth.get(place, set())} - made
        return Answer(green=not missing, suspects=lambda place: 0 if place in missing else 2)

    groups = Search(units(*[60] * 12), trial, LIMIT).run()
    assert [group.places[0] for group in groups] == order[::-1]
