"""Replies of a model, and what a scripted service makes of them."""

from greenloop.records import (
    Block,
    Edit,
    Evaluation,
    EvaluationRequest,
    InfrastructureError,
    ReplaceBlocks,
    Rung,
    Stage,
    StageResult,
    Status,
)
from greenloop.workspace.edits import render_reply


def reply(new: str) -> str:
    """Return a model's reply that turns ``let x = 1`` into ``new``."""
    block = Block(search="let x = 1\n", replace=f"{new}\n")
    return render_reply(Edit(files=(ReplaceBlocks(path="a.ml", blocks=(block,)),)))


GOOD, BAD, FUZZY, FAULT, PROSE = (
    reply("let x = 2"),
    reply('let x = ""'),
    reply("let x = 3"),
    reply("let x = 4"),
    "Well …",
)
WORTH = {GOOD: 1.0, BAD: 0.15, FUZZY: 0.0, FAULT: None, PROSE: 0.0}
"""What ``ces.policy.reward`` makes of each reply."""


def script(request: EvaluationRequest) -> Evaluation | InfrastructureError:
    """Judge by what the edit writes."""
    assert request.edit is not None
    (file,) = request.edit.files
    assert isinstance(file, ReplaceBlocks)
    new = file.blocks[0].replace
    if "4" in new:
        return InfrastructureError("the disk of the service is full")
    rung = Rung.TOKENS if "3" in new else Rung.EXACT
    if '"' not in new:
        return Evaluation(id="", status=Status.GREEN, rung=rung)
    ends = ((Stage.PARSE, Status.GREEN), (Stage.TYPES, Status.GREEN), (Stage.BUILD, Status.RED))
    stages = tuple(StageResult(stage=stage, status=status, seconds=0.1) for stage, status in ends)
    return Evaluation(id="", status=Status.RED, rung=rung, stages=stages)
