"""Counts add up, or they are refused."""

import pytest
from pydantic import ValidationError

from greenloop.mining.funnel import Funnel, Step, Tally, merged
from greenloop.records import InputError, RecordError

PLAN = (("events", ("equal", "small")), ("runs", ("short",)))


def tallied(seen: int) -> Funnel:
    tally = Tally(PLAN)
    tally.see("events", seen)
    tally.drop("events", "small")
    tally.see("runs", 2)
    tally.drop("runs", "short")
    return tally.funnel()


def test_steps_follow_each_other() -> None:
    funnel = tallied(5)
    assert [(step.name, step.seen, step.kept) for step in funnel.steps] == [
        ("equal", 5, 5),
        ("small", 5, 4),
        ("short", 2, 1),
    ]
    assert (funnel.kept("events"), funnel.kept("runs"), funnel.kept("nothing")) == (4, 1, 0)
    assert (funnel.dropped("small"), funnel.dropped("nothing")) == (1, 0)


def test_counts_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(ValidationError, match="were kept"):
        Funnel(steps=(Step(name="a", unit="u", seen=5, dropped=1), Step(name="b", unit="u", seen=5, dropped=0)))
    with pytest.raises(ValidationError, match="dropped of"):
        Funnel(steps=(Step(name="a", unit="u", seen=1, dropped=2),))
    text = tallied(5).to_json().replace('"seen":5', '"seen":6', 1)
    with pytest.raises(RecordError):
        Funnel.from_json(text)


def test_funnels_of_one_plan_are_summed() -> None:
    both = merged([tallied(5), tallied(3)])
    assert [step.seen for step in both.steps] == [8, 8, 4]
    assert merged([]) == Funnel(steps=())
    with pytest.raises(InputError):
        merged([tallied(1), Funnel(steps=())])
