"""Judged replies made by hand."""

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.evals.results import Marks
from greenloop.records import Block, Edit, ReplaceBlocks, Rung, Stage, StageResult, Status, Suite, Verdict
from greenloop.training.rewards import Judged


def judged(
    *,
    fixed: bool = False,
    same: bool | None = None,
    outcome: Outcome = Outcome.JUDGED,
    rung: Rung | None = Rung.EXACT,
    flags: tuple[str, ...] = (),
    passed: tuple[Stage, ...] = (),
    search: str = "let a = 1\n",
    replace: str = "let a = 2\n",
) -> Judged:
    verdict = Verdict(
        tree="a" * 40,
        toolchain="t",
        suite=Suite.CHECK,
        status=Status.GREEN if fixed else Status.RED,
        stages=tuple(StageResult(stage=stage, status=Status.GREEN, seconds=0) for stage in passed),
    )
    edit = Edit(files=(ReplaceBlocks(path="a.ml", blocks=(Block(search=search, replace=replace),)),))
    attempt = Attempt(
        index=0,
        source="policy",
        outcome=outcome,
        edit=edit,
        rung=rung,
        flags=flags,
        fixed=fixed,
        verdict=verdict if outcome is Outcome.JUDGED else None,
    )
    return Judged(attempt, Marks(fixed=fixed, same=same))


CLEAN = judged(fixed=True, passed=(Stage.PARSE, Stage.TYPES))
STUB = judged(flags=("stub",), passed=(Stage.PARSE, Stage.TYPES))
TYPES = judged(passed=(Stage.PARSE, Stage.TYPES))
PARSES = judged(passed=(Stage.PARSE,))
UNCHANGED = judged(outcome=Outcome.UNCHANGED)
UNREADABLE = judged(outcome=Outcome.UNREADABLE, rung=None)
INEXACT = judged(fixed=True, rung=Rung.TOKENS, passed=(Stage.PARSE, Stage.TYPES))
UNJUDGED = judged(outcome=Outcome.UNJUDGED)
