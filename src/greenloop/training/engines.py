"""Which engine draws replies, chosen by the recipe, and those that are not the trainer's own.

An engine of another precision draws from another distribution than the one that is trained. The log-probabilities
with which it drew are kept, and each token is weighed by (trained / drawn), cut at the recipe's ``ratio_cap``:
truncated importance sampling. The ids are those that were drawn; no text is tokenised again.
"""

import importlib.util
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from greenloop.models.conversion.adapter import convert_adapter
from greenloop.models.local import DEFAULT_CONTEXT_TOKENS, LocalModel, TokenReply
from greenloop.records import EnvironmentFault, InputError, ModelError
from greenloop.training.adapters import save_adapter
from greenloop.training.base_model import context_tokens
from greenloop.training.generating import Drawn, Generator, InProcess
from greenloop.training.ground import Ground
from greenloop.training.recipe import RlRecipe
from greenloop.training.sampler import base_gguf
from greenloop.training.verdict_sections import GenerationSection


def open_generator(ground: Ground[RlRecipe], ends: Sequence[int], stack: ExitStack) -> Generator:
    """Return the recipe's engine; ``ends`` are the tokens that end a reply. It is closed with ``stack``.

    Raises ``InputError`` where the engine cannot do what the recipe asks.
    """
    how = ground.recipe.generation
    found: Generator
    if how.engine == "llama":
        found = Llama(ground, ends[0], Path(stack.enter_context(TemporaryDirectory(prefix="greenloop-llama-"))))
    elif how.engine == "vllm":
        found = Vllm(how)
    else:
        found = InProcess(how, ground.tokenizer, ends)
    stack.callback(found.close)
    return found


class Llama:
    """llama.cpp, opened anew with the adapter of each batch. ``end`` is the token that ends a turn."""

    def __init__(self, ground: Ground[RlRecipe], end: int, scratch: Path) -> None:
        recipe = ground.recipe
        if recipe.optimisation.method == "full" or recipe.generation.temperature != 1.0:
            raise InputError(
                '[generation] engine = "llama" draws with adapters alone, and at temperature 1',
                'set method = "lora" and temperature = 1.0, or engine = "transformers"',
            )
        self._how = recipe.generation
        self._card = ground.base.card(ground.tokenizer)
        self._end = end
        self._scratch = scratch
        self._threads = max(1, recipe.machine.threads)
        self._room = min(context_tokens(ground.base) or DEFAULT_CONTEXT_TOKENS, DEFAULT_CONTEXT_TOKENS)
        self._base = base_gguf(recipe, ground.base, scratch)
        self._model: LocalModel | None = None

    def begin(self, model: Any) -> None:
        """See ``Generator``."""
        self.close()
        folder, file = self._scratch / "adapter", self._scratch / "adapter.gguf"
        folder.mkdir(exist_ok=True)
        save_adapter(model, folder, self._card)
        convert_adapter(folder, self._base, file)
        self._model = LocalModel(self._base, adapter=file, threads=self._threads, context_tokens=self._room)

    def draw(self, prompt: Sequence[int], seed: int) -> list[Drawn]:
        """See ``Generator``."""
        if self._model is None:
            raise ModelError("the engine holds no weights", "begin a batch first")
        size, most = self._how.group_size, self._how.max_tokens
        return [self._drawn(one) for one in self._model.draw_tokens(prompt, n=size, max_tokens=most, seed=seed)]

    def close(self) -> None:
        """See ``Generator``."""
        if self._model is not None:
            self._model.close()
        self._model = None

    def _drawn(self, one: TokenReply) -> Drawn:
        # what the end of the turn was worth is not told: NaN, a weight of 1
        logps = [*one.logprobs, *([float("nan")] if one.ended else [])]
        return Drawn((*one.ids, *([self._end] if one.ended else [])), torch.tensor(logps))


class Vllm:
    """vLLM as TRL drives it, weights handed over included: see ``attach``. It needs a GPU and has not been run here."""

    def __init__(self, how: GenerationSection) -> None:
        if importlib.util.find_spec("vllm") is None:
            raise EnvironmentFault(
                '[generation] engine = "vllm" needs the package vllm, which is not installed',
                'install the version that TRL asks for, or take engine = "transformers"',
            )
        self._how = how
        self._trainer: Any = None

    def attach(self, trainer: Any) -> None:
        """Take the trainer, whose settings name vLLM and which hands over its weights when they have changed."""
        self._trainer = trainer

    def begin(self, model: Any) -> None:
        """See ``Generator``; the trainer hands over the weights."""

    def draw(self, prompt: Sequence[int], seed: int) -> list[Drawn]:  # noqa: ARG002 - vLLM has seeds of its own
        """See ``Generator``. Not the same again after a kill: what was in flight is in the checkpoint, no more."""
        size = self._how.group_size
        ids, logps = self._trainer._generate_single_turn([list(prompt)] * size, None, {}, size)
        nothing = float("nan")
        return [
            Drawn(tuple(one), torch.tensor([nothing if value is None else value for value in told]))
            for one, told in zip(ids, logps, strict=True)
        ]

    def close(self) -> None:
        """See ``Generator``; vLLM ends with the trainer."""
        self._trainer = None
