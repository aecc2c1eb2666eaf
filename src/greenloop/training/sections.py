"""The tables of a recipe that every kind of training shares: typed, each key with its unit and its default."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from greenloop.records import Example, Origin, Strategy


class Section(BaseModel):
    """One table of a recipe; a key that it does not know is an error, not a typo that is ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class BaseSection(Section):
    """The model that training starts from."""

    model: str
    """A Hugging Face folder with safetensors, a GGUF file, `smollm2` (the embedded SmolLM2-135M), or `random` (a Llama
    of two layers with random weights and SmolLM2's tokenizer, for tests). Paths are relative to the recipe."""
    run: str = ""
    """A run folder whose adapter is trained further, relative to the recipe; `shipped`: the adapter that Greenloop
    brings; empty: a new adapter."""


class DataSection(Section):
    """What is learnt from."""

    dataset: str = ""
    """A dataset folder, relative to the recipe; empty: only `extra`."""
    version: str = ""
    """The dataset's version, which must match; empty: whatever is there (the run's own recipe records it)."""
    part: Literal["train", "valid", "test"] = "train"
    """The part of the dataset."""
    extra: tuple[str, ...] = ()
    """Files of more conversations, relative to the recipe: JSON lines with `messages`, the last one the assistant's."""
    max_examples: int = Field(default=0, ge=0)
    """Examples at most, the first ones of dataset and files together; 0: all."""
    max_changed_lines: int = Field(default=0, ge=0)
    """Leave out the dataset's edits of more lines; 0: none. Who is to learn small edits learns them faster alone."""
    origins: tuple[Origin, ...] = ()
    """Only examples of the dataset that come from these (`episode`, `earlier`, `synthetic`…); empty: all."""

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.dataset and not self.extra:
            raise ValueError("name a dataset, or extra files")
        return self

    def takes(self, example: Example) -> bool:
        """Whether an example of the dataset is learnt from."""
        small = not self.max_changed_lines or example.changed_lines <= self.max_changed_lines
        return small and (not self.origins or example.origin in self.origins)


class PromptSection(Section):
    """How an example is shown to the model."""

    strategy: Strategy = Strategy.EDIT_BLOCKS
    """`edit-blocks`: the context, the errors and the request; the reply is blocks of old and new lines, which a system
    message of some 150 tokens explains. `bare-blocks`: without the explanation. The book of models keeps it, so that
    the trained model is asked so again."""
    budget_tokens: int = Field(default=0, ge=0)
    """Tokens of context, as `context.budget_tokens`; 0: as the dataset was rendered."""
    window_tokens: int = Field(default=1024, ge=16)
    """Tokens of a packed row, and of the longest example that is taken; longer ones are dropped and counted."""


class LoraSection(Section):
    """The low-rank adapter (Hu et al., 2021). With `method = "full"` it is not read."""

    r: int = Field(default=16, ge=1)
    """Rank."""
    alpha: int = Field(default=32, ge=1)
    """Scale: the adapter's output is multiplied by alpha / r."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of the adapter's inputs that are dropped in training."""
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
    """Names of the linear layers that get an adapter; the language model's head cannot be one."""


class OptimisationSection(Section):
    """AdamW (Loshchilov and Hutter, 2019) and its schedule."""

    method: Literal["lora", "full"] = "lora"
    """`lora` trains an adapter, `full` every weight."""
    learning_rate: float = Field(default=2e-4, gt=0)
    """The highest learning rate."""
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "cosine"
    """How the learning rate falls after the warm-up."""
    warmup_steps: int = Field(default=0, ge=0)
    """Optimiser steps over which the learning rate rises from 0."""
    weight_decay: float = Field(default=0.0, ge=0.0)
    """Decoupled weight decay."""
    max_grad_norm: float = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm."""
    batch: int = Field(default=1, ge=1)
    """Rows of `window_tokens` that are evaluated at once, for each device; in reinforcement learning replies: those of
    one task at once are the cheapest, `group_size`."""
    accumulation: int = Field(default=8, ge=1)
    """Batches that make one optimiser step. Reinforcement learning does not read it: `groups` tasks make one."""
    epochs: float = Field(default=1.0, gt=0)
    """Times that every example is seen; not read when `max_steps` is given."""
    max_steps: int = Field(default=0, ge=0)
    """Optimiser steps; 0: as many as the epochs take."""


class MachineSection(Section):
    """What the run may use. Several GPUs: `accelerate launch -m greenloop train ...`."""

    device: Literal["cpu", "auto"] = "auto"
    """`cpu`, or `auto`: a GPU where there is one."""
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """LoRA: the frozen base's weights (the adapter's are fp32). Full: bf16 computes in bf16 on fp32 weights. `auto` is
    bf16 on a GPU and on a CPU with AVX-512, else fp32: there, PyTorch's bf16 is many times slower."""
    threads: int = Field(default=0, ge=0)
    """Threads of a CPU; 0: PyTorch's own choice."""
    attention: Literal["auto", "segments", "sdpa", "eager", "flash_attention_2"] = "auto"
    """How attention is computed. `segments` takes the examples of a packed row one by one, which on a CPU saves a
    quarter of a step; `auto` is that on a CPU and `sdpa` on a GPU. `flash_attention_2` needs a GPU and its package."""
    gradient_checkpointing: bool = False
    """Compute activations again rather than keep them: less memory, a third slower."""


class CheckpointSection(Section):
    """What a killed run can go on from."""

    every_steps: int = Field(default=50, ge=1)
    """Optimiser steps between two checkpoints."""
    keep: int = Field(default=2, ge=2)
    """Checkpoints that are kept; two at least, so that one is whole while the next is written."""


class SeedSection(Section):
    """Where randomness comes from."""

    seed: int = Field(default=0, ge=0, lt=1 << 32)
    """Of the adapter's first weights and of dropout."""
    data: int = Field(default=0, ge=0, lt=1 << 32)
    """Of the order of the examples."""


class EvaluationSection(Section):
    """What is measured on held-out examples: their loss. `greenloop eval` judges what the model writes."""

    part: Literal["", "train", "valid", "test"] = "valid"
    """The part of the dataset whose loss is measured at the end; empty: none."""
    every_steps: int = Field(default=0, ge=0)
    """Optimiser steps between two measurements on the way; 0: only at the end."""
    max_examples: int = Field(default=200, ge=1)
    """Examples at most, the first ones."""
