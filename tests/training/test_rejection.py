"""Rejection sampling by the real compiler: what is learnt of a model's samples, and that none is drawn twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Greenloop
from tests.training.conftest import RECIPES
from tests.training.verdicts import DATASET, real_bench, replies

from greenloop.builds.scripted import ScriptedJudge
from greenloop.evals.results import ResultsFolder
from greenloop.models.scripted import ScriptedModel
from greenloop.models.seam import Model, Request
from greenloop.records import InfrastructureError, InputError, ModelError, RunCard
from greenloop.training.bench import Bench
from greenloop.training.recipe import RejectionRecipe, read_recipe
from greenloop.training.rejection import train
from greenloop.training.run_folder import RunFolder
from greenloop.workspace.store import TreeStore

# whole runs, of which a busy machine makes minutes
pytestmark = pytest.mark.timeout(900)
Change = Callable[..., RejectionRecipe]


@pytest.fixture
def smoke_rejection() -> Change:
    """Return the smoke recipe on a fresh adapter and a scripted model, with some keys changed."""

    def changed(**tables: dict[str, Any]) -> RejectionRecipe:
        body = read_recipe(RECIPES / "smoke-rejection.toml", RejectionRecipe).model_dump()
        body["base"]["run"] = body["sampling"]["run"] = ""
        body["sampling"] |= {"model": "scripted", "n": 6}
        body["optimisation"]["max_steps"] = 2
        for name, keys in tables.items():
            body[name] = {**body[name], **keys}
        return RejectionRecipe.model_validate(body)

    return changed


def run_rejection(
    recipe: RejectionRecipe, out: Path, bases: Path, bench: Bench, model: Model, *, resume: bool = False
) -> tuple[RunCard, list[str]]:
    lines: list[str] = []
    card = train(
        recipe,
        out,
        bases,
        bench=lambda _dataset: bench,
        models=lambda _name: model,
        resume=resume,
        sampled=lambda _done, _of: None,
        progress=lambda _done, _of: None,
        tell=lines.append,
    )
    assert card is not None
    return card, lines


def learnt(run: Path) -> list[str]:
    return [json.loads(line)["messages"][-1]["content"] for line in (run / "chosen.jsonl").read_text().splitlines()]


def test_only_clean_fixes_that_print_the_same_are_learnt(smoke_rejection: Change, bases: Path, tmp_path: Path) -> None:
    with real_bench(tmp_path) as bench:
        card, lines = run_rejection(smoke_rejection(), tmp_path / "run", bases, bench, ScriptedModel(replies))
    # `x + 1` is the person's own, `x - 1` prints something else, `failwith` is a stub: `1 + x` is left, once a task
    found = learnt(tmp_path / "run")
    assert len(found) == 4
    assert all(" + x\n>>>>" in reply for reply in found)
    assert card.kind == "rejection"
    assert card.examples == 4 + 4
    assert "12 of 28 samples are clean fixes; of 4 tasks 0 were always solved, 4 sometimes" in " ".join(lines)
    held = RunFolder(tmp_path / "run").read_card()
    assert held == card
    assert (card.status, card.steps) == ("finished", 2)
    # the samples are in the files of an evaluation, every one accounted for
    results = ResultsFolder(tmp_path / "run" / "samples").read()
    assert [len(result.attempts) for result in results.values()] == [7] * 4


def test_a_run_that_was_stopped_draws_no_sample_twice(smoke_rejection: Change, bases: Path, tmp_path: Path) -> None:
    asked: list[str] = []

    def breaks(request: Request) -> list[str]:
        asked.append(request.messages[-1].content)
        if len(asked) == 6:
            raise ModelError("the machine went away", "come back")
        return replies(request)

    with real_bench(tmp_path) as bench:
        with pytest.raises(ModelError, match="went away"):
            run_rejection(smoke_rejection(), tmp_path / "run", bases, bench, ScriptedModel(breaks))
        assert len(ResultsFolder(tmp_path / "run" / "samples").read()) == 2
        run_rejection(smoke_rejection(), tmp_path / "run", bases, bench, ScriptedModel(breaks), resume=True)
        unbroken, _ = run_rejection(smoke_rejection(), tmp_path / "other", bases, bench, ScriptedModel(replies))
    # a greedy request and a sampled one for each of four tasks; the task that broke was asked anew
    assert len(asked) == 8 + 2
    assert learnt(tmp_path / "run") == learnt(tmp_path / "other")
    assert RunFolder(tmp_path / "run").read_card() == unbroken


def test_faults_of_the_machine_stop_the_run_and_are_no_samples(
    smoke_rejection: Change, bases: Path, tmp_path: Path
) -> None:
    with real_bench(tmp_path) as bench:
        down = ScriptedJudge({}, otherwise=InfrastructureError("the compiler is gone"), fingerprint="0" * 64)
        broken = Bench(bench.store, down)
        with pytest.raises(InfrastructureError, match="compiler is gone"):
            run_rejection(smoke_rejection(), tmp_path / "run", bases, broken, ScriptedModel(replies))
    assert not (tmp_path / "run" / "chosen.jsonl").exists()
    assert ResultsFolder(tmp_path / "run" / "samples").read() == {}


def test_a_model_that_fixes_nothing_teaches_nothing(smoke_rejection: Change, bases: Path, tmp_path: Path) -> None:
    with real_bench(tmp_path) as bench, pytest.raises(InputError, match="no sample is a clean fix") as caught:
        run_rejection(smoke_rejection(), tmp_path / "run", bases, bench, ScriptedModel(lambda _request: ["No."]))
    assert "trained on edits first" in caught.value.way_out


def test_quotas_count_by_how_often_a_task_is_solved(smoke_rejection: Change, bases: Path, tmp_path: Path) -> None:
    def always(request: Request) -> list[str]:
        return replies(request)[:2]

    with real_bench(tmp_path) as bench:
        none = smoke_rejection(sampling={"per_solved_task": 0})
        with pytest.raises(InputError, match="no sample is a clean fix that people did not make"):
            run_rejection(none, tmp_path / "none", bases, bench, ScriptedModel(always))
        one = smoke_rejection(sampling={"per_solved_task": 1})
        _, lines = run_rejection(one, tmp_path / "one", bases, bench, ScriptedModel(always))
    assert "4 were always solved" in " ".join(lines)
    assert len(learnt(tmp_path / "one")) == 4


def test_a_recipe_names_one_model_to_sample(smoke_rejection: Change, bases: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "two.toml"
    text = (RECIPES / "smoke-rejection.toml").read_text()
    recipe.write_text(text.replace("[sampling]", '[sampling]\nmodel = "local"'))
    with pytest.raises(InputError, match="either the model that is sampled"):
        read_recipe(recipe, RejectionRecipe)
    nothing = smoke_rejection(data={"dataset": "", "extra": (str(RECIPES / "smoke.jsonl"),)})
    bench = Bench(TreeStore(tmp_path / "trees"), ScriptedJudge({}))
    with pytest.raises(InputError, match="names no dataset"):
        run_rejection(nothing, tmp_path / "run", bases, bench, ScriptedModel(()))


def test_by_the_commands_with_the_models_own_runtime(greenloop: Greenloop, bases: Path, tmp_path: Path) -> None:
    """A run's adapter is converted, sampled by llama.cpp and judged; a model that knows nothing teaches nothing."""
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / "bases").symlink_to(bases)
    (tmp_path / "recipes").mkdir()
    for name in ("smoke-choices.toml", "smoke-rejection.toml"):
        text = (RECIPES / name).read_text().replace("max_steps = 64", "max_steps = 1").replace("n = 8", "n = 2")
        (tmp_path / "recipes" / name).write_text(text)
    for name in (DATASET.name, "smoke-choices.jsonl"):
        (tmp_path / "recipes" / name).symlink_to(RECIPES / name)
    first = greenloop("train", "sft", "-r", "recipes/smoke-choices.toml", "-o", "runs/smoke-choices")
    assert first.returncode == 0, first.stderr
    done = greenloop("train", "rejection", "-r", "recipes/smoke-rejection.toml", "-o", "runs/rejected")
    assert done.returncode == 2, done.stderr
    assert "0 of 12 samples are clean fixes" in " ".join(done.stderr.split())
    results = ResultsFolder(tmp_path / "runs" / "rejected" / "samples")
    held = results.settings()
    assert held is not None
    assert held.model.startswith("run:smoke-choices-")
    assert all(len(result.attempts) == 3 for result in results.read().values())
    wrong = greenloop("train", "rejection", "-r", "recipes/smoke-choices.toml", "-o", "runs/other")
    assert wrong.returncode == 2
    assert "kind" in wrong.stderr
