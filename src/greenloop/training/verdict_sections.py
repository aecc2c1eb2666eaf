"""The tables of recipes whose training asks for verdicts: rejection sampling and reinforcement learning."""

from typing import Literal, Self

from pydantic import Field, model_validator

from greenloop.training.sections import Section


class VerdictSection(Section):
    """Who judges what the model writes; the assessment is that of `greenloop eval`."""

    ces: str = ""
    """The evaluation service that judges: the path of its Unix socket or a URL (token: `[ces]` of `greenloop.toml`).
    Empty: the toolchain of this machine, in this process."""
    revision: str = ""
    """The green revision above which the service judges, as `NAME@REV`; empty: the nearest that it holds warm."""
    seconds: float = Field(default=600.0, gt=0)
    """How long to wait for one answer of the service."""
    tries: int = Field(default=6, ge=1)
    """How often a question is put to the service before the run stops."""
    same: bool = True
    """Run programs of one file, to tell whether they print what the person's own fix prints (*same*)."""
    max_changed_lines: int = Field(default=10, ge=1)
    """A fix that changes more lines is none; tasks whose own edit does are left out."""
    at_once: int = Field(default=1, ge=1)
    """Tasks whose replies are judged at a time while the model generates; reinforcement learning alone reads it."""


class SamplingSection(Section):
    """What is sampled, and how much of it is learnt."""

    model: str = ""
    """The model that is sampled, as `greenloop eval run --model` takes it; empty: that of `run`."""
    run: str = ""
    """A finished run whose model is sampled by the local runtime, relative to the recipe."""
    n: int = Field(default=8, ge=1)
    """Sampled replies a task, beside the greedy one."""
    temperature: float = Field(default=0.8, gt=0)
    """Temperature of the sampled replies."""
    max_tokens: int = Field(default=256, ge=1)
    """Tokens of a reply, at most."""
    seed: int = Field(default=0, ge=0, lt=1 << 31)
    """Seed of the first sampled reply of each task."""
    max_tasks: int = Field(default=0, ge=0)
    """Tasks at most, those whose ids have the lowest SHA-256; 0: all of the part."""
    per_task: int = Field(default=2, ge=1)
    """Different fixes at most that are learnt of a task that some samples solve and some do not."""
    per_solved_task: int = Field(default=1, ge=0)
    """The same of a task that every sample solves: there is little to learn."""

    @model_validator(mode="after")
    def _one_model(self) -> Self:
        if bool(self.model) == bool(self.run):
            raise ValueError("name either the model that is sampled (`model`), or a run that made it (`run`)")
        return self


class GenerationSection(Section):
    """How replies are drawn in reinforcement learning."""

    engine: Literal["transformers", "llama", "vllm"] = "transformers"
    """`transformers`: in this process. `llama`: by the local runtime, faster on a CPU, with the adapter converted
    before each batch; what differs between the two is weighed out (`ratio_cap`). `vllm`: by TRL, on a GPU."""
    groups: int = Field(default=4, ge=1)
    """Tasks of one optimiser step."""
    group_size: int = Field(default=8, ge=2)
    """Replies to each task, whose rewards are compared."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature; nothing else cuts the distribution, so that it is the one that is trained."""
    max_tokens: int = Field(default=160, ge=1)
    """Tokens of a reply, at most; a longer one is cut off."""
    max_tasks: int = Field(default=0, ge=0)
    """Tasks at most, those whose ids have the lowest SHA-256; 0: all of the part."""
    ratio_cap: float = Field(default=2.0, ge=1)
    """Where another engine drew a reply: the highest weight of a token by (trained / drawn) probability (truncated
    importance sampling)."""
    vllm_mode: Literal["colocate", "server"] = "colocate"
    """`vllm`: in the trainer's process, or a `trl vllm-serve` of its own."""
    vllm_server: str = ""
    """`vllm` as a server: its base URL."""


class RewardSection(Section):
    """What a judged reply is worth: a clean fix 1; partial credit, which fades as a group succeeds; all else 0."""

    not_same: float = Field(default=0.4, ge=0, le=1)
    """A clean fix whose program prints something else than the person's own fix (whole-file tasks)."""
    same: bool = True
    """Whether *same* counts. If not, it is measured alone: a hidden measure beside the visible one."""
    types: float = Field(default=0.15, ge=0, lt=1)
    """No fix, but the tree type-checks; nothing for what deserves mistrust."""
    parses: float = Field(default=0.05, ge=0, lt=1)
    """No fix, but the tree parses."""
    fade_from: float = Field(default=0.2, gt=0, le=1)
    """Share of clean fixes in a group up to which partial credit is whole; at twice that share there is none."""
    max_faults: int = Field(default=3, ge=1)
    """Batches in a row of which nobody could judge any reply, after which the run stops; it can be resumed."""


class PolicySection(Section):
    """The policy gradient (GRPO: Shao et al., 2024, with the loss of DAPO: Yu et al., 2025)."""

    clip_low: float = Field(default=0.2, gt=0, lt=1)
    """How far a token's probability may fall before it has no gradient: 1 - this."""
    clip_high: float = Field(default=0.28, gt=0)
    """How far it may rise: 1 + this."""
