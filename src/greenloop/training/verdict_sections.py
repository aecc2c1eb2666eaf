"""The tables of recipes whose training asks for verdicts: rejection sampling and reinforcement learning."""

from typing import Self

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
