"""What is opened is what was built; every file that was touched since is named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.datasets.build import build
from greenloop.datasets.card import dataset_version
from greenloop.datasets.load import Dataset, load
from greenloop.datasets.split import Split
from greenloop.records import Example, InputError, Origin
from greenloop.workspace.edits import apply
from greenloop.workspace.store import TreeStore

Make = Callable[..., Example]
FILES = ["train.jsonl", "valid.jsonl", "test.jsonl", "train.parquet", "valid.parquet", "test.parquet", "trees.pack",
         "dropped.jsonl"]  # fmt: skip


@pytest.fixture
def made(store: TreeStore, make: Make, tmp_path: Path) -> Dataset:
    examples = [make(f"author {number % 5}", number, lines=1 + number % 3) for number in range(15)]
    # one that repeats another, so that something is left out
    examples.append(make("somebody else", 3, extra="let other = 1\n"))
    return build(examples, store, tmp_path / "dataset")


def test_a_dataset_comes_back_as_it_was(made: Dataset) -> None:
    assert load(made.folder) == made
    assert made.examples("train") == made.train
    assert made.examples("valid") == made.valid
    assert made.examples("test") == made.test
    with pytest.raises(InputError, match="no part is called 'dev'"):
        made.examples("dev")


def test_trees_travel_with_the_dataset(made: Dataset, tmp_path: Path) -> None:
    fresh = TreeStore(tmp_path / "fresh")
    load(made.folder).add_trees(fresh)
    for held in made.parts.values():
        for example in held:
            assert apply(fresh, example.base, example.edit).tree == example.target


def test_tasks_withhold_the_edit_and_keep_to_the_size(made: Dataset) -> None:
    tasks = made.tasks("train", max_changed_lines=2)
    assert [task.id for task in tasks] == [one.id for one in made.train if one.changed_lines <= 2]
    assert len(tasks) < len(made.train)
    assert {task.max_changed_lines for task in tasks} == {2}
    assert tasks[0].diagnostics == made.train[0].diagnostics
    assert "edit" not in type(tasks[0]).model_fields


def test_a_step_that_left_the_first_error_is_no_task(store: TreeStore, make: Make, tmp_path: Path) -> None:
    examples = [make(f"author {number}", number) for number in range(6)]
    examples[0] = examples[0].model_copy(update={"origin": Origin.SHRINKING})
    made = build(examples, store, tmp_path / "set")
    held = {one.id for part in Split for one in made.parts[part]}
    assert held == {one.id for one in examples}
    assert {task.id for part in Split for task in made.tasks(part)} == held - {examples[0].id}
    assert "1 mended a later error and left the first." in (made.folder / "README.md").read_text()


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("harm", ["cut", "edit", "delete"])
def test_a_harmed_file_is_named(made: Dataset, name: str, harm: str) -> None:
    path = made.folder / name
    content = path.read_bytes()
    if harm == "cut":
        path.write_bytes(content[:-1])
    elif harm == "edit":
        path.write_bytes(content[:10] + bytes([content[10] ^ 1]) + content[11:])
    else:
        path.unlink()
    with pytest.raises(InputError, match=name):
        load(made.folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"version":1', '"version":99', "version 99 cannot be read"),
        ('"record":"DatasetCard"', '"record":"Example"', "something else"),
        ('"dataset":"', '"dataset":"0', "version does not follow"),
        ('"examples":', '"examples":1', "counts of the parts"),
        ("}", "", "card.json"),
        ('"name"', '"\udcff"', "not UTF-8"),
    ],
)
def test_a_harmed_card_is_named(made: Dataset, old: str, new: str, message: str) -> None:
    path = made.folder / "card.json"
    path.write_text(path.read_text().replace(old, new), errors="surrogateescape")
    with pytest.raises(InputError, match=message):
        load(made.folder)


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no dataset here"):
        load(tmp_path)
    with pytest.raises(InputError, match="no dataset here"):
        load(tmp_path / "nowhere")


def test_a_card_cannot_name_files_elsewhere(made: Dataset) -> None:
    path = made.folder / "card.json"
    body = json.loads(path.read_text())
    body["sha256"]["../../secret"] = "0" * 64
    body["dataset"] = dataset_version(body["sha256"])
    path.write_text(json.dumps(body))
    with pytest.raises(InputError, match="secret"):
        load(made.folder)
