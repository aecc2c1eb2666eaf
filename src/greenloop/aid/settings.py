"""The settings of the sidecar and of its turns: two tables of ``greenloop.toml``."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Commands(StrEnum):
    """Whether `greenloop ask` and `greenloop fix` go through the sidecar."""

    RUNNING = "running"
    ALWAYS = "always"
    NEVER = "never"


class AidSettings(BaseModel):
    """The sidecar itself. It serves many repositories, so these are read from the file that `--config` names, else from
    `greenloop.toml` in Greenloop's home."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    idle_minutes: float = Field(default=30.0, ge=0, le=525_600)
    """Minutes without a client after which the sidecar ends; 0: it stays."""
    message_mib: int = Field(default=64, ge=1, le=1024)
    """MiB of the largest message that it takes: all unsaved buffers of a request."""
    checks: int = Field(default=2, ge=1, le=64)
    """How many trees are judged at a time, of all workspaces together."""
    commands: Commands = Commands.RUNNING
    """When `greenloop ask` and `greenloop fix` go through the sidecar: while one runs, always (it is started then), or
    never. `--sidecar` and `--no-sidecar` overrule it."""
    openai_endpoint: bool = False
    """Whether programs that speak OpenAI's chat completions may ask, at a port of 127.0.0.1 and with a token
    (`greenloop aid endpoint`)."""


class TurnSettings(BaseModel):
    """Turns of the sidecar: what becomes of a request from an editor."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    repair_rounds: int = Field(default=2, ge=0, le=10)
    """How often a red suggestion goes back to the model with the compiler's message."""
    repair_seconds: float = Field(default=20.0, ge=0, le=86_400.0)
    """Seconds after which no such round is begun."""
    max_changed_lines: int = Field(default=200, ge=1)
    """A fix that changes more lines than this does not count as one; a person looks at it before it is written."""
    tests: bool = False
    """Whether the best suggestion is judged by the tests too, after it was shown to type-check."""
    checkers: int = Field(default=2, ge=0, le=16)
    """Persistent type checkers of a workspace (dune 3 and later), half a GiB of memory each."""
    tool_rounds: int = Field(default=8, ge=0, le=32)
    """Rounds of calls of `[tools.NAME]` that a model may ask for before it answers; 0: it is offered none."""
