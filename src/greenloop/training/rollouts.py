"""What a model was asked and what it replied, as token ids: kept in a checkpoint, so that no reply is drawn twice."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from greenloop.records import InputError
from greenloop.storage import named_io_errors, write_atomically

_FILE, _NUMBERS = "rollouts.json", "rollouts.safetensors"


@dataclass(frozen=True, slots=True)
class Rollout:
    """One reply. ``ids`` end with the end-of-turn token unless the reply was cut off.

    ``logps`` are the log-probabilities of its tokens under the weights that it was drawn with (a float32 vector), as
    the trainer computes them; ``drawn``, where another engine drew it, as that one does.
    """

    ids: tuple[int, ...]
    text: str
    ended: bool
    logps: torch.Tensor
    drawn: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """The replies to one task, by its place among the run's questions."""

    place: int
    rollouts: tuple[Rollout, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """The groups of one optimiser step."""

    step: int
    groups: tuple[Group, ...]


def save(batch: Batch, folder: Path) -> None:
    """Write ``batch`` into ``folder``."""
    body = [
        {
            "place": group.place,
            "rollouts": [{"ids": one.ids, "text": one.text, "ended": one.ended} for one in group.rollouts],
        }
        for group in batch.groups
    ]
    numbers = {
        f"{kind}.{at}.{number}": tensor
        for at, group in enumerate(batch.groups)
        for number, one in enumerate(group.rollouts)
        for kind, tensor in (("logps", one.logps), ("drawn", one.drawn))
        if tensor is not None
    }
    with named_io_errors(folder):
        save_file(numbers, folder / _NUMBERS)
    write_atomically(folder / _FILE, json.dumps({"step": batch.step, "groups": body}).encode())


def load(folder: Path) -> Batch | None:
    """Read what ``save`` wrote, None where it wrote nothing. Raises ``InputError`` when it cannot be read."""
    if not (folder / _FILE).is_file():
        return None
    with named_io_errors(folder):
        body = json.loads((folder / _FILE).read_bytes())
        numbers = load_file(folder / _NUMBERS)
    try:
        groups = tuple(
            Group(
                group["place"],
                tuple(
                    Rollout(
                        tuple(one["ids"]),
                        one["text"],
                        one["ended"],
                        numbers[f"logps.{at}.{number}"],
                        numbers.get(f"drawn.{at}.{number}"),
                    )
                    for number, one in enumerate(group["rollouts"])
                ),
            )
            for at, group in enumerate(body["groups"])
        )
        return Batch(body["step"], groups)
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / _FILE}: not as it was written: {error!r}", "go on from the one before") from error
