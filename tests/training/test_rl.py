"""Reinforcement learning on the smoke tasks by the real compiler: the reward rises, and a kill changes nothing."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.conftest import Greenloop
from tests.training.conftest import RECIPES
from tests.training.verdicts import DATASET, real_bench, real_service

from greenloop.builds.judge import Judge, Progress
from greenloop.builds.stop import Stop
from greenloop.records import (
    EnvironmentFault,
    InfrastructureError,
    InputError,
    RunCard,
    Suite,
    TreeId,
    Verdict,
)
from greenloop.training.bench import Bench
from greenloop.training.recipe import RlRecipe, SftRecipe, read_recipe
from greenloop.training.rl import train
from greenloop.training.run_folder import RunFolder
from greenloop.training.sft import train as train_sft

# whole runs, of which a busy machine makes minutes
pytestmark = pytest.mark.timeout(900)
STEPS = 16
_CLOCK = {"seconds", "waited"}
Change = Callable[..., RlRecipe]


@pytest.fixture(scope="session")
def choices(bases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that smoke-rl.toml starts from."""
    place = tmp_path_factory.mktemp("choices") / "run"
    recipe = read_recipe(RECIPES / "smoke-choices.toml", SftRecipe)
    train_sft(recipe, place, bases, progress=lambda _done, _of: None, tell=lambda _line: None)
    return place / "model"


def changed(choices: Path, **tables: dict[str, Any]) -> RlRecipe:
    body = read_recipe(RECIPES / "smoke-rl.toml", RlRecipe).model_dump()
    body["base"]["model"] = str(choices)
    for name, keys in tables.items():
        body[name] = {**body[name], **keys}
    return RlRecipe.model_validate(body)


@pytest.fixture
def smoke_rl(choices: Path) -> Change:
    """Return the smoke recipe with some keys changed."""
    return lambda **tables: changed(choices, **tables)


def run_rl(
    recipe: RlRecipe, out: Path, bases: Path, bench: Bench, *, resume: bool = False, lines: list[str] | None = None
) -> RunCard:
    said = [] if lines is None else lines
    return train(
        recipe,
        out,
        bases,
        bench=lambda _dataset: bench,
        resume=resume,
        progress=lambda _done, _of: None,
        tell=said.append,
    )


def curve(run: Path) -> list[dict[str, Any]]:
    """The log without what a clock measured."""
    return [{key: value for key, value in one.items() if key not in _CLOCK} for one in RunFolder(run).entries()]


@pytest.fixture(scope="session")
def finished_rl(choices: Path, bases: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A run from its first step to its last without a break, and what was told."""
    place = tmp_path_factory.mktemp("rl")
    lines: list[str] = []
    with real_bench(place) as bench:
        run_rl(changed(choices), place / "run", bases, bench, lines=lines)
    return place / "run", lines


def test_the_reward_rises_and_the_folder_is_whole(finished_rl: tuple[Path, list[str]]) -> None:
    run, lines = finished_rl
    entries = RunFolder(run).entries()
    assert [one["step"] for one in entries] == list(range(1, STEPS + 1))
    rewards = [one["reward"] for one in entries]
    half = STEPS // 2
    assert sum(rewards[half:]) / half > 0.1 + sum(rewards[:half]) / half
    # the hidden measure rises with the visible one, and the stub is forgotten
    assert sum(one["same"] for one in entries[half:]) > sum(one["same"] for one in entries[:half])
    assert sum(one["stubs"] for one in entries[half:]) < sum(one["stubs"] for one in entries[:half])
    card = RunFolder(run).read_card()
    assert (card.kind, card.status, card.steps, card.examples) == ("rl", "finished", STEPS, 4)
    assert card.tokens == entries[-1]["tokens"] > 0
    assert card.first_reward == rewards[0]
    assert card.last_reward == rewards[-1]
    assert card.last_measures["fixed"] == entries[-1]["fixed"]
    assert card.waiting_share is not None
    assert 0 <= card.waiting_share < 1
    assert any("spent waiting for verdicts (goal: 10 % at most)" in line for line in lines)
    for picture in ("reward", "measures", "watch", "length"):
        assert "<svg" in (run / f"{picture}.svg").read_text()
    assert "adapter/adapter_model.safetensors" in card.files
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert [event.value for event in events.Scalars("reward")] == pytest.approx(rewards)


def test_a_killed_run_goes_on_with_the_same_curve(
    finished_rl: tuple[Path, list[str]], choices: Path, bases: Path, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / "bases").symlink_to(bases)
    text = (RECIPES / "smoke-rl.toml").read_text()
    text = text.replace("../runs/smoke-choices/model", str(choices)).replace('"smoke-dataset"', f'"{DATASET}"')
    (tmp_path / "rl.toml").write_text(text)
    words = ["--home", tmp_path / "home", "train", "rl", "--recipe", tmp_path / "rl.toml", "--out", run.path]
    process = subprocess.Popen([sys.executable, "-m", "greenloop", *map(str, words)], stderr=subprocess.PIPE)
    # after the checkpoint of step 4, before that of step 8
    while process.poll() is None and (not run.log.exists() or len(run.entries()) < 5):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(run.entries()) < STEPS
    said: list[str] = []
    with real_bench(tmp_path) as bench:
        card = run_rl(read_recipe(tmp_path / "rl.toml", RlRecipe), run.path, bases, bench, resume=True, lines=said)
    assert any(line.startswith("going on from checkpoint-") for line in said)
    whole = finished_rl[0]
    assert curve(run.path) == curve(whole)
    assert card.files == RunFolder(whole).read_card().files


class Failing:
    """A judge whose machine fails from the ``after``-th question on, until it is mended."""

    def __init__(self, judge: Judge, after: int, fault: EnvironmentFault) -> None:
        self._judge, self._left, self._fault = judge, after, fault
        self.fingerprint = judge.fingerprint

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        return self.judge_many((tree,), suite)[tree]

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        self._left -= 1
        if self._left < 0:
            raise self._fault
        return self._judge.judge_many(trees, suite, progress)

    def until(self, stop: Stop) -> "Failing":
        raise AssertionError(f"training asks for no view until {stop}")

    def confirm(
        self, trees: Iterable[TreeId], suite: Suite, times: int, progress: Progress | None = None
    ) -> frozenset[TreeId]:
        return self._judge.confirm(trees, suite, times, progress)


def test_a_judge_that_fails_rewards_nothing_and_ends_the_run(smoke_rl: Change, bases: Path, tmp_path: Path) -> None:
    recipe = smoke_rl(optimisation={"max_steps": 4}, checkpoints={"every_steps": 1})
    with real_bench(tmp_path) as bench:
        lost = InfrastructureError("the machine is out of memory")
        broken = Bench(bench.store, Failing(bench.judge, 1, lost), bench.behaviours)
        with pytest.raises(EnvironmentFault, match="of 3 batches in a row nobody could judge any reply") as caught:
            run_rl(recipe, tmp_path / "run", bases, broken)
        assert "--resume" in caught.value.way_out
        # a fault is no reward of 0
        entries = RunFolder(tmp_path / "run").entries()
        assert [one["unjudged"] for one in entries] == [1.0, 1.0]
        assert not any("reward" in one for one in entries)
        assert RunFolder(tmp_path / "run").read_card().status == "stopped"
        card = run_rl(recipe, tmp_path / "run", bases, bench, resume=True)
    assert (card.status, card.steps) == ("finished", 4)
    assert "reward" in RunFolder(tmp_path / "run").entries()[-1]


def test_a_service_judges_and_one_that_goes_away_is_named(
    greenloop: Greenloop, choices: Path, bases: Path, tmp_path: Path
) -> None:
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / "bases").symlink_to(bases)
    with real_service(tmp_path / "service") as service:
        text = (RECIPES / "smoke-rl.toml").read_text().replace("max_steps = 16", "max_steps = 2")
        text = text.replace("../runs/smoke-choices/model", str(choices)).replace('"smoke-dataset"', f'"{DATASET}"')
        told = f'\n[verdicts]\nces = "{service.address}"\nrevision = "green@HEAD"\ntries = 1\n'
        (tmp_path / "rl.toml").write_text(text + told)
        done = greenloop("train", "rl", "-r", "rl.toml", "-o", "judged")
        assert done.returncode == 0, done.stderr
        assert "waiting for verdicts" in done.stderr
        entries = RunFolder(tmp_path / "judged").entries()
        assert [one["unjudged"] for one in entries] == [0.0, 0.0]
        assert entries[0]["fixed"] > 0
        service.end()
        gone = greenloop("train", "rl", "-r", "rl.toml", "-o", "alone")
    assert gone.returncode == 1
    assert "no evaluation service answers" in gone.stderr
    assert not (tmp_path / "alone").exists()


def test_divergence_is_named_and_the_checkpoint_kept(smoke_rl: Change, bases: Path, tmp_path: Path) -> None:
    wild = smoke_rl(optimisation={"learning_rate": 1e30}, checkpoints={"every_steps": 1})
    with real_bench(tmp_path) as bench, pytest.raises(InputError, match="diverged") as caught:
        run_rl(wild, tmp_path / "run", bases, bench)
    assert "learning_rate" in caught.value.way_out
    assert all(one["loss"] == one["loss"] for one in RunFolder(tmp_path / "run").entries())


def test_the_local_runtime_draws_for_the_trainer(smoke_rl: Change, bases: Path, tmp_path: Path) -> None:
    recipe = smoke_rl(generation={"engine": "llama"}, optimisation={"max_steps": 2}, checkpoints={"every_steps": 1})
    with real_bench(tmp_path) as bench:
        run_rl(recipe, tmp_path / "run", bases, bench)
    entries = RunFolder(tmp_path / "run").entries()
    assert entries[0]["applies"] > 0
    held = json.loads((tmp_path / "run" / "checkpoints" / "checkpoint-1" / "rollouts.json").read_text())
    assert len(held["groups"]) == 2


@pytest.mark.parametrize(
    ("tables", "named"),
    [
        ({"optimisation": {"batch": 3}}, "does not divide the 16 replies"),
        ({"prompt": {"window_tokens": 100}}, "4 longer than the window"),
        ({"generation": {"engine": "llama", "temperature": 0.7}}, "at temperature 1"),
        ({"data": {"dataset": "", "extra": ("x.jsonl",)}}, "names no dataset"),
    ],
)
def test_what_a_recipe_cannot_ask_is_named(
    smoke_rl: Change, bases: Path, tmp_path: Path, tables: dict[str, dict[str, Any]], named: str
) -> None:
    with real_bench(tmp_path) as bench, pytest.raises(InputError, match=named):
        run_rl(smoke_rl(**tables), tmp_path / "run", bases, bench)


def test_vllm_that_is_not_installed_is_named(smoke_rl: Change, bases: Path, tmp_path: Path) -> None:
    with real_bench(tmp_path) as bench, pytest.raises(EnvironmentFault, match="needs the package vllm"):
        run_rl(smoke_rl(generation={"engine": "vllm"}), tmp_path / "run", bases, bench)
