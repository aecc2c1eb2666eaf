"""Whole runs of the smoke recipe: the loss falls, a kill loses nothing, and what goes wrong is named."""

import json
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.conftest import Greenloop
from tests.training.conftest import RECIPES, Change, Train

from greenloop.records import EnvironmentFault, InputError
from greenloop.training.run_folder import RunFolder, is_whole

STEPS = 24


def losses(run: RunFolder) -> list[tuple[int, float]]:
    return [(entry["step"], entry["loss"]) for entry in run.entries()]


def test_the_loss_falls_and_the_folder_is_whole(finished: RunFolder) -> None:
    curve = losses(finished)
    assert [step for step, _ in curve] == list(range(1, STEPS + 1))
    assert curve[-1][1] < 0.6 * curve[0][1]
    card = finished.read_card()
    assert (card.status, card.kind, card.steps) == ("finished", "sft", STEPS)
    assert (card.first_loss, card.last_loss) == (curve[0][1], curve[-1][1])
    assert card.tokens == finished.entries()[-1]["tokens"] > 0
    assert {"torch", "transformers", "trl", "peft"} <= card.packages.keys()
    assert set(card.files) >= {"adapter/adapter_model.safetensors", "tokenizer/tokenizer.json"}
    assert "<svg" in (finished.path / "loss.svg").read_text()
    config = json.loads((finished.adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "random"
    weights = load_file(finished.adapter / "adapter_model.safetensors")
    assert any(float(value.abs().max()) > 0 for name, value in weights.items() if "lora_B" in name)


def test_tensorboard_has_the_same_curve(finished: RunFolder) -> None:
    events = EventAccumulator(str(finished.tensorboard))
    events.Reload()
    shown = [(event.step, event.value) for event in events.Scalars("loss")]
    assert [step for step, _ in shown] == list(range(1, STEPS + 1))
    assert [value for _, value in shown] == pytest.approx([loss for _, loss in losses(finished)])


def test_a_killed_run_goes_on_with_the_same_losses(
    finished: RunFolder, smoke: Change, run_sft: Train, bases: Path, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    (tmp_path / "home" / "models").mkdir(parents=True)
    (tmp_path / "home" / "models" / "bases").symlink_to(bases)
    words = ["--home", tmp_path / "home", "train", "sft", "--recipe", RECIPES / "smoke-sft.toml", "--out", run.path]
    process = subprocess.Popen([sys.executable, "-m", "greenloop", *map(str, words)], stderr=subprocess.PIPE)
    # after the checkpoint of step 6, before that of step 12
    while process.poll() is None and (not run.log.exists() or len(run.entries()) < 8):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    made = len(run.entries())
    assert made < STEPS
    assert run.read_card().status == "stopped"
    said: list[str] = []
    card = run_sft(smoke(), run.path, resume=True, lines=said)
    assert any(line.startswith("going on from checkpoint-") for line in said)
    assert losses(run) == losses(finished)
    # the card holds the sums of the weights
    assert card == finished.read_card()
    assert (run.path / "loss.svg").read_bytes() == (finished.path / "loss.svg").read_bytes()


@pytest.fixture
def small_files() -> Iterator[None]:
    """Put the limit on the size of files back, whatever a test did to it."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_refuses_a_checkpoint_leaves_the_one_before(
    finished: RunFolder, smoke: Change, run_sft: Train, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def refuse(step: int) -> None:
        # the system refuses to write beyond this many bytes, as a full disk does
        if step == 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, before[1]))

    with pytest.raises(EnvironmentFault, match="checkpoint-12: the checkpoint could not be written") as caught:
        run_sft(smoke(), run.path, at=refuse)
    assert "checkpoint-6 is whole" in caught.value.way_out
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in run.checkpoints.iterdir()] == ["checkpoint-6"]
    assert is_whole(run.checkpoints / "checkpoint-6")
    run_sft(smoke(), run.path, resume=True)
    assert losses(run) == losses(finished)


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_checkpoint(
    smoke: Change, run_sft: Train, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path / "run")
    wild = smoke(optimisation={"learning_rate": 1e30}, checkpoints={"every_steps": 1})
    with pytest.raises(InputError, match=r"diverged: the loss of step \d+ is (nan|inf)") as caught:
        run_sft(wild, run.path)
    assert "learning_rate" in caught.value.way_out
    last = run.last_checkpoint()
    assert last is not None
    assert last.name in caught.value.way_out
    assert all(loss == loss and loss < float("inf") for _, loss in losses(run))
    assert run.read_card().status == "stopped"
    said: list[str] = []
    with pytest.raises(InputError, match="diverged"):
        run_sft(wild, run.path, resume=True, lines=said)
    assert f"going on from {last.name}" in said


def test_every_weight_can_be_trained(smoke: Change, run_sft: Train, tmp_path: Path) -> None:
    full = {"method": "full", "learning_rate": 0.003, "max_steps": 6, "warmup_steps": 0}
    card = run_sft(smoke(optimisation=full), tmp_path / "run")
    assert card.first_loss is not None
    assert card.last_loss is not None
    assert card.last_loss < card.first_loss
    assert (tmp_path / "run" / "model" / "model.safetensors").is_file()
    assert not (tmp_path / "run" / "adapter").exists()


def test_an_adapter_can_be_trained_further(finished: RunFolder, smoke: Change, run_sft: Train, tmp_path: Path) -> None:
    more = smoke(base={"run": str(finished.path)}, optimisation={"max_steps": 2})
    card = run_sft(more, tmp_path / "run")
    assert card.parent == finished.read_card().id
    before = finished.read_card().last_loss
    assert card.first_loss is not None
    assert before is not None
    assert card.first_loss < 1.5 * before


def test_dropped_examples_are_told(smoke: Change, run_sft: Train, tmp_path: Path) -> None:
    said: list[str] = []
    lengths = "longer than the window of 300 tokens"
    extra = tmp_path / "long.jsonl"
    turns = [{"role": "user", "content": "a " * 400}, {"role": "assistant", "content": "b"}]
    extra.write_text((RECIPES / "smoke.jsonl").read_text() + json.dumps({"messages": turns}) + "\n")
    short = smoke(data={"extra": (str(extra),)}, prompt={"window_tokens": 300}, optimisation={"max_steps": 1})
    card = run_sft(short, tmp_path / "run", lines=said)
    assert f"1 of 25 examples dropped: {lengths}" in said
    assert card.dropped == {"longer than the window": 1}


def test_a_window_larger_than_the_model_is_refused(smoke: Change, run_sft: Train, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a window of 4096 tokens is more than the 2048"):
        run_sft(smoke(prompt={"window_tokens": 4096}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_targets_that_the_model_has_not_are_named(smoke: Change, run_sft: Train, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'c_attn'"):
        run_sft(smoke(lora={"targets": ("c_attn",)}), tmp_path / "run")


def test_no_examples_is_an_error(smoke: Change, run_sft: Train, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(InputError, match="no example to learn from"):
        run_sft(smoke(data={"extra": (str(empty),)}), tmp_path / "run")


def test_a_folder_that_holds_something_is_not_overwritten(finished: RunFolder, smoke: Change, run_sft: Train) -> None:
    with pytest.raises(InputError, match="holds something already"):
        run_sft(smoke(), finished.path)
    with pytest.raises(InputError, match="this run is finished"):
        run_sft(smoke(), finished.path, resume=True)
    with pytest.raises(InputError, match=r"begun with \[lora\] r = 8, the recipe now says 4"):
        run_sft(smoke(lora={"r": 4}), finished.path, resume=True)


def test_nothing_to_resume_is_an_error(smoke: Change, run_sft: Train, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run to resume"):
        run_sft(smoke(), tmp_path / "run", resume=True)


def test_the_command_names_a_typo_in_a_recipe(greenloop: Greenloop, tmp_path: Path) -> None:
    recipe = tmp_path / "typo.toml"
    recipe.write_text((RECIPES / "smoke-sft.toml").read_text().replace("accumulation", "acumulation"))
    done = greenloop("train", "sft", "--recipe", recipe)
    assert done.returncode == 2
    assert "unknown key optimisation.acumulation" in done.stderr


def test_packages_that_are_not_installed_are_named(tmp_path: Path) -> None:
    words = ["greenloop", "--home", str(tmp_path / "home"), "train", "sft", "-r", str(RECIPES / "smoke-sft.toml")]
    program = (
        f"import sys; sys.modules['torch'] = None; sys.argv = {words!r}; from greenloop.cli.main import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 1
    assert "not installed: torch" in done.stderr
    assert "greenloop[training]" in done.stderr
