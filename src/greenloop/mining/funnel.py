"""Counting what every rule drops, so that nothing disappears unseen."""

from collections.abc import Iterable, Sequence
from typing import Self

from pydantic import Field, model_validator

from greenloop.records import InputError, Part, Record


class Step(Part):
    """One rule's count: ``seen`` things of kind ``unit`` came in, ``dropped`` of them stayed out."""

    name: str
    unit: str
    seen: int = Field(ge=0)
    dropped: int = Field(ge=0)

    @property
    def kept(self) -> int:
        """How many went on to the next step."""
        return self.seen - self.dropped


class Funnel(Record):
    """The steps in order. Within a unit each step sees what the one before it kept; a new unit starts afresh.

    Raises ``RecordError`` when read with counts that do not add up.
    """

    steps: tuple[Step, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        before: Step | None = None
        for step in self.steps:
            if step.dropped > step.seen:
                raise ValueError(f"{step.name}: {step.dropped} dropped of {step.seen}")
            if before is not None and before.unit == step.unit and step.seen != before.kept:
                raise ValueError(f"{step.name}: {step.seen} seen, but {before.kept} {step.unit} were kept before it")
            before = step
        return self

    def kept(self, unit: str) -> int:
        """How many things of kind ``unit`` were left after its last step; 0 for an unknown unit."""
        return next((step.kept for step in reversed(self.steps) if step.unit == unit), 0)

    def seen(self, unit: str) -> int:
        """How many things of kind ``unit`` came to its first step; 0 for an unknown unit."""
        return next((step.seen for step in self.steps if step.unit == unit), 0)

    def dropped(self, name: str) -> int:
        """How many things the step ``name`` dropped; 0 for an unknown step."""
        return sum(step.dropped for step in self.steps if step.name == name)


def united(funnels: Iterable[Funnel]) -> Funnel:
    """Return the sum of funnels of which each has some of the steps, in the order in which they first come."""
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for step in (step for funnel in funnels for step in funnel.steps):
        seen, dropped = counts.get((step.unit, step.name), (0, 0))
        counts[step.unit, step.name] = seen + step.seen, dropped + step.dropped
    # the steps of a unit stand together, for what one leaves the next one sees
    units = dict.fromkeys(unit for unit, _ in counts)
    return Funnel(
        steps=tuple(
            Step(name=name, unit=unit, seen=seen, dropped=dropped)
            for wanted in units
            for (unit, name), (seen, dropped) in counts.items()
            if unit == wanted
        )
    )


def merged(funnels: Sequence[Funnel]) -> Funnel:
    """Return the sum of funnels with the same steps, such as those of several toolchains.

    Raises ``InputError`` when their steps differ: they were counted under other rules.
    """
    if not funnels:
        return Funnel(steps=())
    plans = {tuple((step.unit, step.name) for step in funnel.steps) for funnel in funnels}
    if len(plans) > 1:
        raise InputError("the funnels have different steps", "mine all the histories under the same rules")
    columns = zip(*(funnel.steps for funnel in funnels), strict=True)
    return Funnel(
        steps=tuple(
            Step(
                name=column[0].name,
                unit=column[0].unit,
                seen=sum(step.seen for step in column),
                dropped=sum(step.dropped for step in column),
            )
            for column in columns
        )
    )


class Tally:
    """Collects counts while a stream runs past; ``funnel`` gives them their order.

    ``plan`` is (unit, names of its rules) in order. A thing is seen once, and dropped by at most one rule.
    """

    def __init__(self, plan: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        self._plan = tuple(plan)
        self._seen = {unit: 0 for unit, _ in self._plan}
        self._dropped = {(unit, name): 0 for unit, names in self._plan for name in names}

    def see(self, unit: str, count: int = 1) -> None:
        """Count things of kind ``unit`` that came in."""
        self._seen[unit] += count

    def drop(self, unit: str, name: str) -> None:
        """Count one thing that the rule ``name`` kept out."""
        self._dropped[unit, name] += 1

    def add(self, funnel: Funnel) -> None:
        """Add the counts of a part of the stream that was tallied by itself, under the same names."""
        units: set[str] = set()
        for step in funnel.steps:
            if step.unit not in units:
                units.add(step.unit)
                self._seen[step.unit] += step.seen
            self._dropped[step.unit, step.name] += step.dropped

    def funnel(self) -> Funnel:
        """Return the counts so far."""
        steps: list[Step] = []
        for unit, names in self._plan:
            left = self._seen[unit]
            for name in names:
                step = Step(name=name, unit=unit, seen=left, dropped=self._dropped[unit, name])
                steps.append(step)
                left = step.kept
        return Funnel(steps=tuple(steps))
