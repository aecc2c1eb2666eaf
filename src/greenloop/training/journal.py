"""A run's log as it grows: ``log.jsonl``, TensorBoard's event files, and progress."""

import time
from collections.abc import Callable
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from transformers import TrainerCallback

from greenloop.training.run_folder import RunFolder

Progress = Callable[[int, int], None]
"""Tells progress: (steps done, steps in all)."""


class Journal(TrainerCallback):
    """Writes ``log.jsonl`` and TensorBoard's event files, and tells progress; ``logged`` are the curves it takes."""

    def __init__(self, run: RunFolder, progress: Progress, logged: tuple[str, ...]) -> None:
        self._run = run
        self._progress = progress
        self._logged = logged
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
        entry |= {key: found[key] for key in self._logged if key in found}
        if "loss" in found:
            entry["seconds"] = round(now - self._since, 3)
        self._since = now
        self._run.note(entry)
        for key in self._logged:
            if key in found:
                self._writer.add_scalar(key, found[key], state.global_step)
        if "eval_loss" in found:
            self._writer.flush()

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        """Let the disk have everything."""
        if self._writer is not None:
            self._writer.flush()
