"""The funnel's figures, and how long people wait."""

import pytest

from greenloop.evals.funnel import figures
from greenloop.evals.latency import wait
from greenloop.records.funnel import FunnelEvent, Retained, Step


def event(step: Step, turn: str = "t1", **fields: object) -> FunnelEvent:
    return FunnelEvent.model_validate({"time": 1.0, "step": step, "turn": turn, **fields})


def test_every_step_is_counted() -> None:
    found = figures(
        [
            event(Step.REQUESTED),
            event(Step.PARSED),
            event(Step.PARSED),
            event(Step.APPLIED, rung=0),
            event(Step.VERIFIED, badge="type-checks"),
            event(Step.SHOWN, suggestion="s1", hunks=3),
            event(Step.SHOWN, suggestion="s1", hunks=3),
            event(Step.SHOWN, suggestion="s2", hunks=1),
            event(Step.ACCEPTED, suggestion="s1", acceptance="a1", hunks=1),
            event(Step.ACCEPTED, suggestion="s1", acceptance="a2", hunks=1),
            event(Step.REFUSED, suggestion="s1", hunks=1),
            event(Step.UNDONE, suggestion="s1", acceptance="a2"),
            event(Step.ENDED, outcome="done", total_ms=10.0),
        ],
        [
            Retained(acceptance="a1", horizon="10min", kept=2, of=2),
            Retained(acceptance="a2", horizon="10min", kept=1, of=3),
            # of before the moment from which is counted
            Retained(acceptance="earlier", horizon="10min", kept=9, of=9),
        ],
    )
    assert found.turns == 1
    assert found.candidates == {"proposed": 0, "parsed": 2, "applied": 1, "verified": 1}
    assert (found.rungs, found.badges) == ({"0": 1}, {"type-checks": 1})
    assert found.suggestions == {"shown": 2, "accepted": 1, "refused": 1, "undone": 1}
    assert found.hunks == {"shown": 4, "accepted": 2, "refused": 1}
    kept = found.kept["10min"]
    assert (kept.acceptances, kept.lines, kept.of, kept.whole) == (2, 3, 5, 1)
    assert found.outcomes == {"done": 1}


def test_waits_without_cancelled_turns_are_plain_quantiles() -> None:
    found = wait([(float(number), True) for number in range(1, 101)])
    assert (found.p50, found.p95, found.p99) == (50.0, 95.0, 99.0)


def test_who_left_is_counted_as_having_waited_longer() -> None:
    # the ten slowest of a hundred are never seen: they were cancelled
    seen = [(float(number), True) for number in range(1, 91)]
    found = wait([*seen, *[(90.5, False)] * 10])
    assert found.p50 == 50.0
    assert found.p95 is None
    assert (found.turns, found.censored, found.longest) == (100, 10, 90.5)


def test_who_left_early_says_little() -> None:
    """Kaplan and Meier by hand: of 4 at 1 ms, then of 2, since one left at 2: 3/4, then 3/4 · 1/2 are still waiting."""
    found = wait([(1.0, True), (2.0, False), (3.0, True), (4.0, False)])
    assert found.p50 == 3.0
    assert found.p95 is None


def test_nobody_waited() -> None:
    assert wait([]).p50 is None
    assert wait([(5.0, False)]).p50 is None


@pytest.mark.parametrize(("outcome", "turns"), [("cancelled", 1), ("failed", 1), ("done", 0)])
def test_a_turn_that_ended_before_its_first_token_is_censored(outcome: str, turns: int) -> None:
    found = figures([event(Step.ENDED, outcome=outcome, total_ms=500.0)])
    assert found.waits["first_token"].turns == found.waits["first_token"].censored == turns
    assert found.waits["total"].censored == 0
