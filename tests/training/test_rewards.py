"""What a judged reply is worth: clean fixes, partial credit that fades, nothing for what is cheap or unknown."""

import pytest
from tests.training.judged import CLEAN, INEXACT, PARSES, STUB, TYPES, UNCHANGED, UNJUDGED, UNREADABLE, judged

from greenloop.records import Stage
from greenloop.training.rewards import advantages, rewards
from greenloop.training.verdict_sections import RewardSection
from greenloop.training.watch import shrinks, watch

HOW = RewardSection()


def test_what_each_end_is_worth() -> None:
    group = (CLEAN, STUB, TYPES, PARSES, UNCHANGED, UNREADABLE, INEXACT, UNJUDGED, None)
    # one of seven known replies is a clean fix: below a fifth, so partial credit is whole
    assert rewards(group, HOW) == (1.0, 0.0, 0.15, 0.05, 0.0, 0.0, 0.0, None, None)


def test_a_program_that_prints_something_else_is_worth_less() -> None:
    alike, other = judged(fixed=True, same=True), judged(fixed=True, same=False)
    assert rewards((alike, other), HOW) == (1.0, HOW.not_same)
    blind = HOW.model_copy(update={"same": False})
    assert rewards((alike, other), blind) == (1.0, 1.0)


@pytest.mark.parametrize(("clean", "credit"), [(0, 0.15), (2, 0.15), (3, 0.075), (4, 0.0), (9, 0.0)])
def test_partial_credit_fades_as_the_group_succeeds(clean: int, credit: float) -> None:
    group = [CLEAN] * clean + [TYPES] * (10 - clean)
    assert rewards(group, HOW)[-1] == pytest.approx(credit)


def test_what_nobody_judged_moves_neither_share_nor_baseline() -> None:
    with_faults = rewards((CLEAN, TYPES, TYPES, TYPES, TYPES, None, None, UNJUDGED), HOW)
    without = rewards((CLEAN, TYPES, TYPES, TYPES, TYPES), HOW)
    assert with_faults[:5] == without
    assert with_faults[5:] == (None, None, None)
    compared = advantages(with_faults)
    assert compared is not None
    assert compared[:5] == advantages(without)
    assert compared[5:] == (None, None, None)


def test_a_group_without_variance_teaches_nothing() -> None:
    assert advantages((1.0, 1.0, None)) is None
    assert advantages((0.0, 0.0)) is None
    assert advantages((1.0, None)) is None
    assert advantages((None, None)) is None


def test_advantages_are_told_in_deviations_from_the_mean() -> None:
    compared = advantages((1.0, 0.0, 0.0, 0.0))
    assert compared is not None
    assert compared[0] == pytest.approx(1.5, abs=1e-3)
    assert sum(one or 0.0 for one in compared) == pytest.approx(0.0)


def test_the_watch_counts_known_replies_alone() -> None:
    other = judged(fixed=True, same=False)
    group = (CLEAN, other, STUB, UNCHANGED, UNJUDGED, None)
    found = watch([group, (UNREADABLE,)], [rewards(group, HOW), rewards((UNREADABLE,), HOW)], dropped=1)
    assert found["fixed"] == 2 / 5
    assert found["fixed_whole"] == 1.0
    assert found["same"] == 0.0
    assert found["stubs"] == 1 / 5
    assert found["unchanged"] == 1 / 5
    assert found["unjudged"] == pytest.approx(2 / 7)
    assert found["dropped"] == 0.5
    assert found["reward"] == pytest.approx((1.0 + HOW.not_same) / 5)


def test_of_nothing_known_only_that_is_told() -> None:
    assert watch([(None, None)], [(None, None)], dropped=1) == {"dropped": 1.0, "unjudged": 1.0}


def test_an_edit_that_takes_code_away_is_seen() -> None:
    assert shrinks(judged(search="let a = f (x + 1)\n", replace="let a = x\n").attempt)
    assert not shrinks(judged(search="let a = x\n", replace="let a = f (x + 1)\n").attempt)
    assert not shrinks(judged(search="let a = x (* long, long comment *)\n", replace="let a = x\n").attempt)


def test_stages_count_only_where_an_edit_matched_literally() -> None:
    assert TYPES.passed(Stage.TYPES)
    assert not INEXACT.passed(Stage.TYPES)
    assert not UNCHANGED.passed(Stage.PARSE)
