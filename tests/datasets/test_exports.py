"""What leaves is what was built, in columns that trainers know; a task never tells its answer."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from greenloop.ces.adapters.task import EditTask
from greenloop.datasets.build import build
from greenloop.datasets.exports import FORMATS
from greenloop.datasets.exports.write import export
from greenloop.datasets.load import Dataset
from greenloop.datasets.split import Split, SplitRule
from greenloop.records import Example, InputError
from greenloop.workspace.edits import apply
from greenloop.workspace.store import TreeStore

Write = Callable[..., Example]
Program = Callable[..., str]


@pytest.fixture
def made(store: TreeStore, change: Write, program: Program, tmp_path: Path) -> Dataset:
    """Each edit brings a word that nothing else has."""
    examples = [
        change(
            f"let a{n} = {n} ^ {n}\n" + program(n),
            f"let a{n} = only_the_edit_{n} {n}\n" + program(n),
            author=f"person {n % 6}",
            time=n,
            description=f"Use only_the_edit_{n}.",
        )
        for n in range(18)
    ]
    return build(examples, store, tmp_path / "dataset", rule=SplitRule(valid=0.2, test=0.2))


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def rendered(made: Dataset, part: str) -> list[list[dict[str, str]]]:
    return [row["messages"] for row in pq.read_table(made.folder / f"{part}.parquet").to_pylist()]


@pytest.mark.parametrize("name", FORMATS)
def test_a_folder_holds_every_part_and_the_same_dataset_gives_the_same_bytes(
    made: Dataset, tmp_path: Path, name: str
) -> None:
    written = export(made, FORMATS[name], tmp_path / "out")
    ending = FORMATS[name].ending
    assert set(written.values()) == set((tmp_path / "out").iterdir())
    assert {path.name for path in written.values()} == {f"{part}.{ending}" for part in Split}
    again = export(made, FORMATS[name], tmp_path / "again")
    assert [path.read_bytes() for path in written.values()] == [path.read_bytes() for path in again.values()]
    alone = export(made, FORMATS[name], tmp_path / f"alone.{ending}", part=Split.TEST)
    assert alone[Split.TEST].read_bytes() == written[Split.TEST].read_bytes()
    assert [path for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_conversations_in_each_format_are_those_that_were_rendered(made: Dataset, tmp_path: Path) -> None:
    for name in ("chat", "trl", "prompt-completion"):
        export(made, FORMATS[name], tmp_path / name)
    for part in Split:
        wanted = rendered(made, part)
        chat = rows(tmp_path / "chat" / f"{part}.jsonl")
        assert chat == [{"messages": turns} for turns in wanted]
        trl = rows(tmp_path / "trl" / f"{part}.jsonl")
        assert trl == [{"prompt": turns[:2], "completion": turns[2:]} for turns in wanted]
        assert [turn["role"] for turn in (*trl[0]["prompt"], *trl[0]["completion"])] == ["system", "user", "assistant"]
        plain = rows(tmp_path / "prompt-completion" / f"{part}.jsonl")
        assert [set(row) for row in plain] == [{"prompt", "completion"}] * len(wanted)
        for row, (system, user, assistant) in zip(plain, wanted, strict=True):
            assert row["prompt"] == f"{system['content']}\n\n{user['content']}\n\n"
            assert row["completion"] == assistant["content"]


def test_parquet_has_every_column(made: Dataset, tmp_path: Path) -> None:
    export(made, FORMATS["parquet"], tmp_path / "train.parquet", part=Split.TRAIN)
    table = pq.read_table(tmp_path / "train.parquet")
    assert table["id"].to_pylist() == [one.id for one in made.train]
    assert {"origin", "episode", "edit", "messages"} <= set(table.column_names)


def test_no_word_that_only_the_edit_has_stands_in_a_task(made: Dataset, store: TreeStore, tmp_path: Path) -> None:
    export(made, FORMATS["tasks"], tmp_path / "tasks")
    for part in Split:
        lines = (tmp_path / "tasks" / f"{part}.jsonl").read_text().splitlines()
        assert len(lines) == len(made.examples(part)) > 0
        for line, example in zip(lines, made.examples(part), strict=True):
            old, new = (set(re.findall(r"\w+", (store.read(tree, "a.ml") or b"").decode())) for tree in
                        (example.base, example.target))  # fmt: skip
            assert new - old, "the edit has a word of its own"
            assert not (new - old) & set(re.findall(r"\w+", line))
            assert example.target not in line
            assert example.description not in line


def test_a_task_is_what_the_model_was_shown_and_its_answer_can_be_judged(
    made: Dataset, store: TreeStore, tmp_path: Path
) -> None:
    export(made, FORMATS["tasks"], tmp_path / "test.jsonl", part=Split.TEST)
    lines = rows(tmp_path / "test.jsonl")
    for row, turns, example in zip(lines, rendered(made, "test"), made.test, strict=True):
        assert row["prompt"] == turns[:2]
        task = EditTask.read(row["task"])
        edit = task.edit(turns[2]["content"])
        assert apply(store, example.base, edit).tree == example.target
        request = task.asking(edit)
        assert (request.base_tree, request.suite) == (example.base, example.suite)


def test_a_part_that_holds_nothing_is_no_file(
    store: TreeStore, change: Write, program: Program, tmp_path: Path
) -> None:
    """Edits of 24 lines are larger than a task may be."""
    large = [
        change(program(n), program(n + 50, lines=12), author=f"person {n % 2}", time=n) if n % 2 else
        change("let a = b\n" + program(n), f"let a = {n}\n" + program(n), author=f"person {n % 2}", time=n)
        for n in range(8)
    ]  # fmt: skip
    made = build(large, store, tmp_path / "dataset", rule=SplitRule(valid=0, test=0.5))
    assert set(export(made, FORMATS["chat"], tmp_path / "chat")) == {Split.TRAIN, Split.TEST}
    assert len(export(made, FORMATS["tasks"], tmp_path / "tasks")) == 1
    with pytest.raises(InputError, match="the part valid holds nothing to write as chat"):
        export(made, FORMATS["chat"], tmp_path / "valid.jsonl", part=Split.VALID)
    assert not (tmp_path / "valid.jsonl").exists()


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_is_replaced(made: Dataset, tmp_path: Path, there: str) -> None:
    target = tmp_path / "out"
    if there == "file":
        target.write_text("mine")
    elif there == "folder":
        target.mkdir()
        (target / "mine").write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    for part in (None, Split.TEST):
        with pytest.raises(InputError, match="exists already"):
            export(made, FORMATS["chat"], target, part=part)
    (tmp_path / "empty").mkdir()
    assert len(export(made, FORMATS["chat"], tmp_path / "empty")) == 3


def test_an_export_that_fails_leaves_nothing(made: Dataset, tmp_path: Path) -> None:
    (made.folder / "valid.parquet").unlink()
    with pytest.raises(OSError, match="valid"):
        export(made, FORMATS["chat"], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir() if path.name not in {"dataset", "trees"}] == []


READ_BY_OTHERS = """
import json, sys
from datasets import load_dataset
found = {}
for name in ("chat", "trl", "prompt-completion", "tasks", "parquet"):
    kind, end = ("parquet", "parquet") if name == "parquet" else ("json", "jsonl")
    held = load_dataset(kind, data_files={part: f"{sys.argv[1]}/{name}/{part}.{end}" for part in sys.argv[2:]})
    whole = load_dataset(f"{sys.argv[1]}/{name}")
    assert {part: len(rows) for part, rows in whole.items()}, name
    found[name] = {part: [sorted(rows.column_names), len(rows)] for part, rows in held.items()}
    if name == "trl":
        found["first"] = held["train"][0]
print(json.dumps(found))
"""


def test_hugging_face_loads_every_format(made: Dataset, tmp_path: Path) -> None:
    for name, kind in FORMATS.items():
        export(made, kind, tmp_path / "out" / name)
    # in a process of its own, with a home of its own and no hub
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", READ_BY_OTHERS, str(tmp_path / "out"), *Split],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    sizes = {part.value: len(made.examples(part)) for part in Split}
    columns = {"chat": ["messages"], "trl": ["completion", "prompt"], "prompt-completion": ["completion", "prompt"]}
    for name, held in columns.items():
        assert found[name] == {part: [held, size] for part, size in sizes.items()}
    assert found["tasks"]["test"][1] == sizes["test"]
    assert found["first"] == rows(tmp_path / "out" / "trl" / "train.jsonl")[0]
