"""TRL's trainer with three promises: a loss that is no number ends the run, checkpoints are whole, all is logged."""

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch.nn.functional import cross_entropy
from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerCallback
from trl import SFTTrainer

from greenloop.records import EnvironmentFault, InputError
from greenloop.training.run_folder import RunFolder, seal
from greenloop.training.tokens import IGNORED

Progress = Callable[[int, int], None]
"""Tells progress: (steps done, steps in all)."""


class EditTrainer(SFTTrainer):
    """``SFTTrainer`` on rows that are packed already."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """Write none: a run has a card of its own, and TRL's names folders of this machine."""

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean loss over labelled tokens, as TRL does; on a CPU only their logits are computed.

        TRL 1.16 scores every position where Triton is missing, and a reply is a small part of one: with a vocabulary
        of 49,152 that took most of a step of a small model.
        """
        if return_outputs or inputs["labels"].device.type != "cpu":
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        targets = inputs.pop("labels")[0, 1:]
        places = (targets != IGNORED).nonzero().flatten()
        logits = model(**inputs, use_cache=False, logits_to_keep=places).logits[0].float()
        wanted = targets[places]
        total = cross_entropy(logits, wanted, reduction="sum")
        mode = "train" if model.training else "eval"
        hits = (logits.argmax(-1) == wanted).float()
        self._metrics[mode]["mean_token_accuracy"].append(float(hits.mean()) if len(hits) else 0.0)
        if num_items_in_batch is None:
            return total / max(1, len(wanted))
        # the items are those of every process, and gradients are averaged over the processes
        return total * self.accelerator.num_processes / max(1, int(num_items_in_batch))

    def training_step(self, *arguments: Any, **options: Any) -> Any:
        """Make a step; raises ``InputError`` when its loss is not a finite number, before a weight is changed."""
        loss = super().training_step(*arguments, **options)
        if not math.isfinite(float(loss)):
            raise self._diverged(f"the loss of step {self.state.global_step + 1} is {float(loss)}")
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        if any(not bool(torch.isfinite(one).all()) for one in self.model.parameters() if one.requires_grad):
            raise self._diverged(f"a weight is not a number after step {self.state.global_step}")
        try:
            super()._save_checkpoint(model, trial)
            if self.is_world_process_zero():
                seal(folder)
        except (OSError, RuntimeError, SafetensorError, EnvironmentFault) as error:
            # torch and safetensors tell a full disk as errors of their own kinds; nothing but writing happens here
            shutil.rmtree(folder, ignore_errors=True)
            raise EnvironmentFault(
                f"{folder}: the checkpoint could not be written: {error}",
                f"free some space and run it again with --resume: {self._kept()}",
            ) from error

    def _diverged(self, what: str) -> InputError:
        return InputError(
            f"training has diverged: {what}",
            "lower [optimisation] learning_rate or raise warmup_steps and start a new run; "
            f"{self._kept()}, and --resume goes on from there",
        )

    def _kept(self) -> str:
        last = RunFolder(Path(self.args.output_dir).parent).last_checkpoint()
        return f"{last.name} is whole" if last is not None else "no checkpoint was reached"


class Journal(TrainerCallback):
    """Writes ``log.jsonl`` and TensorBoard's event files, and tells progress."""

    def __init__(self, run: RunFolder, progress: Progress) -> None:
        self._run = run
        self._progress = progress
        self._writer: Any = None
        self._since = time.monotonic()

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Open the event files; what they hold of steps that are made again is hidden."""
        self._since = time.monotonic()
        if state.is_world_process_zero:
            self._writer = SummaryWriter(str(self._run.tensorboard), purge_step=state.global_step + 1)

    def on_step_end(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        """Tell how far it is."""
        if state.is_world_process_zero:
            self._progress(state.global_step, state.max_steps)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Write what the trainer measured in a step."""
        found = {key: value for key, value in (logs or {}).items() if isinstance(value, int | float)}
        if not state.is_world_process_zero or not found.keys() & {"loss", "eval_loss"}:
            return
        now = time.monotonic()
        entry: dict[str, Any] = {"step": state.global_step, "tokens": int(state.num_input_tokens_seen)}
        entry |= {key: found[key] for key in _LOGGED if key in found}
        if "loss" in found:
            entry["seconds"] = round(now - self._since, 3)
        self._since = now
        self._run.note(entry)
        for key in _LOGGED:
            if key in found:
                self._writer.add_scalar(key, found[key], state.global_step)
        if "eval_loss" in found:
            self._writer.flush()

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Let the disk have everything."""
        if self._writer is not None:
            self._writer.flush()


_LOGGED = ("loss", "grad_norm", "learning_rate", "mean_token_accuracy", "eval_loss")
