"""Evaluations in the words of Agnostics' executors (arXiv 2508.04865), so that tables can be laid side by side."""

from greenloop.records import Evaluation, Stage, StageResult, Status

SUCCESS = "success"
WRONG_OUTPUT = "fail:wrong-output"
ERROR = "fail:error"
TIMEOUT = "fail:timeout"
OTHER = "fail:other"


def result(evaluation: Evaluation) -> str | None:
    """Return the ``result`` word; ``None`` for a fault of the machine, for which Agnostics has no word.

    ``docs/ces-peers.md`` holds the table.
    """
    match evaluation.status:
        case Status.GREEN:
            return SUCCESS
        case Status.INFRA_ERROR:
            return None
        case Status.TIMEOUT:
            return TIMEOUT
        case Status.REJECTED:
            return OTHER
    if evaluation.reason in {"hidden-tests", "flaky"}:
        return WRONG_OUTPUT
    failed = next((one for one in evaluation.stages if one.status is not Status.GREEN), None)
    return OTHER if failed is None else _word(failed)


def _word(failed: StageResult) -> str:
    return WRONG_OUTPUT if failed.stage is Stage.TESTS else ERROR
