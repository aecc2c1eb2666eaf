"""Of examples that ask and answer nearly the same one stays, whatever the order, and no two sides share any."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.datasets.build import Choice, build
from greenloop.datasets.load import Dataset
from greenloop.datasets.near import jaccard, shingles
from greenloop.datasets.texts import edit_text
from greenloop.records import Example
from greenloop.workspace.store import TreeStore

Write = Callable[..., Example]
Program = Callable[..., str]
RULE = "near-duplicate of another example"


def repair(program: Program, change: Write, number: int, *, tail: str = "", **fields: object) -> Example:
    """A long line that is mended in a program of its own; ``tail`` stands at the program's end."""
    line = "let total items = List.fold_left (fun sum (price, count) -> sum {} price *. float count) 0.0 items\n"
    rest = program(number) + tail
    return change(line.format("+") + rest, line.format("+.") + rest, **fields)


def kept(made: Dataset) -> set[str]:
    return {one.id for held in made.parts.values() for one in held}


@pytest.fixture
def others(program: Program, change: Write) -> list[Example]:
    """Six examples of two people that nothing is near to."""
    return [
        change(f"let a{n} = {n}\n" + program(n), f"let b{n} = {n * n} + {n}\n" + program(n), author=f"p{n % 2}", time=n)
        for n in range(100, 106)
    ]


def test_the_first_of_a_cluster_stays_whatever_the_order(
    store: TreeStore, program: Program, change: Write, others: list[Example], tmp_path: Path
) -> None:
    cluster = [
        repair(program, change, 1, tail="let copy = 1\n" * (n % 2) + f"let n = {n}\n", time=50 - n) for n in range(4)
    ]
    built = []
    for seed in range(4):
        given = [*cluster, *others]
        random.Random(seed).shuffle(given)
        built.append(build(given, store, tmp_path / str(seed), workers=1 + seed % 2))
    made = built[0]
    assert kept(made) == {cluster[3].id, *(one.id for one in others)}, "the first in time"
    assert made.card.funnel.dropped(RULE) == 3
    assert {(one.id, one.because) for one in made.dropped()} == {
        (one.id, f"near {cluster[3].id}") for one in cluster[:3]
    }
    assert len({other.version for other in built}) == 1
    files = [{path.name: path.read_bytes() for path in other.folder.iterdir()} for other in built]
    assert all(held == files[0] for held in files)


def test_another_repair_of_the_same_code_and_the_same_repair_of_other_code_stay(
    store: TreeStore, program: Program, change: Write, others: list[Example], tmp_path: Path
) -> None:
    code = program(7, lines=30)
    first, *_, last = code.splitlines(keepends=True)
    same_code = [
        change(code, code.replace(first, "let first_thing = Some (List.rev [1; 2; 3])\n"), time=1),
        change(code, code.replace(last, 'let other_thing = Printf.printf "%d" (List.length [])\n'), time=2),
    ]
    same_repair = [repair(program, change, number, time=number) for number in (3, 4)]
    made = build([*same_code, *same_repair, *others], store, tmp_path / "dataset")
    assert kept(made) == {one.id for one in (*same_code, *same_repair, *others)}
    assert made.card.funnel.dropped(RULE) == 0


def test_a_chain_is_one_cluster_and_the_threshold_is_a_setting(
    store: TreeStore, program: Program, change: Write, others: list[Example], tmp_path: Path
) -> None:
    tails = ["", program(51, lines=1), program(51, lines=1) + program(52, lines=1)]
    chain = [repair(program, change, 1, tail=tail, time=n) for n, tail in enumerate(tails)]
    strict = build([*chain, *others], store, tmp_path / "strict", choice=Choice(near=0.99))
    assert strict.card.funnel.dropped(RULE) == 0
    loose = build([*chain, *others], store, tmp_path / "loose", choice=Choice(near=0.7))
    assert loose.card.funnel.dropped(RULE) == 2
    assert (strict.card.near, loose.card.near) == (0.99, 0.7)


def test_no_two_sides_hold_anything_near(store: TreeStore, program: Program, change: Write, tmp_path: Path) -> None:
    """People who copy from each other: each of six hands in each of four programs, changed a little."""
    given = [
        repair(program, change, work, tail=f"let by = {person}\n", author=f"person {person}", time=10 * work + person)
        for work in range(4)
        for person in range(6)
    ]
    # everyone has one thing of their own, else the first of each cluster would be all that there is
    given += [
        change(f"let mine = {n} ^ {n}\n" + program(n), f"let mine = {n} + 1\n" + program(n), author=f"person {n % 6}")
        for n in range(200, 206)
    ]
    made = build(given, store, tmp_path / "dataset")
    assert made.card.funnel.dropped(RULE) == 20
    rows = [(part, one) for part, held in made.parts.items() for one in held]
    for part, one in rows:
        for other_part, other in rows:
            if part != other_part:
                edits = jaccard(shingles(edit_text(one.edit)), shingles(edit_text(other.edit)))
                code = [shingles((store.read(each.base, "a.ml") or b"").decode()) for each in (one, other)]
                assert edits < 0.4 or jaccard(*code) < 0.8


def test_what_was_left_out_is_named_in_a_file(
    store: TreeStore, program: Program, change: Write, others: list[Example], tmp_path: Path
) -> None:
    twins = [repair(program, change, 1, tail=f"let n = {n}\n", time=n) for n in range(2)]
    made = build([*twins, *others], store, tmp_path / "dataset")
    lines = (made.folder / "dropped.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"because": f"near {twins[0].id}", "id": twins[1].id, "record": "Dropped", "rule": RULE, "version": 1}
    ]
