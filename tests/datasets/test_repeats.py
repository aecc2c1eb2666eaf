"""Near-duplicates that may train: never what is scored on, and never next to it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.datasets.build import Choice, Repeats, build
from greenloop.datasets.load import Dataset
from greenloop.datasets.split import Split, SplitBy, SplitRule
from greenloop.records import Example, InputError
from greenloop.workspace.store import TreeStore

Write = Callable[..., Example]
Program = Callable[..., str]
NEAR = "near-duplicate of another example"
PEOPLE = ("ada", "bo", "cy", "di", "ed")


@pytest.fixture
def slips(program: Program, change: Write) -> list[Example]:
    """Of each of five people an example of their own, and the same slip of three times in a row."""
    line = "let total items = List.fold_left (fun sum (price, count) -> sum {} price *. {}) 0.0 items\n"
    found = []
    for number, author in enumerate(PEOPLE):
        own = program(number)
        found.append(change(f"let a = {number}\n{own}", f"let b = {number} + 1\n{own}", author=author, time=number))
        for again in range(3):
            rest = f"{program(50 + number)}let n = {again}\n"
            slip = line.format("+", f"c{number}") + rest, line.format("+.", f"c{number}") + rest
            found.append(change(*slip, author=author, time=10 * number + again))
    return found


def ids(made: Dataset, part: Split) -> set[str]:
    return {one.id for one in made.examples(part)}


def test_repeats_train_and_are_not_scored_on(store: TreeStore, slips: list[Example], tmp_path: Path) -> None:
    rule = SplitRule(valid=0.2, test=0.2)
    plain = build(slips, store, tmp_path / "plain", rule=rule)
    more = build(slips, store, tmp_path / "more", rule=rule, choice=Choice(repeats=Repeats.TRAIN))
    for part in (Split.VALID, Split.TEST):
        assert ids(more, part) == ids(plain, part)
    trains = {one.author for one in plain.examples(Split.TRAIN)}
    assert ids(more, Split.TRAIN) == {one.id for one in slips if one.author in trains}
    assert len(trains) == 3
    assert ids(plain, Split.TRAIN) < ids(more, Split.TRAIN)
    assert more.card.funnel.dropped(NEAR) == len(more.dropped()) == 2 * (len(PEOPLE) - len(trains))
    assert more.card.parts["train"].examples == 4 * len(trains)


def test_what_is_near_something_held_out_does_not_train(
    store: TreeStore, slips: list[Example], change: Write, program: Program, tmp_path: Path
) -> None:
    rule = SplitRule(valid=0.2, test=0.2)
    plain = build(slips, store, tmp_path / "plain", rule=rule)
    held = plain.examples(Split.TEST)[-1]
    someone = plain.examples(Split.TRAIN)[0].author
    before, after = (
        (store.read_blob(store.files(tree)[held.edit.paths[0]].blob)).decode() for tree in (held.base, held.target)
    )
    copy = change(before + "let copied = true\n", after + "let copied = true\n", author=someone, time=999)
    more = build([*slips, copy], store, tmp_path / "more", rule=rule, choice=Choice(repeats=Repeats.TRAIN))
    assert ids(more, Split.TEST) == ids(plain, Split.TEST)
    assert copy.id not in ids(more, Split.TRAIN)
    assert copy.id in {one.id for one in more.dropped()}


@pytest.mark.parametrize(
    ("rule", "choice", "words"),
    [
        (SplitRule(by=SplitBy.TIME, gap_seconds=0), Choice(repeats=Repeats.TRAIN), "split by time"),
        (SplitRule(), Choice(repeats=Repeats.TRAIN, max_per_author=3), "a quota counts"),
    ],
)
def test_where_repeats_cannot_train(
    store: TreeStore, slips: list[Example], tmp_path: Path, rule: SplitRule, choice: Choice, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        build(slips, store, tmp_path / "no", rule=rule, choice=choice)
    assert not (tmp_path / "no").exists()


def test_more_examples_train_where_their_author_does(
    store: TreeStore, slips: list[Example], change: Write, program: Program, tmp_path: Path
) -> None:
    rule = SplitRule(valid=0.2, test=0.2)
    plain = build(slips, store, tmp_path / "plain", rule=rule)
    trains = {one.author for one in plain.examples(Split.TRAIN)}
    made = [
        change(f"let q = {n}\n" + program(90 + n), f"let r = {n} * 2\n" + program(90 + n), author=author)
        for n, author in enumerate((*PEOPLE, "nobody"))
    ]
    copy = made[0].model_copy(update={"id": "f" * 16})
    more = build(slips, store, tmp_path / "more", rule=rule, also=[*made, copy])
    for part in (Split.VALID, Split.TEST):
        assert ids(more, part) == ids(plain, part)
    assert {one.author for one in more.examples(Split.TRAIN)} == trains | {"nobody"}
    assert len(ids(more, Split.TRAIN)) == len(ids(plain, Split.TRAIN)) + 4
    told = {one.id: one.because for one in more.dropped()}
    for one in made:
        assert told.get(one.id, "") == ("" if one.author in trains | {"nobody"} else f"{one.author} is held out")
    steps = [step for step in more.card.funnel.steps if step.unit == "examples that only train"]
    assert steps[0].seen == 7
    assert sum(step.dropped for step in steps) == 3


def test_an_example_that_is_given_twice_counts_once(store: TreeStore, slips: list[Example], tmp_path: Path) -> None:
    plain = build(slips, store, tmp_path / "plain")
    assert build(slips, store, tmp_path / "twice", also=slips).parts == plain.parts
