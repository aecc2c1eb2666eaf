"""Nothing leaks from one side to another, and nothing is lost on the way."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.datasets.groups import episodes
from greenloop.datasets.split import Split, SplitBy, SplitRule, split
from greenloop.records import Category, Edit, Example, InputError, Suite


def example(number: int, author: str, time: float, base: int | None = None, target: int | None = None) -> Example:
    """An example whose trees are named by numbers; a number used twice is the same tree."""
    return Example(
        id=f"{number:016x}",
        workspace=f"of {author}",
        author=author,
        time=time,
        base=f"{2 * number if base is None else base:040x}",
        target=f"{2 * number + 1 if target is None else target:040x}",
        edit=Edit(files=()),
        prompt="fix this",
        description="",
        diagnostics=(),
        category=Category.TYPE,
        changed_lines=1,
        toolchain="t",
        suite=Suite.CHECK,
    )


SIZES = st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 40), min_size=2, max_size=25)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.sampled_from([(0.1, 0.1), (0.0, 0.3), (0.4, 0.4), (0.01, 0.01)]))
def test_by_author_no_author_stands_on_two_sides(sizes: dict[str, int], shares: tuple[float, float]) -> None:
    examples = [example(n, a, n) for n, a in enumerate(author for author, size in sizes.items() for _ in range(size))]
    rule = SplitRule(valid=shares[0], test=shares[1])
    parts = split(examples, rule).examples
    authors = {part: {one.author for one in held} for part, held in parts.items()}
    assert not authors[Split.TRAIN] & authors[Split.VALID]
    assert not authors[Split.TRAIN] & authors[Split.TEST]
    assert not authors[Split.VALID] & authors[Split.TEST]
    assert Counter(one.id for held in parts.values() for one in held) == Counter(one.id for one in examples)
    assert parts[Split.TRAIN]
    assert parts[Split.TEST]
    assert bool(parts[Split.VALID]) == (rule.valid > 0 and len(sizes) > 2)
    for held in parts.values():
        ids = [one.id for one in held]
        assert ids == [one.id for one in examples if one.id in set(ids)]
    # the order in which examples come does not decide who is held out
    again = split(examples[::-1], rule).examples
    assert {part: {one.author for one in held} for part, held in again.items()} == authors


@settings(deadline=None, max_examples=60)
@given(st.integers(30, 80), st.integers(1, 12))
def test_by_author_the_shares_are_near_with_many_authors(authors: int, most: int) -> None:
    examples = [example(100 * a + n, f"author {a}", n) for a in range(authors) for n in range(1 + a % most)]
    parts = split(examples, SplitRule(valid=0.1, test=0.2)).examples
    assert abs(len(parts[Split.TEST]) - 0.2 * len(examples)) <= most
    assert abs(len(parts[Split.VALID]) - 0.1 * len(examples)) <= most


EVENTS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5000), st.integers(0, 12)), min_size=2, max_size=30)


@settings(deadline=None, max_examples=60)
@given(EVENTS, st.sampled_from([0.0, 50.0, 600.0]))
def test_by_time_the_past_trains_and_the_future_tests(events: list[tuple[str, int, int]], gap: float) -> None:
    # trees are drawn from few, so that examples of one workspace often share one: those are one episode
    examples = [example(n, a, t, base=100 + tree) for n, (a, t, tree) in enumerate(events)]
    names = episodes(examples)
    rule = SplitRule(by=SplitBy.TIME, gap_seconds=gap)
    if len(set(names.values())) == 1:
        with pytest.raises(InputError, match="one episode"):
            split(examples, rule)
        return
    try:
        parts = split(examples, rule)
    except InputError as error:
        # the gap is as wide as the history, or episodes reach into each other
        assert "nothing is left to test on" in error.message  # noqa: PT017 - either end is right, and is checked
        return
    held = {part: {names[one.id] for one in group} for part, group in parts.examples.items()}
    assert not held[Split.TRAIN] & (held[Split.VALID] | held[Split.TEST])
    assert not held[Split.VALID] & held[Split.TEST]
    assert sum(map(len, parts.examples.values())) + parts.in_gap == len(examples)
    end = max(one.time for one in parts.examples[Split.TRAIN])
    for part in (Split.VALID, Split.TEST):
        for one in parts.examples[part]:
            assert one.time >= end + gap
    assert parts.examples[Split.TEST]


def test_an_episode_is_what_shares_a_tree_within_a_workspace() -> None:
    chain = [example(1, "a", 1, base=10, target=11), example(2, "a", 2, base=11, target=12)]
    other = [example(3, "b", 3, base=11, target=12), example(4, "a", 4)]
    names = episodes([*chain, *other])
    assert names[chain[0].id] == names[chain[1].id]
    assert len(set(names.values())) == 3


@pytest.mark.parametrize("count", [1, 5])
def test_one_author_is_told_of_the_other_way(count: int) -> None:
    with pytest.raises(InputError, match="one author") as caught:
        split([example(n, "ada", n) for n in range(count)], SplitRule())
    assert "--by time" in str(caught.value)


def test_one_episode_or_too_wide_a_gap_cannot_be_split_by_time() -> None:
    one = [example(1, "a", 1, base=10, target=11), example(2, "a", 2, base=10, target=12)]
    with pytest.raises(InputError, match="one episode"):
        split(one, SplitRule(by=SplitBy.TIME))
    with pytest.raises(InputError, match="nothing is left"):
        split([example(1, "a", 1), example(2, "a", 9)], SplitRule(by=SplitBy.TIME, gap_seconds=100))


@pytest.mark.parametrize("shares", [{"test": 0}, {"valid": 0.5, "test": 0.5}, {"valid": -0.1}, {"test": 1}])
def test_shares_that_leave_nothing_are_refused(shares: Any) -> None:
    with pytest.raises(InputError, match="shares"):
        SplitRule(**shares)
