"""Drawing replies: from the model that is trained, in this process.

The distribution is the model's own at the recipe's temperature, cut by nothing, so that what is drawn is what is
trained. Each group is drawn with random numbers of its own (seed, step, place), so a resumed run draws the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from transformers import DynamicCache, GenerationConfig

from greenloop.training.verdict_sections import GenerationSection


@dataclass(frozen=True, slots=True)
class Drawn:
    """A reply's token ids, and their log-probabilities (float32) where another engine than the trainer drew them."""

    ids: tuple[int, ...]
    logps: torch.Tensor | None = None


class NotFiniteError(ArithmeticError):
    """The model's logits are no numbers, so nothing can be drawn."""


class Generator(Protocol):
    """Draws replies."""

    def begin(self, model: Any) -> None:
        """Take over the weights of ``model`` as they are now, for the batch that comes."""
        ...

    def draw(self, prompt: Sequence[int], seed: int) -> list[Drawn]:
        """Return a group of replies to ``prompt``, by its token ids. Raises ``NotFiniteError``."""
        ...

    def close(self) -> None:
        """Give back what it holds; harmless when repeated."""
        ...


def seed_of(seed: int, step: int, place: int) -> int:
    """Return the seed of one group, in 0 … 2⁶²."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{step}:{place}".encode()).digest()[:8]) >> 2


class InProcess:
    """Generation by transformers; the prompt is evaluated once for its whole group."""

    def __init__(self, how: GenerationSection, tokenizer: Any, ends: Sequence[int]) -> None:
        self._how = how
        self._ends = tuple(ends)
        self._config = GenerationConfig(
            do_sample=True,
            temperature=how.temperature,
            top_k=0,
            top_p=1.0,
            max_new_tokens=how.max_tokens,
            eos_token_id=list(ends),
            pad_token_id=tokenizer.pad_token_id,
        )
        self._model: Any = None

    def begin(self, model: Any) -> None:
        """See ``Generator``."""
        self._model = model

    def draw(self, prompt: Sequence[int], seed: int) -> list[Drawn]:
        """See ``Generator``."""
        size = self._how.group_size
        device = next(self._model.parameters()).device
        ids = torch.tensor([prompt], device=device)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            cache = DynamicCache(config=self._model.config)
            said = self._model(input_ids=ids[:, :-1], past_key_values=cache, use_cache=True, logits_to_keep=1).logits
            if not bool(torch.isfinite(said).all()):
                raise NotFiniteError("the logits of a prompt are no numbers")
            cache.batch_repeat_interleave(size)
            every = ids.repeat(size, 1)
            made = self._model.generate(
                input_ids=every,
                attention_mask=torch.ones_like(every),
                past_key_values=cache,
                generation_config=self._config,
            )
        return [Drawn(self._until_end(row)) for row in made[:, len(prompt) :].tolist()]

    def close(self) -> None:
        """See ``Generator``."""
        self._model = None

    def _until_end(self, row: list[int]) -> tuple[int, ...]:
        last = next((place for place, token in enumerate(row) if token in self._ends), len(row) - 1)
        return tuple(row[: last + 1])
