"""The default reward, and None where nothing is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.ces.policy import binary, reward
from greenloop.records import HACKS, Evaluation, Rung, Stage, StageResult, Status


def evaluation(
    status: Status,
    reached: int = 4,
    *,
    flags: tuple[str, ...] = (),
    reason: str = "",
    rung: Rung | None = Rung.EXACT,
) -> Evaluation:
    """An evaluation that passed all its stages but the last, which ended as the whole."""
    stages = list(Stage)[:reached]
    ends = [Status.GREEN] * (reached - 1) + [Status.GREEN if reason == "hack" else status] * bool(reached)
    return Evaluation(
        id="0" * 64,
        status=status,
        reason=reason,
        stages=tuple(StageResult(stage=stage, status=end, seconds=0) for stage, end in zip(stages, ends, strict=True)),
        flags=flags,
        rung=rung,
    )


G, R = Status.GREEN, Status.RED


@pytest.mark.parametrize(
    ("given_one", "worth"),
    [
        (evaluation(G), 1.0),
        (evaluation(R, 4), 0.15),
        (evaluation(R, 3), 0.15),
        (evaluation(R, 2), 0.05),
        (evaluation(R, 1), 0.0),
        (evaluation(Status.TIMEOUT, 4), 0.15),
        (evaluation(Status.REJECTED, 0, rung=None, reason="no-match"), 0.0),
        # a test that says what a broken dune says
        (evaluation(Status.REJECTED, 4, reason="tool-failed"), 0.0),
        (evaluation(Status.REJECTED, 2, reason="tool-failed"), 0.0),
        (evaluation(Status.INFRA_ERROR, 0, rung=None), None),
        # matched, but not literally
        (evaluation(G, rung=Rung.BLANKS), 0.0),
        (evaluation(R, 4, rung=Rung.TOKENS), 0.0),
        # what it takes to type-check without doing the work
        (evaluation(R, 4, flags=("stub",), reason="hack"), 0.0),
        (evaluation(R, 4, flags=("stub",)), 0.0),
        (evaluation(R, 4, flags=("deletion",)), 0.0),
        (evaluation(R, 4, flags=("unchanged",)), 0.0),
        (evaluation(G, flags=("unchanged",)), 0.0),
        (evaluation(R, 4, flags=("tests-missing",), reason="tests-missing"), 0.0),
        (evaluation(R, 4, flags=("tamper", "unchanged"), reason="protected"), 0.0),
        # the task does not refuse it, and the tests pass
        (evaluation(G, flags=("deletion",)), 1.0),
        (evaluation(G, flags=("stub",)), 1.0),
        # put back, so that it did no harm
        (evaluation(R, 4, flags=("tamper",)), 0.15),
    ],
)
def test_what_an_evaluation_is_worth(given_one: Evaluation, worth: float | None) -> None:
    assert reward(given_one) == worth
    assert binary(given_one) == (None if worth is None else float(worth == 1.0))


@given(
    status=st.sampled_from(Status),
    reached=st.integers(0, 4),
    flags=st.lists(st.sampled_from([*HACKS, "tamper", "flaky", "unchanged"]), unique=True),
    rung=st.one_of(st.none(), st.sampled_from(Rung)),
)
def test_nothing_red_is_worth_more_than_partial_credit(
    status: Status, reached: int, flags: list[str], rung: Rung | None
) -> None:
    worth = reward(evaluation(status, reached, flags=tuple(flags), rung=rung))
    assert (worth is None) == (status is Status.INFRA_ERROR)
    if worth is not None:
        assert worth in {0.0, 0.05, 0.15, 1.0}
        assert (worth == 1.0) <= (status is Status.GREEN and rung is Rung.EXACT)
        # partial credit can be faded away without touching the rest
        faded = reward(evaluation(status, reached, flags=tuple(flags), rung=rung), types=0.0, parses=0.0)
        assert faded == (1.0 if worth == 1.0 else 0.0)
