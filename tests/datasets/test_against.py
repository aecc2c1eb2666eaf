"""What stands in an evaluation set, exactly or nearly, stands in no dataset that is built against it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.datasets.build import Choice, build
from greenloop.datasets.evaluation_set import read_set
from greenloop.datasets.load import Dataset
from greenloop.datasets.split import SplitRule
from greenloop.records import Example, InputError
from greenloop.workspace.store import TreeStore

Write = Callable[..., Example]
Program = Callable[..., str]


@pytest.fixture
def given_(program: Program, change: Write) -> list[Example]:
    return [
        change(f"let a{n} = {n}\n" + program(n), f"let b{n} = {n * n} + {n}\n" + program(n), author=f"p{n % 4}", time=n)
        for n in range(16)
    ]


def ids(made: Dataset) -> set[str]:
    return {one.id for held in made.parts.values() for one in held}


def test_against_a_dataset_its_held_out_parts_count_and_its_training_part_does_not(
    store: TreeStore, given_: list[Example], tmp_path: Path
) -> None:
    known = build(given_[:8], store, tmp_path / "known", rule=SplitRule(valid=0.2, test=0.3))
    known_set = read_set(known.folder, TreeStore(tmp_path / "empty"))
    made = build(given_, store, tmp_path / "made", choice=Choice(against=(known_set,)))
    held_out = {one.id for one in (*known.valid, *known.test)}
    assert held_out
    assert ids(made) == {one.id for one in given_} - held_out
    name = f"in known ({known.version[:8]}), or nearly"
    assert made.card.funnel.dropped(name) == len(held_out)
    assert [(one.name, one.digest) for one in made.card.against] == [("known", known.version)]
    assert {one.because.split(" of ")[0] for one in made.dropped()} == {"its edit is the edit"}
    assert "Nothing here is in `known`" in (made.folder / "README.md").read_text()


@pytest.mark.parametrize("kind", ["same edit elsewhere", "nearly the edit", "same file", "nearly the file", "after"])
def test_edits_and_files_count_exactly_and_nearly(
    store: TreeStore, given_: list[Example], program: Program, change: Write, tmp_path: Path, kind: str
) -> None:
    old, new, rest, other = program(70), program(71), program(50, lines=80), program(60, lines=80)
    held = change(old + rest, new + rest, time=5000.0)
    (tmp_path / "held.jsonl").write_text(held.to_json() + "\n")
    twin = {
        "same edit elsewhere": (old + other, new + other),
        "nearly the edit": (old + other, new + "let one_more = ()\n" + other),
        "same file": (old + rest, "let total = 0\n" + rest),
        "nearly the file": (rest + "let a = 1\n", rest + 'let b = "b"\n'),
        "after": ("let total = 1\n" + rest, new + rest),
    }[kind]
    double = change(*twin, author="p1", workspace="another", time=77.0)
    known = read_set(tmp_path / "held.jsonl", store)
    made = build([*given_, double], store, tmp_path / "made", choice=Choice(against=(known,)))
    assert ids(made) == {one.id for one in given_}, "the double is gone, and nothing else"
    (gone,) = made.dropped()
    assert gone.id == double.id
    assert ("edit" in gone.because.split(" ")[1]) == (kind in {"same edit elsewhere", "nearly the edit"})
    assert ("near" in gone.because) == kind.startswith("nearly"), gone.because


@pytest.mark.parametrize("ending", ["txt", "json", "jsonl"])
def test_a_foreign_set_is_compared_by_its_texts(
    store: TreeStore, given_: list[Example], tmp_path: Path, ending: str
) -> None:
    stolen = (store.read(given_[3].base, "a.ml") or b"").decode()
    body = {"task_id": "eval/3", "prompt": "fix that error", "tests": [{"canonical_solution": stolen}]}
    path = tmp_path / f"humaneval.{ending}"
    path.write_text(stolen if ending == "txt" else json.dumps(body) + "\n")
    known = read_set(path, store)
    assert len(known.held) == 1, "names and phrases are no texts"
    made = build(given_, store, tmp_path / "made", choice=Choice(against=(known,)))
    assert [(one.id, "a.ml before its edit is" in one.because) for one in made.dropped()] == [(given_[3].id, True)]


def test_several_sets_are_counted_apart(store: TreeStore, given_: list[Example], tmp_path: Path) -> None:
    sets = []
    for number in (2, 5):
        (tmp_path / str(number)).mkdir()
        path = tmp_path / str(number) / "held.jsonl"
        path.write_text(given_[number].to_json() + "\n")
        sets.append(read_set(path, store))
    made = build(given_, store, tmp_path / "made", choice=Choice(against=tuple(sets)))
    assert [step.dropped for step in made.card.funnel.steps if step.name.startswith("in held.jsonl")] == [1, 1]
    assert len({step.name for step in made.card.funnel.steps}) == len(made.card.funnel.steps)
    assert str(tmp_path) not in (made.folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.jsonl", None, "No such file"),
        ("cut.jsonl", b'{"prompt": "le', "not JSON"),
        ("bytes.txt", b"\xff\xfe", "not UTF-8"),
        ("short.jsonl", b'{"id": "eval/1"}\n', "nothing to compare with"),
        ("blank.txt", b" \n", "nothing to compare with"),
    ],
)
def test_a_set_that_cannot_be_read_is_named(
    store: TreeStore, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Exception, match=message) as caught:
        read_set(tmp_path / name, store)
    assert name in str(caught.value)


def test_examples_whose_trees_are_not_here_cannot_be_compared(
    store: TreeStore, given_: list[Example], tmp_path: Path
) -> None:
    (tmp_path / "held.jsonl").write_text(given_[0].to_json() + "\n")
    with pytest.raises(InputError, match="not in the tree store"):
        read_set(tmp_path / "held.jsonl", TreeStore(tmp_path / "empty"))
