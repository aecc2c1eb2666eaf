"""From events to what an experiment says."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from greenloop.evals.experiments.ratio import STOP, sample_ratio
from greenloop.evals.experiments.sequence import ALPHA, LEAST_DEVELOPERS, LEAST_TASKS, Effect, Sample, effect
from greenloop.evals.experiments.tasks import Task
from greenloop.records import InputError, Part
from greenloop.records.funnel import Measure


class Design(Part):
    """What was agreed on before: arms with their weights, the control among them, and what is measured."""

    name: str
    weights: dict[str, float]
    control: str
    primary: Measure
    guardrails: tuple[Measure, ...] = ()


class Difference(Part):
    """One arm against the control, in one measure. Without figures there is too little to tell anything yet."""

    arm: str
    measure: Measure
    tasks: int
    developers: int = 0
    control_mean: float | None = None
    mean: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: Literal["better", "worse", "no difference told", "too early"]


class ExperimentReport(Part):
    """What an experiment says. Where the sample ratio is wrong, ``differences`` is empty and ``stopped`` says why."""

    name: str
    exposed: dict[str, int]
    """Arm → tasks of which a suggestion was shown."""
    sample_ratio_p: float
    stopped: str = ""
    confidence: float
    differences: tuple[Difference, ...] = ()
    guardrails: tuple[Difference, ...] = ()
    breached: tuple[Measure, ...] = Field(default=())
    """Guardrails that are worse in some arm."""


def report(design: Design, tasks: Iterable[Task]) -> ExperimentReport:
    """Report an experiment. The error probability is divided by the arms that are compared with the control.

    Raises ``InputError`` when a task has an arm that the design does not know.
    """
    exposed = [task for task in tasks if design.name in task.arms]
    counts = dict.fromkeys(design.weights, 0)
    for task in exposed:
        arm = task.arms[design.name]
        if arm not in counts:
            raise InputError(
                f"experiments.{design.name}: tasks were shown an arm {arm!r} that is not there any more",
                "give an experiment whose arms change another name",
            )
        counts[arm] += 1
    p = sample_ratio(counts, design.weights)
    others = [arm for arm in design.weights if arm != design.control]
    alpha = ALPHA / len(others)
    start = ExperimentReport(name=design.name, exposed=counts, sample_ratio_p=p, confidence=1 - alpha)
    if p < STOP:
        why = "the arms did not get their shares: one of them shows less often, or tasks are lost. No effect counts"
        return start.model_copy(update={"stopped": why})
    by_arm = {arm: [task for task in exposed if task.arms[design.name] == arm] for arm in design.weights}
    control = by_arm[design.control]
    found = {
        measure: tuple(_difference(arm, measure, by_arm[arm], control, alpha) for arm in others)
        for measure in (design.primary, *design.guardrails)
    }
    guardrails = tuple(one for measure in design.guardrails for one in found[measure])
    breached = tuple(dict.fromkeys(one.measure for one in guardrails if one.verdict == "worse"))
    return start.model_copy(
        update={"differences": found[design.primary], "guardrails": guardrails, "breached": breached}
    )


def _difference(
    arm: str, measure: Measure, treated: Sequence[Task], control: Sequence[Task], alpha: float
) -> Difference:
    # in the order in which tasks came: the sequence is one over time
    rows = sorted(
        (task.time, task.developer, float(chosen), value)
        for chosen, group in ((True, treated), (False, control))
        for task in group
        if (value := task.values.get(measure)) is not None
    )
    numbers: Mapping[str, int] = {name: number for number, name in enumerate(sorted({row[1] for row in rows}))}
    sample = Sample(
        np.array([numbers[row[1]] for row in rows], dtype=np.int64),
        np.array([row[2] for row in rows], dtype=np.float64),
        np.array([row[3] for row in rows], dtype=np.float64),
    )
    found = effect(sample, alpha=alpha) if rows else None
    if found is None:
        return Difference(arm=arm, measure=measure, tasks=len(rows), verdict="too early")
    return Difference(
        arm=arm,
        measure=measure,
        tasks=found.tasks,
        developers=found.developers,
        control_mean=float(sample.value[sample.treated == 0].mean()),
        mean=float(sample.value[sample.treated == 1].mean()),
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        verdict=_verdict(found, measure),
    )


def _verdict(found: Effect, measure: Measure) -> Literal["better", "worse", "no difference told"]:
    if not found.differs:
        return "no difference told"
    return "better" if (found.estimate > 0) == measure.higher else "worse"


NEEDED = f"{LEAST_TASKS} tasks of each arm, by {LEAST_DEVELOPERS} developers who had both"
"""What is needed before anything is told, in words."""
