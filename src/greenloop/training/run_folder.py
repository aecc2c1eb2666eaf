"""A run's folder: what lies where, and which of its checkpoints are whole.

RUN/recipe.toml     the recipe with every default, and the version of the dataset
RUN/card.json       `RunCard`
RUN/adapter/        a PEFT folder (LoRA), or RUN/model/, a Hugging Face folder (full)
RUN/tokenizer/      the base's tokenizer and chat template
RUN/checkpoints/    of the last steps; may be deleted once the run is finished
RUN/tensorboard/    event files
RUN/log.jsonl       a line for each optimiser step
RUN/loss.svg        the loss as a picture
"""

import hashlib
import json
import os
import shutil
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from greenloop.records import InputError, RunCard
from greenloop.storage import named_io_errors, write_atomically
from greenloop.storage.lines import append_line, read_lines
from greenloop.training.recipe import Recipe

_WHOLE = "whole.json"
_PREFIX = "checkpoint-"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run."""

    path: Path

    @property
    def recipe(self) -> Path:
        """The resolved recipe."""
        return self.path / "recipe.toml"

    @property
    def card(self) -> Path:
        """The run card."""
        return self.path / "card.json"

    @property
    def adapter(self) -> Path:
        """The trained adapter."""
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        """The trained model, where every weight was trained."""
        return self.path / "model"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer."""
        return self.path / "tokenizer"

    @property
    def checkpoints(self) -> Path:
        """The checkpoints."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """The event files."""
        return self.path / "tensorboard"

    @property
    def log(self) -> Path:
        """The log, one JSON object an optimiser step."""
        return self.path / "log.jsonl"

    def begin(self, recipe: Recipe, *, resume: bool) -> Path | None:
        """Make the folder ready for ``recipe``; return the checkpoint to go on from, if there is one.

        Raises ``InputError`` when something is there and ``resume`` was not asked for, or when what is there was made
        by another recipe, or is finished.
        """
        if not resume:
            if self.path.is_dir() and any(self.path.iterdir()):
                raise InputError(f"{self.path}: holds something already", "--resume goes on, or choose another --out")
            # the recipe first: with it, a run that is killed right now can be resumed
            write_atomically(self.recipe, recipe.to_toml().encode())
            return None
        if not self.recipe.is_file():
            raise InputError(f"{self.path}: no run to resume: recipe.toml is missing", "start it without --resume")
        self._same(recipe)
        if self.card.is_file() and self.read_card().status == "finished":
            raise InputError(f"{self.path}: this run is finished", "choose another --out to train again")
        last = self.last_checkpoint()
        self._forget_after(_step(last) if last is not None else 0)
        return last

    def _same(self, recipe: Recipe) -> None:
        with named_io_errors(self.recipe):
            held = self.recipe.read_text()
        if held == recipe.to_toml():
            return
        before, now = _flat(tomllib.loads(held)), _flat(tomllib.loads(recipe.to_toml()))
        key = next(key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key))
        raise InputError(
            f"{self.path}: begun with {key} = {before.get(key)!r}, the recipe now says {now.get(key)!r}",
            "resume with the same recipe, or start a new run with another --out",
        )

    def claim(self, card: RunCard) -> None:
        """Write the card of a run that begins or goes on.

        Raises ``InputError`` when the run was begun on other data or another base, though by the same recipe.
        """
        if self.card.is_file():
            held = self.read_card()
            for what, before, now in (
                ("the base", held.base.sha256, card.base.sha256),
                ("the tokenizer or chat template", held.base.tokenizer_sha256, card.base.tokenizer_sha256),
                ("what is learnt from", held.data_sha256, card.data_sha256),
                ("the run whose adapter is trained further", held.parent, card.parent),
            ):
                if before != now:
                    raise InputError(
                        f"{self.path}: {what} has changed since this run was begun",
                        "put it back, or start a new run with another --out",
                    )
        self.write_card(card)

    def write_card(self, card: RunCard) -> None:
        """Write the card."""
        write_atomically(self.card, f"{card.to_json()}\n".encode())

    def read_card(self) -> RunCard:
        """Read the card. Raises ``InputError`` when there is none, or it cannot be read."""
        if not self.card.is_file():
            raise InputError(f"{self.path}: no training run here: card.json is missing", "give a run's folder")
        with named_io_errors(self.card):
            return RunCard.from_json(self.card.read_text())

    def note(self, entry: dict[str, Any]) -> None:
        """Append one line to the log."""
        append_line(self.log, json.dumps(entry))

    def entries(self) -> list[dict[str, Any]]:
        """Return the log's whole lines."""
        return [json.loads(text) for _, text in read_lines(self.log).whole]

    def _forget_after(self, step: int) -> None:
        """Drop the log's lines of steps that will be made again."""
        kept = [entry for entry in self.entries() if entry["step"] <= step]
        write_atomically(self.log, "".join(f"{json.dumps(entry)}\n" for entry in kept).encode())

    def last_checkpoint(self) -> Path | None:
        """Return the newest whole checkpoint; what a kill or a full disk left of others is deleted."""
        last = None
        for folder in sorted(self.checkpoints.glob(f"{_PREFIX}*"), key=_step):
            if is_whole(folder):
                last = folder
            else:
                shutil.rmtree(folder)
        return last

    def put(self, name: str, write: Callable[[Path], None]) -> dict[str, str]:
        """Let ``write`` fill the folder ``name``, which appears whole; return its files with their SHA-256."""
        fresh, target = self.path / f".{name}", self.path / name
        with named_io_errors(target):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            write(fresh)
            shutil.rmtree(target, ignore_errors=True)
            fresh.rename(target)
            return {
                f"{name}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(target.iterdir())
                if path.is_file()
            }


def seal(checkpoint: Path) -> None:
    """Mark a checkpoint as whole, once the disk has every file of it."""
    with named_io_errors(checkpoint):
        sizes = {}
        for path in sorted(checkpoint.iterdir()):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            sizes[path.name] = path.stat().st_size
    write_atomically(checkpoint / _WHOLE, json.dumps(sizes).encode())


def is_whole(checkpoint: Path) -> bool:
    """Return whether ``seal`` was reached and every file still has its size."""
    marker = checkpoint / _WHOLE
    if not marker.is_file():
        return False
    sizes: dict[str, int] = json.loads(marker.read_bytes())
    return all(
        (checkpoint / name).is_file() and (checkpoint / name).stat().st_size == size for name, size in sizes.items()
    )


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix(_PREFIX))


def _flat(body: dict[str, Any]) -> dict[str, Any]:
    tables = {key: value for key, value in body.items() if isinstance(value, dict)}
    plain = {key: value for key, value in body.items() if key not in tables}
    return plain | {f"[{name}] {key}": value for name, table in tables.items() for key, value in table.items()}
