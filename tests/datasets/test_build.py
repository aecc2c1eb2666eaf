"""A dataset is whole, repeatable, readable by others, and replaces nothing that is not its own."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from greenloop.datasets.build import build
from greenloop.datasets.load import load
from greenloop.datasets.split import SplitBy, SplitRule
from greenloop.mining.funnel import Funnel, Step
from greenloop.records import Example, InputError
from greenloop.workspace.edits import apply
from greenloop.workspace.store import TreeStore

Make = Callable[..., Example]

UNSUMMED = {"card.json", "README.md", "funnel.svg"}


def everyone(make: Make) -> list[Example]:
    return [make(f"author {number % 6}", number) for number in range(18)]


def bytes_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_the_same_examples_give_the_same_bytes(store: TreeStore, make: Make, tmp_path: Path) -> None:
    first = build(everyone(make), store, tmp_path / "first")
    second = build(everyone(make), store, tmp_path / "else" / "where", workers=2)
    assert bytes_of(first.folder) == bytes_of(second.folder)
    assert first.version == second.version
    other = build(everyone(make)[:-1], store, tmp_path / "other")
    assert other.version != first.version
    text = "".join(path.read_text() for path in first.folder.iterdir() if path.suffix in {".json", ".md", ".jsonl"})
    assert str(tmp_path) not in text


def test_building_again_replaces_the_old_dataset_and_keeps_what_others_put_beside_it(
    store: TreeStore, make: Make, tmp_path: Path
) -> None:
    out = tmp_path / "dataset"
    out.mkdir()
    build(everyone(make), store, out)
    (out / "runs").mkdir()
    (out / "runs" / "result.json").write_text("{}")
    fresh = build(everyone(make)[3:], store, out)
    assert load(out) == fresh
    assert (out / "runs" / "result.json").read_text() == "{}"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_the_folder_at_hand_is_a_place(
    store: TreeStore, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    old = build(everyone(make), store, out)
    monkeypatch.chdir(out)
    fresh = build(everyone(make)[3:], store, Path())
    assert fresh.version != old.version
    assert load(out).version == fresh.version
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("there", ["notes.txt", "card.json"])
def test_a_folder_of_somebody_else_is_not_touched(store: TreeStore, make: Make, tmp_path: Path, there: str) -> None:
    out = tmp_path / "mine"
    out.mkdir()
    (out / there).write_text('{"record": "Something"}')
    with pytest.raises(InputError, match="not replaced"):
        build(everyone(make), store, out)
    assert [path.name for path in out.iterdir()] == [there]
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="not a folder"):
        build(everyone(make), store, tmp_path / "file")


def test_a_build_that_fails_leaves_the_old_dataset(store: TreeStore, make: Make, tmp_path: Path) -> None:
    old = build(everyone(make), store, tmp_path / "dataset")
    before = bytes_of(old.folder)
    elsewhere = TreeStore(tmp_path / "empty store")
    with pytest.raises(InputError, match="tree store"):
        build(everyone(make)[2:], elsewhere, old.folder)
    lost = [one.model_copy(update={"diagnostics": ()}) for one in everyone(make)]
    with pytest.raises(InputError):
        build([one.model_copy(update={"base": "0" * 40}) for one in lost], store, old.folder)
    assert bytes_of(old.folder) == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_no_examples_names_the_filters(store: TreeStore, tmp_path: Path) -> None:
    funnel = Funnel(steps=(Step(name="over 100 changed lines", unit="candidates", seen=7, dropped=7),))
    with pytest.raises(InputError, match="over 100 changed lines: 7 of 7 candidates"):
        build([], store, tmp_path / "dataset", funnel=funnel)
    assert not (tmp_path / "dataset").exists()


def test_one_author_is_split_by_time(store: TreeStore, make: Make, tmp_path: Path) -> None:
    examples = [make("ada", number) for number in range(12)]
    with pytest.raises(InputError, match="one author"):
        build(examples, store, tmp_path / "dataset")
    made = build(examples, store, tmp_path / "dataset", rule=SplitRule(by=SplitBy.TIME, gap_seconds=7200))
    assert max(one.time for one in made.train) + 7200 <= min(one.time for one in made.valid)
    assert made.card.funnel.dropped("in the gap between the parts") == 12 - sum(map(len, made.parts.values())) > 0
    assert "by time" in made.card.split


def test_the_same_edit_of_the_same_files_counts_once(store: TreeStore, make: Make, tmp_path: Path) -> None:
    examples = [*everyone(make), make("somebody else", 3, extra="let other = 1\n")]
    made = build(examples, store, tmp_path / "dataset")
    assert made.card.funnel.dropped("same edit of the same files") == 1
    assert "somebody else" not in {one.author for held in made.parts.values() for one in held}


def test_the_card_counts_everything(store: TreeStore, make: Make, tmp_path: Path) -> None:
    funnel = Funnel(steps=(Step(name="undone", unit="runs of red", seen=20, dropped=2),))
    made = build(everyone(make), store, tmp_path / "dataset", funnel=funnel, name="Shapes | forms", budget=900)
    card = made.card
    assert sum(part.examples for part in card.parts.values()) == 18
    assert sum(part.authors for part in card.parts.values()) == 6
    assert (card.categories, card.toolchains, card.suites) == ({"type": 18}, ("0" * 64,), ("check",))
    assert [step.name for step in card.funnel.steps] == [
        "undone",
        "a secret in its edit",
        "a secret in what is shown",
        "a secret elsewhere in its trees",
        "same edit of the same files",
        "near-duplicate of another example",
    ]
    files = bytes_of(made.folder)
    assert card.sha256 == {name: digest for name, digest in files.items() if name not in UNSUMMED}
    page = (made.folder / "README.md").read_text()
    assert "| runs of red | undone | 20 | 2 | 18 |" in page
    assert card.dataset in page
    assert "900 tokens" in page


def test_progress_counts_rendered_examples(store: TreeStore, make: Make, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    build(everyone(make), store, tmp_path / "dataset", progress=lambda done, of: told.append((done, of)))
    assert told == [(number, 18) for number in range(1, 19)]


def test_parquet_rows_are_the_examples_with_rendered_messages(store: TreeStore, make: Make, tmp_path: Path) -> None:
    made = build(everyone(make), store, tmp_path / "dataset")
    for part in ("train", "valid", "test"):
        rows: list[dict[str, Any]] = pq.read_table(made.folder / f"{part}.parquet").to_pylist()
        assert [row["id"] for row in rows] == [one.id for one in made.examples(part)]
        for row, one in zip(rows, made.examples(part), strict=True):
            shown, answered = ((store.read(tree, "a.ml") or b"").decode() for tree in (one.base, one.target))
            assert shown in row["messages"][1]["content"]
            assert answered in row["messages"][2]["content"]
    rows = pq.read_table(made.folder / "train.parquet").to_pylist()
    row, example = rows[0], made.train[0]
    system, user, assistant = row["messages"]
    assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    assert user["content"].endswith("fix that error")
    assert "expected of type string" in user["content"]
    assert assistant["content"].startswith("a.ml\n")
    assert system["content"]
    applied = apply(store, example.base, type(example.edit).from_json(row["edit"]))
    assert applied.tree == row["target"]


READ_BY_OTHERS = """
import json, sys
from datasets import load_dataset
folder = sys.argv[1]
found = {}
for kind, end in (("parquet", "parquet"), ("json", "jsonl")):
    rows = load_dataset(kind, data_files={part: f"{folder}/{part}.{end}" for part in ("train", "valid", "test")})
    found[kind] = {part: [row["id"] for row in held] for part, held in rows.items()}
whole = load_dataset(folder)
found["folder"] = {part: [row["id"] for row in held] for part, held in whole.items()}
found["roles"] = [message["role"] for message in whole["train"][0]["messages"]]
print(json.dumps(found))
"""


def test_hugging_face_loads_what_was_built(store: TreeStore, make: Make, tmp_path: Path) -> None:
    made = build(everyone(make), store, tmp_path / "dataset")
    # in a process of its own, with a home of its own and no hub
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", READ_BY_OTHERS, str(made.folder)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    expected = {part.value: [one.id for one in held] for part, held in made.parts.items()}
    assert found["parquet"] == found["json"] == found["folder"] == expected
    assert found["roles"] == ["system", "user", "assistant"]
