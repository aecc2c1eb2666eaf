"""The scripted judge keeps the promises of the seam."""

import pytest

from greenloop.builds.judge import Judge
from greenloop.builds.scripted import ScriptedJudge
from greenloop.records import (
    Category,
    Diagnostic,
    InfrastructureError,
    InputError,
    Severity,
    Stage,
    Status,
    Suite,
)

A, B, C = "a" * 40, "b" * 40, "c" * 40
ERROR = Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message="no")
WARNING = Diagnostic(severity=Severity.WARNING, category=Category.WARNING, message="hm")


def test_answers_from_a_mapping_and_remembers_what_was_asked() -> None:
    judge: Judge = ScriptedJudge({A: Status.GREEN, B: (ERROR, WARNING), C: (WARNING,)})
    seen: list[tuple[int, int]] = []
    verdicts = judge.judge_many([B, A, B, C], Suite.BUILD, lambda done, total: seen.append((done, total)))
    assert list(verdicts) == [B, A, C]
    assert [verdict.status for verdict in verdicts.values()] == [Status.RED, Status.GREEN, Status.GREEN]
    assert verdicts[B].errors == (ERROR,)
    assert not verdicts[B].passed(Stage.TYPES)
    assert verdicts[A].passed(Stage.BUILD)
    assert not verdicts[A].passed(Stage.TESTS)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert isinstance(judge, ScriptedJudge)
    assert judge.asked == [(B, Suite.BUILD), (A, Suite.BUILD), (C, Suite.BUILD)]


def test_answers_from_a_function_and_raises_scripted_errors() -> None:
    fault = InfrastructureError("the machine caught fire")
    judge = ScriptedJudge(lambda tree, suite: fault if tree == A else Status.TIMEOUT)
    assert judge.judge(B, Suite.CHECK).status is Status.TIMEOUT
    with pytest.raises(InfrastructureError, match="caught fire"):
        judge.judge(A, Suite.CHECK)


def test_an_unknown_tree_needs_a_default() -> None:
    with pytest.raises(InputError, match="no verdict"):
        ScriptedJudge({}).judge(A, Suite.CHECK)
    assert ScriptedJudge({}, otherwise=Status.GREEN).judge(A, Suite.CHECK).green
