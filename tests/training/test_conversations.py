"""What is learnt from: a dataset of the version that was asked for, and files of conversations."""

import json
from pathlib import Path

import pytest
from tests.training.conftest import Change, Train

from greenloop.datasets.build import build
from greenloop.datasets.exports.messages import messages
from greenloop.datasets.exports.seam import Asked
from greenloop.datasets.load import Dataset
from greenloop.datasets.split import Split, SplitRule
from greenloop.mining.example import example_id
from greenloop.models.seam import Message
from greenloop.prompts.render import BARE
from greenloop.records import Category, Diagnostic, Example, InputError, Origin, Severity, Span, Strategy, Suite
from greenloop.training.bench import exercises
from greenloop.training.conversations import conversations, open_dataset, read_conversations
from greenloop.training.sections import DataSection, PromptSection
from greenloop.workspace.edits import changed_lines, edit_between
from greenloop.workspace.store import Entry, Mode, TreeStore

GOOD = {"messages": [{"role": "user", "content": "fix it"}, {"role": "assistant", "content": "a.ml\n"}]}


def example(store: TreeStore, number: int) -> Example:
    """An example of one author each; its file is long enough for a small budget to leave some of it out."""
    around = "".join(f'let text{number}_{row} = "a string of some length, number {row}"\n' for row in range(60))
    trees = [
        store.write_tree({"a.ml": Entry(Mode.FILE, store.write_blob(f"let x = {number} {sign} 1\n{around}".encode()))})
        for sign in "^+"
    ]
    base, target = trees
    error = Diagnostic(
        severity=Severity.ERROR,
        category=Category.TYPE,
        message=f"This expression has type int{number}",
        path="a.ml",
        span=Span(line=1, column=8, end_line=1, end_column=9),
    )
    return Example(
        id=example_id(base, target, Suite.CHECK),
        workspace="w",
        author=f"person {number}",
        time=1000.0 + number,
        base=base,
        target=target,
        edit=edit_between(store, base, target),
        prompt="fix that error",
        description="Fix a type error in a.ml.",
        diagnostics=(error,),
        category=Category.TYPE,
        changed_lines=changed_lines(store, base, target),
        toolchain="0" * 64,
        suite=Suite.CHECK,
    )


@pytest.fixture
def dataset(store: TreeStore, tmp_path: Path) -> Dataset:
    examples = [example(store, number) for number in range(12)]
    return build(examples, store, tmp_path / "dataset", rule=SplitRule(valid=0.2, test=0.2))


def of(dataset: Dataset, **fields: object) -> DataSection:
    return DataSection.model_validate({"dataset": str(dataset.folder), **fields})


def test_a_part_is_learnt_from_as_it_was_rendered(dataset: Dataset) -> None:
    found = conversations(open_dataset(of(dataset)), of(dataset), PromptSection())
    exported = list(messages(Asked(dataset, Split.TRAIN)))
    assert [[{"role": said.role, "content": said.content} for said in one] for one in found] == exported
    assert len(found) == len(dataset.train) > 0


@pytest.mark.parametrize("budget", [0, 300])
def test_edits_may_be_left_out_by_size_and_origin(store: TreeStore, tmp_path: Path, budget: int) -> None:
    examples = [
        example(store, number).model_copy(
            update={
                "changed_lines": 1 + number % 3,
                "origin": (Origin.EPISODE, Origin.SUBFIX)[number % 2],
                "description": f"Edit {number}.",
            }
        )
        for number in range(12)
    ]
    dataset = build(examples, store, tmp_path / "dataset", rule=SplitRule(valid=0.2, test=0.2))

    def taken(**fields: object) -> set[str]:
        data = of(dataset, **fields)
        found = conversations(dataset, data, PromptSection(budget_tokens=budget))
        asked = exercises(dataset, data, PromptSection(), max_changed_lines=10, max_tasks=0)
        assert len(asked.tasks) == len(found)
        return {task.id for task in asked.tasks}

    def wanted(*, most: int, origins: set[Origin]) -> set[str]:
        return {one.id for one in dataset.train if one.changed_lines <= most and one.origin in origins}

    both = {Origin.EPISODE, Origin.SUBFIX}
    assert taken() == wanted(most=9, origins=both)
    assert taken(max_changed_lines=2) == wanted(most=2, origins=both) != wanted(most=9, origins=both)
    assert taken(max_changed_lines=2, origins=["subfix"]) == wanted(most=2, origins={Origin.SUBFIX})
    with pytest.raises(InputError, match="no example to learn from"):
        taken(origins=["commit"])


def test_a_smaller_budget_renders_the_same_examples_anew(dataset: Dataset) -> None:
    data = of(dataset, part="valid")
    whole = conversations(dataset, data, PromptSection())
    small = conversations(dataset, data, PromptSection(budget_tokens=300))
    assert [one[-1] for one in small] == [one[-1] for one in whole]
    assert all(len(a[1].content) < len(b[1].content) for a, b in zip(small, whole, strict=True))


def test_a_bare_strategy_asks_the_same_without_the_explanation(dataset: Dataset) -> None:
    data = of(dataset)
    bare = conversations(dataset, data, PromptSection(strategy=Strategy.BARE_BLOCKS))
    explained = conversations(dataset, data, PromptSection())
    assert [one[1:] for one in bare] == [one[1:] for one in explained]
    assert {one[0].content for one in bare} == {BARE}


def test_another_version_is_refused(dataset: Dataset) -> None:
    assert open_dataset(of(dataset, version=dataset.version)) is not None
    with pytest.raises(InputError, match=f"this is version {dataset.version}, the recipe asks for 0123"):
        open_dataset(of(dataset, version="0123"))


def test_extra_files_come_after_the_dataset(dataset: Dataset, tmp_path: Path) -> None:
    extra = tmp_path / "more.jsonl"
    extra.write_text(json.dumps(GOOD) + "\n")
    data = of(dataset, extra=(str(extra),))
    found = conversations(dataset, data, PromptSection())
    assert found[-1] == (Message("user", "fix it"), Message("assistant", "a.ml\n"))
    assert len(found) == len(dataset.train) + 1
    first = conversations(dataset, of(dataset, extra=(str(extra),), max_examples=2), PromptSection())
    assert first == found[:2]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "no conversation"),
        ("[]", "no conversation"),
        ('{"messages": [{"role": "user", "content": "a"}]}', "does not end with a reply"),
        ('{"messages": [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "a"}]}', "reply to a"),
        ('{"messages": [{"role": "tool", "content": "a"}, {"role": "assistant", "content": "a"}]}', "a role"),
        ('{"messages": [{"role": "user", "content": 1}, {"role": "assistant", "content": "a"}]}', "a text"),
    ],
)
def test_a_line_that_is_no_conversation_is_named(tmp_path: Path, line: str, named: str) -> None:
    path = tmp_path / "extra.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n")
    with pytest.raises(InputError, match=r"extra\.jsonl, line 2") as caught:
        read_conversations(path)
    assert named in caught.value.message


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "extra.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD)[:20]}")
    with pytest.raises(InputError, match="line 2: cut short"):
        read_conversations(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jsonl: no such file"):
        read_conversations(tmp_path / "none.jsonl")


def test_a_run_on_a_dataset_records_its_version_and_measures_the_held_out_loss(
    dataset: Dataset, smoke: Change, run_sft: Train, tmp_path: Path
) -> None:
    recipe = smoke(data={"dataset": str(dataset.folder), "extra": ()}, optimisation={"max_steps": 1})
    recipe = recipe.model_copy(update={"prompt": recipe.prompt.model_copy(update={"window_tokens": 2048})})
    card = run_sft(recipe, tmp_path / "run")
    assert card.dataset == dataset.version
    assert card.heldout_loss is not None
    assert card.heldout_loss > 0
    assert f'version = "{dataset.version}"' in (tmp_path / "run" / "recipe.toml").read_text()
