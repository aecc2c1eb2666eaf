"""What every trainer here promises: a loss that is no number ends the run, and a checkpoint is whole or is none."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from greenloop.records import EnvironmentFault, InputError
from greenloop.training.run_folder import RunFolder, seal


class SealedCheckpoints:
    """Mixed into a trainer of TRL's, before it: checkpoints are sealed, and divergence is an error."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: a run has a card of its own, and TRL's names folders of this machine."""

    def training_step(self: Any, *arguments: Any, **options: Any) -> Any:
        """Make a step; raises ``InputError`` when its loss is not a finite number, before a weight is changed."""
        loss = super().training_step(*arguments, **options)  # type: ignore[misc]
        if not math.isfinite(float(loss)):
            raise diverged(self, f"the loss of step {self.state.global_step + 1} is {float(loss)}")
        return loss

    def add_to_checkpoint(self, folder: Path) -> None:
        """Write what else a resumed run needs; nothing by default."""

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if any(not bool(torch.isfinite(one).all()) for one in self.model.parameters() if one.requires_grad):
            raise diverged(self, f"a weight is not a number after step {self.state.global_step}")
        with _written(self, folder):
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            if self.is_world_process_zero():
                self.add_to_checkpoint(folder)
                seal(folder)


@contextmanager
def _written(trainer: Any, folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, SafetensorError, EnvironmentFault) as error:
        # torch and safetensors tell a full disk as errors of their own kinds; nothing but writing happens here
        shutil.rmtree(folder, ignore_errors=True)
        raise EnvironmentFault(
            f"{folder}: the checkpoint could not be written: {error}",
            f"free some space and run it again with --resume: {_kept(trainer)}",
        ) from error


def diverged(trainer: Any, what: str) -> InputError:
    """Return the error of a run whose numbers are none any more."""
    return InputError(
        f"training has diverged: {what}",
        "lower [optimisation] learning_rate or raise warmup_steps and start a new run; "
        f"{_kept(trainer)}, and --resume goes on from there",
    )


def _kept(trainer: Any) -> str:
    last = RunFolder(Path(trainer.args.output_dir).parent).last_checkpoint()
    return f"{last.name} is whole" if last is not None else "no checkpoint was reached"
