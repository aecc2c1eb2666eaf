"""What a training run says of itself."""

from typing import Literal

from pydantic import Field

from greenloop.records.asking import Asking
from greenloop.records.base import Count, Part, Record


class BaseModelCard(Part):
    """The model that training started from."""

    name: str
    """As the recipe has it: ``local``, ``random``, or the name of the folder or file."""
    sha256: str
    """Of the GGUF file; of a folder, of the list of its files' sums."""
    tokenizer_sha256: str
    """Of the tokenizer and its chat template: an adapter fits no other."""


class RunCard(Record):
    """One training run: where it came from, with what, and how it ended."""

    id: str
    """16 hexadecimal digits of the SHA-256 of recipe, base and data: the same for the same run."""
    kind: Literal["sft", "rl", "rejection"]
    name: str
    """The recipe's name."""
    greenloop: str
    """Version of Greenloop."""
    base: BaseModelCard
    parent: str | None = None
    """The id of the run whose adapter was trained further."""
    dataset: str = ""
    """Version of the dataset; empty where none was used."""
    data_sha256: str
    """Of the token ids and labels of every example, in order."""
    recipe_sha256: str
    seeds: dict[str, Count]
    asking: Asking | None = None
    """How the prompts were rendered that it learnt from; ``None`` where they came rendered."""
    packages: dict[str, str]
    """Package → version, of all that computes."""
    examples: Count
    """Examples that were learnt from."""
    dropped: dict[str, Count] = Field(default_factory=dict)
    """Reason → examples that were left out."""
    steps: Count = 0
    """Optimiser steps that were made."""
    tokens: Count = 0
    """Tokens that were evaluated, prompts included."""
    first_loss: float | None = None
    last_loss: float | None = None
    """Nats for a token of a reply."""
    heldout_loss: float | None = None
    """The same on held-out examples, after training."""
    first_reward: float | None = None
    last_reward: float | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """File of the run folder → SHA-256, for the weights and the tokenizer."""
    status: Literal["finished", "stopped"]
    """``stopped`` until the last step is done and the weights are written."""
