"""A recipe: one TOML file that says everything about a training run."""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError

from greenloop.models import shipped
from greenloop.records import InputError
from greenloop.storage import named_io_errors
from greenloop.training.sections import (
    BaseSection,
    CheckpointSection,
    DataSection,
    EvaluationSection,
    LoraSection,
    MachineSection,
    OptimisationSection,
    PromptSection,
    Section,
    SeedSection,
)
from greenloop.training.verdict_sections import (
    GenerationSection,
    PolicySection,
    RewardSection,
    SamplingSection,
    VerdictSection,
)

NAMED_BASES = (shipped.BASE, "random")
"""Names of base models that are no paths."""
SHIPPED = "shipped"
"""Names the run of the adapter that Greenloop brings."""


class Recipe(Section):
    """What every kind of training has. ``docs/training.md`` is checked against these classes."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """The recipe's name; runs are called after it."""
    base: BaseSection
    data: DataSection
    prompt: PromptSection = PromptSection()
    lora: LoraSection = LoraSection()
    optimisation: OptimisationSection = OptimisationSection()
    machine: MachineSection = MachineSection()
    checkpoints: CheckpointSection = CheckpointSection()
    seeds: SeedSection = SeedSection()
    evaluation: EvaluationSection = EvaluationSection()

    def to_toml(self) -> str:
        """Return the recipe with every default written out; equal recipes give equal bytes."""
        body = self.model_dump(mode="json")
        plain = [f"{key} = {_value(value)}" for key, value in body.items() if not isinstance(value, dict)]
        for name, table in body.items():
            if isinstance(table, dict):
                plain += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
        return "\n".join(plain) + "\n"

    @property
    def sha256(self) -> str:
        """The SHA-256 of the recipe with every default written out."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()

    def located(self, folder: Path) -> Self:
        """Return the recipe with its paths made absolute: they are relative to ``folder``, the recipe's own."""
        model = self.base.model if self.base.model in NAMED_BASES else _at(folder, self.base.model)
        base = {"model": model, "run": self.base.run if self.base.run == SHIPPED else _at(folder, self.base.run)}
        extra = tuple(_at(folder, path) for path in self.data.extra)
        data = {"dataset": _at(folder, self.data.dataset), "extra": extra}
        return self.model_copy(
            update={"base": self.base.model_copy(update=base), "data": self.data.model_copy(update=data)}
        )


class SftRecipe(Recipe):
    """Supervised fine-tuning on edits that people made."""

    kind: Literal["sft"] = "sft"
    """What the recipe is for."""


class RejectionRecipe(Recipe):
    """Rejection sampling: a model's own fixes, as far as verdicts bear them out, are learnt beside people's edits."""

    kind: Literal["rejection"]
    """What the recipe is for."""
    sampling: SamplingSection
    verdicts: VerdictSection = VerdictSection()

    def located(self, folder: Path) -> Self:
        """See ``Recipe.located``."""
        run = _at(folder, self.sampling.run)
        found = self.model_copy(update={"sampling": self.sampling.model_copy(update={"run": run})})
        return super(RejectionRecipe, found).located(folder)


class RlRecipe(Recipe):
    """Reinforcement learning: a model's replies to training tasks, rewarded by verdicts."""

    kind: Literal["rl"]
    """What the recipe is for."""
    generation: GenerationSection = GenerationSection()
    reward: RewardSection = RewardSection()
    policy: PolicySection = PolicySection()
    verdicts: VerdictSection = VerdictSection()


Kind = TypeVar("Kind", bound=Recipe)


def read_recipe(path: Path, kind: type[Kind]) -> Kind:
    """Read the recipe in ``path``; its paths come back absolute.

    Raises ``InputError`` that names the file, and the key that is unknown, missing or out of range.
    """
    with named_io_errors(path):
        content = path.read_bytes()
    try:
        body = tomllib.loads(content.decode())
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML: {error}", "docs/training.md has an example") from error
    try:
        return kind.model_validate(body).located(path.parent.absolute())
    except ValidationError as error:
        raise InputError(f"{path}: {_told(error)}", "docs/training.md lists every key") from error


def _at(folder: Path, path: str) -> str:
    return str((folder / path).resolve()) if path else ""


def _told(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(step) for step in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {where}"
    if first["type"] == "missing":
        return f"the key {where} is missing"
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _value(value: Any) -> str:
    # JSON's strings, numbers, booleans and lists are TOML's as well
    return json.dumps(value, ensure_ascii=True)
