"""From events to tasks: what an experiment counts. A task is a conversation of one developer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from greenloop.records.funnel import FunnelEvent, Measure, Retained, Step

HORIZON = "10min"
"""At which it is told whether something was kept."""
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Task:
    """A task of which a suggestion was shown. ``values`` lacks what is not known of it. ``time``: of its exposure."""

    developer: str
    task: str
    time: float
    arms: Mapping[str, str]
    values: Mapping[Measure, float]


@dataclass(slots=True)
class _Open:
    time: float | None = None
    arms: dict[str, str] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    undone: bool = False
    outcomes: list[str] = field(default_factory=list)
    times: dict[Measure, list[float]] = field(default_factory=dict)


def tasks(events: Iterable[FunnelEvent], retained: Iterable[Retained] = ()) -> tuple[Task, ...]:
    """Return the tasks that were exposed, in the order of their first exposure.

    The arm is that of the first exposure: what a task was shown first cannot be unseen.
    """
    kept = {one.acceptance: one.kept >= _HALF * one.of for one in retained if one.horizon == HORIZON}
    found: dict[tuple[str, str], _Open] = {}
    for event in events:
        if event.task:
            _add(found.setdefault((event.developer, event.task), _Open()), event)
    exposed = [
        Task(developer, name, one.time, dict(one.arms), _values(one, kept))
        for (developer, name), one in found.items()
        if one.time is not None
    ]
    return tuple(sorted(exposed, key=lambda task: task.time))


def _add(task: _Open, event: FunnelEvent) -> None:
    if event.step is Step.SHOWN and task.time is None:
        task.time = event.time
        task.arms = dict(event.arms)
    elif event.step is Step.ACCEPTED:
        task.accepted.append(event.acceptance)
    elif event.step is Step.UNDONE:
        task.undone = True
    elif event.step is Step.ENDED:
        task.outcomes.append(event.outcome)
        for measure in (Measure.FIRST_TOKEN, Measure.FIRST_DIFF, Measure.VERIFIED):
            milliseconds = getattr(event, measure.value)
            if milliseconds is not None:
                task.times.setdefault(measure, []).append(milliseconds)


def _values(task: _Open, kept: Mapping[str, bool]) -> dict[Measure, float]:
    values = {
        Measure.ACCEPTED: float(bool(task.accepted)),
        Measure.UNDONE: float(task.undone),
        Measure.FAILED: float("failed" in task.outcomes),
        Measure.CANCELLED: float("cancelled" in task.outcomes),
    }
    # nothing accepted is nothing kept; an acceptance that nobody could follow is not known
    known = [kept[one] for one in task.accepted if one in kept]
    if known or not task.accepted:
        values[Measure.KEPT] = float(any(known))
    return values | {measure: sum(times) / len(times) for measure, times in task.times.items()}
