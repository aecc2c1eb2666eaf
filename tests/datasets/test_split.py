"""Nothing leaks from one side to another, and nothing is lost on the way."""

from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.datasets.groups import episodes, grouped, of_directory, of_episode
from greenloop.datasets.split import Split, SplitBy, SplitRule, split
from greenloop.records import Category, DeleteFile, Edit, Example, InputError, Origin, Suite


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


def test_commits_that_follow_each_other_are_no_episode_but_the_pieces_of_one_are() -> None:
    chain = [example(number, "a", number, base=10 + number, target=11 + number) for number in range(4)]
    origins = (Origin.COMMIT, Origin.FEATURE, Origin.FEATURE, Origin.COMMIT)
    commits = ("w@1", "w@2", "w@2", "w@3")
    named = [
        one.model_copy(update={"origin": origin, "episode": commit})
        for one, origin, commit in zip(chain, origins, commits, strict=True)
    ]
    names = episodes(named)
    assert names[named[1].id] == names[named[2].id]
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


def of_paths(number: int, paths: Iterable[str], episode: str = "", author: str = "ada") -> Example:
    """An example whose edit names these paths."""
    edit = Edit(files=tuple(DeleteFile(path=path) for path in sorted(paths)))
    return example(number, author, number).model_copy(update={"edit": edit, "episode": episode})


PATHS = st.sampled_from(["a.ml", "b.ml", "lib/a.ml", "lib/b.ml", "lib/deep/a.ml", "bin/main.ml", "test/t.ml"])
TOUCHES = st.lists(
    st.tuples(st.sets(PATHS, min_size=1, max_size=2), st.sampled_from(["", "", "e1", "e2"])), min_size=1, max_size=30
)


@settings(deadline=None, max_examples=100)
@given(TOUCHES, st.randoms())
def test_by_directory_neither_a_directory_nor_an_episode_stands_on_two_sides(
    touches: list[tuple[set[str], str]], chance: Random
) -> None:
    examples = [of_paths(n, paths, episode) for n, (paths, episode) in enumerate(touches)]
    try:
        parts = split(examples, SplitRule(by=SplitBy.DIRECTORY)).examples
    except InputError as error:
        assert "one directory" in error.message  # noqa: PT017 - either end is right, and is checked
        assert len(grouped(examples, of_directory, of_episode)) == 1
        return
    assert Counter(one.id for held in parts.values() for one in held) == Counter(one.id for one in examples)
    for sides in (
        {
            part: {str(PurePosixPath(path).parent) for one in held for path in one.edit.paths}
            for part, held in parts.items()
        },
        {part: {one.episode for one in held if one.episode} for part, held in parts.items()},
    ):
        assert not sides[Split.TRAIN] & (sides[Split.VALID] | sides[Split.TEST])
        assert not sides[Split.VALID] & sides[Split.TEST]
    assert parts[Split.TRAIN]
    assert parts[Split.TEST]
    mixed = list(examples)
    chance.shuffle(mixed)
    again = split(mixed, SplitRule(by=SplitBy.DIRECTORY)).examples
    assert {part: {one.id for one in held} for part, held in again.items()} == {
        part: {one.id for one in held} for part, held in parts.items()
    }


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["e1", "e2", "e3", "e4"]), min_size=2, max_size=30), st.sampled_from([0.0, 3.0]))
def test_by_time_a_named_episode_is_never_torn(names: list[str], gap: float) -> None:
    """Steps of one episode that share no tree, as sub-fixes may."""
    examples = [of_paths(n, ["a.ml"], episode) for n, episode in enumerate(names)]
    try:
        parts = split(examples, SplitRule(by=SplitBy.TIME, gap_seconds=gap)).examples
    except InputError:
        return
    sides = [{one.episode for one in held} for held in parts.values()]
    assert sum(map(len, sides)) == len(set().union(*sides))


def test_by_author_an_episode_of_two_people_is_not_torn() -> None:
    examples = [of_paths(n, ["a.ml"], "pair" if n in (0, 1) else "", author=f"author {n % 5}") for n in range(40)]
    parts = split(examples, SplitRule()).examples
    sides = {part for part, held in parts.items() for one in held if one.author in ("author 0", "author 1")}
    assert len(sides) == 1


def test_one_directory_is_told_of_the_other_ways() -> None:
    tied = [of_paths(1, ["lib/a.ml"]), of_paths(2, ["lib/b.ml", "bin/main.ml"]), of_paths(3, ["bin/b.ml"])]
    with pytest.raises(InputError, match="of one directory") as caught:
        split(tied, SplitRule(by=SplitBy.DIRECTORY))
    assert "--by author" in str(caught.value)


@pytest.mark.parametrize("gap", [-1.0, float("nan")])
def test_a_gap_that_is_none_is_refused(gap: float) -> None:
    with pytest.raises(InputError, match="gap"):
        SplitRule(by=SplitBy.TIME, gap_seconds=gap)
