"""The words of Agnostics, held to the table of docs/ces-peers.md."""

from pathlib import Path

import pytest

from greenloop.ces.adapters.agnostics import result
from greenloop.records import Evaluation, Stage, StageResult, Status, Suite

PAGE = (Path(__file__).parents[3] / "docs" / "ces-peers.md").read_text(encoding="utf-8")
NO_WORD = "\N{EN DASH}"
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]


def ended(status: Status, at: Stage | None = None, reason: str = "") -> Evaluation:
    order = Suite.TEST.stages
    stages = order if at is None else order[: order.index(at) + 1]
    ends = tuple(
        StageResult(stage=stage, status=Status.RED if stage is at else Status.GREEN, seconds=0.1) for stage in stages
    )
    return Evaluation(id="1", status=status, reason=reason, stages=ends)


@pytest.mark.parametrize(("evaluation", "row"), [
    (ended(Status.GREEN), "`green`"),
    (ended(Status.RED, Stage.TESTS), "`red` at `tests`"),
    *((ended(Status.RED, reason=word), f"`{word}`") for word in ("hidden-tests", "flaky")),
    *((ended(Status.RED, stage), "`red` at `parse`") for stage in (Stage.PARSE, Stage.TYPES, Stage.BUILD)),
    *((ended(Status.RED, reason=word), f"`{word}`") for word in ("hack", "protected")),
    *((ended(Status.RED, reason=word), f"`{word}`") for word in ("tests-missing", "tests-rewritten")),
    (ended(Status.TIMEOUT, Stage.TESTS), "`timeout`"),
    (ended(Status.REJECTED, reason="no-match"), "`rejected`"),
    (ended(Status.INFRA_ERROR), "`infra_error`"),
])  # fmt: skip
def test_the_word_is_the_tables(evaluation: Evaluation, row: str) -> None:
    (words,) = {cells[1] for cells in ROWS if row in cells[0]}
    assert words == (NO_WORD if (word := result(evaluation)) is None else f"`{word}`")
