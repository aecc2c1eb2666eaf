"""Arms are sticky, fair, and independent of each other."""

from collections import Counter

import pytest
from pydantic import ValidationError

from greenloop.aid.experiments.assign import Experiments, arm_of
from greenloop.aid.experiments.settings import ExperimentSettings
from greenloop.records import InputError


def experiment(**arms: dict[str, object]) -> ExperimentSettings:
    return ExperimentSettings.model_validate({"arms": {"control": {}, **arms}})


def test_an_arm_is_for_good() -> None:
    # a later Greenloop that gave other arms would mix up every experiment that runs
    weights = {"control": 1.0, "other": 1.0}
    given = [arm_of("hints", weights, "ann", f"c{number}") for number in range(8)]
    assert given == ["other", "other", "control", "control", "control", "control", "other", "control"]


def test_arms_get_their_shares_within_each_developer() -> None:
    weights = {"control": 1.0, "other": 3.0}
    for developer in ("ann", "bob"):
        given = Counter(arm_of("hints", weights, developer, f"c{number}") for number in range(4000))
        assert given["other"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_two_experiments_are_independent() -> None:
    weights = {"control": 1.0, "other": 1.0}
    pairs = Counter(
        (arm_of("one", weights, "ann", f"c{number}"), arm_of("two", weights, "ann", f"c{number}"))
        for number in range(4000)
    )
    assert all(count == pytest.approx(1000, abs=120) for count in pairs.values())


def test_names_that_run_together_are_not_one() -> None:
    weights = {str(arm): 1.0 for arm in range(1000)}
    assert arm_of("e", weights, "ab", "c") != arm_of("e", weights, "a", "bc")


def test_a_choice_holds_what_the_arm_sets_and_names_the_arm() -> None:
    both = Experiments({"hints": experiment(long={"context": "long"}), "models": experiment(big={"model": "own:big"})})
    seen = {
        (found.context, found.model, *found.arms.values())
        for task in range(50)
        if (found := both.choose("ann", str(task)))
    }
    assert seen == {
        ("", "", "control", "control"),
        ("long", "", "long", "control"),
        ("", "own:big", "control", "big"),
        ("long", "own:big", "long", "big"),
    }


def test_two_experiments_cannot_vary_the_same_thing() -> None:
    one, two = experiment(a={"model": "x"}), experiment(b={"model": "y"})
    with pytest.raises(InputError, match="both vary the model"):
        Experiments({"one": one, "two": two})
    off = two.model_copy(update={"enabled": False})
    assert Experiments({"one": one, "two": off}).choose("ann", "c1").arms.keys() == {"one"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"arms": {"control": {}}}, "two arms"),
        ({"arms": {"a": {}, "b": {}}}, "no arm 'control'"),
        ({"arms": {"control": {}, "b": {"weight": 0}}}, "greater than 0"),
        ({"arms": {"control": {}, "b": {}}, "primary": "undone"}, "cannot be a guardrail"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ExperimentSettings.model_validate(settings)
