"""From events to what an experiment says."""

import random

import pytest

from greenloop.evals.experiments.report import Design, ExperimentReport, report
from greenloop.evals.experiments.tasks import tasks
from greenloop.records import InputError
from greenloop.records.funnel import FunnelEvent, Measure, Retained, Step

DESIGN = Design(
    name="hints",
    weights={"control": 1, "long": 1},
    control="control",
    primary=Measure.ACCEPTED,
    guardrails=(Measure.FIRST_DIFF,),
)


def turn(number: int, arm: str, *, accepted: bool, diff_ms: float = 100.0, shown: bool = True) -> list[FunnelEvent]:
    ids = {"turn": f"t{number}", "task": f"c{number}", "developer": f"d{number % 10}", "suggestion": f"s{number}"}
    steps = [Step.REQUESTED, *([Step.SHOWN] if shown else []), *([Step.ACCEPTED] if accepted else []), Step.ENDED]
    return [
        FunnelEvent(
            time=1000.0 + number,
            step=step,
            **ids,
            arms={"hints": arm},
            acceptance=f"a{number}" if step is Step.ACCEPTED else "",
            outcome="done" if step is Step.ENDED else "",
            first_diff_ms=diff_ms if step is Step.ENDED else None,
        )
        for step in steps
    ]


def reported(
    chance: dict[str, float], *, slower: float = 0.0, count: int = 1500, loses: float = 0.0
) -> ExperimentReport:
    draw = random.Random(1)
    events: list[FunnelEvent] = []
    for number in range(count):
        arm = draw.choice(["control", "long"])
        shown = arm == "control" or draw.random() >= loses
        accepted = shown and draw.random() < chance[arm]
        diff = draw.gauss(1000, 200) + (slower if arm == "long" else 0)
        events += turn(number, arm, accepted=accepted, diff_ms=diff, shown=shown)
    return report(DESIGN, tasks(events))


def test_a_better_arm_is_told() -> None:
    found = reported({"control": 0.2, "long": 0.4})
    (primary,) = found.differences
    assert primary.verdict == "better"
    assert primary.low is not None
    assert primary.high is not None
    assert 0 < primary.low < 0.2 < primary.high
    assert (primary.tasks, primary.developers) == (1500, 10)
    assert found.breached == ()
    assert not found.stopped


def test_where_nothing_differs_nothing_is_told() -> None:
    assert reported({"control": 0.3, "long": 0.3}).differences[0].verdict == "no difference told"


def test_a_guardrail_that_is_worse_is_told() -> None:
    found = reported({"control": 0.2, "long": 0.4}, slower=200)
    assert found.breached == (Measure.FIRST_DIFF,)
    assert found.guardrails[0].verdict == "worse"


def test_a_wrong_sample_ratio_stops_everything() -> None:
    found = reported({"control": 0.2, "long": 0.4}, loses=0.3)
    assert found.sample_ratio_p < 0.001
    assert found.stopped
    assert found.differences == found.guardrails == ()


def test_with_few_tasks_it_is_too_early() -> None:
    assert reported({"control": 0.0, "long": 1.0}, count=60).differences[0].verdict == "too early"


def test_an_arm_that_is_unknown_is_an_error() -> None:
    with pytest.raises(InputError, match="'other'"):
        report(DESIGN, tasks(turn(1, "other", accepted=True)))


def test_a_task_that_was_shown_nothing_does_not_count() -> None:
    assert tasks(turn(1, "long", accepted=False, shown=False)) == ()


def test_the_turns_of_one_conversation_are_one_task() -> None:
    first, second = turn(1, "long", accepted=False), turn(2, "long", accepted=True)
    joined = [event.model_copy(update={"task": "c", "developer": "d"}) for event in (*first, *second)]
    (task,) = tasks(joined)
    assert task.values[Measure.ACCEPTED] == 1.0
    assert task.time == 1001.0


def test_what_is_kept_is_known_or_left_out() -> None:
    accepted = turn(1, "long", accepted=True)
    assert Measure.KEPT not in tasks(accepted)[0].values
    half = Retained(acceptance="a1", horizon="10min", kept=1, of=2)
    assert tasks(accepted, [half])[0].values[Measure.KEPT] == 1.0
    gone = Retained(acceptance="a1", horizon="10min", kept=0, of=2)
    assert tasks(accepted, [gone])[0].values[Measure.KEPT] == 0.0
    assert tasks(turn(1, "long", accepted=False))[0].values[Measure.KEPT] == 0.0
