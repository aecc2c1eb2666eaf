"""Drawing and judging overlap, what is learnt is what was judged, and what is in flight can be kept."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.conftest import RECIPES
from tests.training.verdicts import DATASET

from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.datasets.load import load
from greenloop.records import Diagnostic, InputError, Status, Suite, TreeId
from greenloop.training import rollouts
from greenloop.training.bench import Bench, Exercises, exercises
from greenloop.training.generating import Drawn, seed_of
from greenloop.training.judging import Judging
from greenloop.training.pipeline import Pipeline
from greenloop.training.questions import Questions, questions
from greenloop.training.recipe import RlRecipe, read_recipe
from greenloop.workspace.store import TreeStore

RECIPE = read_recipe(RECIPES / "smoke-rl.toml", RlRecipe)


class Scripted:
    """Draws the same replies to every prompt, and says when a batch begins."""

    def __init__(self, tokenizer: Any, reply: Callable[[str, int], str], begun: Callable[[int], None]) -> None:
        self._tokenizer, self._reply, self._begun = tokenizer, reply, begun
        self.batches = 0

    def begin(self, model: Any) -> None:
        self.batches += 1
        self._begun(self.batches)

    def draw(self, prompt: Sequence[int], seed: int) -> list[Drawn]:
        text = self._tokenizer.decode(prompt)
        line = next(one for one in text.split("\n") if one.startswith("let ") and '"' in one)
        texts = [self._reply(line, number) for number in range(RECIPE.generation.group_size)]
        ends = self._tokenizer.eos_token_id
        return [Drawn((*self._tokenizer(one, add_special_tokens=False)["input_ids"], ends)) for one in texts]

    def close(self) -> None:
        """Hold nothing."""


def half(line: str, number: int) -> str:
    """A fix for every other reply."""
    name = line.split()[1]
    right = line.replace('"', "") if number % 2 else line
    return f"{name}.ml\n<<<<\n{line}\n====\n{right}\n>>>>\n"


def score(_prompt: Sequence[int], replies: Sequence[tuple[int, ...]]) -> list[torch.Tensor]:
    return [torch.full((len(one),), -1.0) for one in replies]


Parts = tuple[Bench, Exercises, Questions]


@pytest.fixture
def parts(store: TreeStore, tokenizer: Any, type_error: Callable[[str, int], Diagnostic]) -> Callable[..., Parts]:
    """Return a function that makes what a pipeline stands on, with a judge that calls ``meet`` before it answers."""
    dataset = load(DATASET)
    dataset.add_trees(store)
    bases = {one.base for one in dataset.train}

    def make(meet: Callable[[], None] = lambda: None) -> Parts:
        def script(tree: TreeId, _suite: Suite) -> Answer:
            if tree in bases:
                (path,) = store.files(tree)
                return (type_error(path, 1),)
            meet()
            return Status.GREEN

        bench = Bench(store, ScriptedJudge(script))
        found = exercises(dataset, RECIPE.data, RECIPE.prompt, max_changed_lines=10, max_tasks=0)
        return bench, found, questions(tokenizer, bench, found, room=448)

    return make


def test_a_batch_is_judged_while_the_next_is_drawn(parts: Callable[..., Parts], tokenizer: Any) -> None:
    drawing = threading.Event()

    def begun(batch: int) -> None:
        if batch == 2:
            drawing.set()

    def meet() -> None:
        # without an overlap nobody would ever begin the second batch
        assert drawing.wait(120), "the next batch is not drawn while this one is judged"

    bench, found, asked = parts(meet)
    generator = Scripted(tokenizer, half, begun)
    ends = (tokenizer.eos_token_id,)
    with Judging(bench, found, at_once=1, max_faults=3) as judging:
        pipeline = Pipeline(RECIPE, asked, generator, judging, tokenizer, ends=ends, steps=2)
        lesson = pipeline.turn(0, None, score)
        assert generator.batches == 2
        assert lesson.measures["fixed"] == 0.5
        assert lesson.measures["unchanged"] == 0.5
        # two groups of eight, of which every other reply is better than the rest
        assert [row.advantage > 0 for row in lesson.rows] == [False, True] * 8
        assert pipeline.ahead is not None
        assert pipeline.ahead.step == 1
        assert pipeline.turn(1, None, score).measures["fixed"] == 0.5
        assert generator.batches == 2
        assert pipeline.ahead is None


def test_what_is_in_flight_is_not_drawn_again(parts: Callable[..., Parts], tokenizer: Any, tmp_path: Path) -> None:
    bench, found, asked = parts()
    ends = (tokenizer.eos_token_id,)
    first = Scripted(tokenizer, half, lambda _batch: None)
    with Judging(bench, found, at_once=2, max_faults=3) as judging:
        pipeline = Pipeline(RECIPE, asked, first, judging, tokenizer, ends=ends, steps=3)
        pipeline.turn(0, None, score)
        assert pipeline.ahead is not None
        rollouts.save(pipeline.ahead, tmp_path)
        unbroken = pipeline.turn(1, None, score)
    second = Scripted(tokenizer, lambda _line, _number: "No.", lambda _batch: None)
    with Judging(bench, found, at_once=1, max_faults=3) as judging:
        held = rollouts.load(tmp_path)
        pipeline = Pipeline(RECIPE, asked, second, judging, tokenizer, ends=ends, steps=3, resumed=held)
        resumed = pipeline.turn(1, None, score)
    # only the batch after it was drawn by the second
    assert second.batches == 1
    assert [(row.prompt, row.rollout.ids, row.advantage) for row in resumed.rows] == [
        (row.prompt, row.rollout.ids, row.advantage) for row in unbroken.rows
    ]
    assert torch.equal(resumed.rows[0].rollout.logps, unbroken.rows[0].rollout.logps)


def test_groups_without_variance_teach_nothing_and_are_counted(parts: Callable[..., Parts], tokenizer: Any) -> None:
    bench, found, asked = parts()
    generator = Scripted(tokenizer, lambda _line, _number: "No.", lambda _batch: None)
    with Judging(bench, found, at_once=1, max_faults=3) as judging:
        pipeline = Pipeline(RECIPE, asked, generator, judging, tokenizer, ends=(tokenizer.eos_token_id,), steps=1)
        lesson = pipeline.turn(0, None, score)
    assert lesson.rows == ()
    assert lesson.measures["dropped"] == 1.0
    assert lesson.measures["reward"] == 0.0


def test_each_task_comes_once_before_any_comes_again(parts: Callable[..., Parts]) -> None:
    _, _, asked = parts()
    order = [place for step in range(4) for place in asked.of_step(step, 2, seed=7)]
    assert sorted(order[:4]) == sorted(order[4:]) == [0, 1, 2, 3]
    assert order == [place for step in range(4) for place in asked.of_step(step, 2, seed=7)]
    assert seed_of(0, 1, 2) == seed_of(0, 1, 2) != seed_of(0, 2, 1)


def test_rollouts_that_were_damaged_are_named(parts: Callable[..., Parts], tokenizer: Any, tmp_path: Path) -> None:
    bench, found, asked = parts()
    generator = Scripted(tokenizer, half, lambda _batch: None)
    with Judging(bench, found, at_once=1, max_faults=3) as judging:
        pipeline = Pipeline(RECIPE, asked, generator, judging, tokenizer, ends=(tokenizer.eos_token_id,), steps=2)
        pipeline.turn(0, None, score)
        assert pipeline.ahead is not None
        rollouts.save(pipeline.ahead, tmp_path)
    (tmp_path / "rollouts.json").write_text('{"step": 1, "groups": [{"place": 0}]}')
    with pytest.raises(InputError, match="not as it was written"):
        rollouts.load(tmp_path)
    (tmp_path / "rollouts.json").unlink()
    assert rollouts.load(tmp_path) is None
