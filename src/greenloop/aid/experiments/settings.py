"""How a team names its experiments: the tables ``[experiments.NAME]`` of ``greenloop.toml``."""

from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from greenloop.records import Part
from greenloop.records.funnel import Measure

ExperimentName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
VARIED: tuple[Literal["model", "strategy", "context"], ...] = ("model", "strategy", "context")


class ArmSettings(Part):
    """What is different in an arm; what is left empty is as the other settings say."""

    weight: float = Field(default=1.0, gt=0, le=1000, allow_inf_nan=False)
    """Its share of the tasks, against the weights of the others."""
    model: str = ""
    """A model, named as in `[model]`."""
    strategy: str = ""
    """A strategy of asking it."""
    context: str = ""
    """A recipe for the context."""


class ExperimentSettings(Part):
    """An experiment: arms of which each task gets one, by chance, for good."""

    enabled: bool = True
    """Whether tasks are assigned; what was logged stays, and can be reported."""
    control: ExperimentName = "control"
    """The arm with which the others are compared."""
    primary: Measure = Measure.ACCEPTED
    """The one measure that decides: `accepted`, `kept` (half of what was accepted is there after 10 minutes), or
    another of docs/experiments.md."""
    guardrails: tuple[Measure, ...] = (Measure.FIRST_DIFF, Measure.UNDONE)
    """Measures that must not get worse."""
    arms: dict[ExperimentName, ArmSettings]
    """The tables `[experiments.NAME.arms.NAME]`."""

    @model_validator(mode="after")
    def _two_arms(self) -> Self:
        if len(self.arms) < 2:
            raise ValueError("an experiment needs two arms at least")
        if self.control not in self.arms:
            raise ValueError(f"there is no arm {self.control!r}, which `control` names")
        if self.primary in self.guardrails:
            raise ValueError(f"{self.primary.value!r} decides already: it cannot be a guardrail too")
        return self

    def varies(self) -> frozenset[str]:
        """Return which of model, strategy and context some arm sets."""
        return frozenset(name for name in VARIED for arm in self.arms.values() if getattr(arm, name))
