"""Every status and every reason of an evaluation, by a toolchain whose answer is written in the tree itself."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from greenloop.builds.stop import Stop
from greenloop.records import (
    HACKS,
    Cancelled,
    Edit,
    InfrastructureError,
    Stage,
    Status,
    Suite,
    TestResult,
    TestStatus,
    TreeId,
    WriteFile,
)

if TYPE_CHECKING:
    from tests.ces.judging.conftest import Bench

Write = Callable[[Mapping[str, str]], TreeId]


def test_what_was_judged_before_is_found_again_however_it_is_spelled(bench: "Bench") -> None:
    first = bench.ask(bench.good)
    diff = "--- a/a.ml\n+++ b/a.ml\n@@ -1,3 +1,3 @@\n let one = 1\n \n-let two = one + 1\n+let two = 1 + one\n"
    second = bench.ask(diff=diff)
    assert second.seen_before
    assert second.model_copy(update={"timings": first.timings, "seen_before": False}) == first
    assert len(bench.tools.asked) == 1
    third = bench.ask(bench.good, fresh=True)
    assert not third.seen_before
    assert third.id == first.id
    assert len(bench.tools.asked) == 2


@pytest.mark.parametrize(
    ("words", "suite", "status", "reason", "stage"),
    [
        ("TYPES", Suite.TEST, Status.RED, "", Stage.TYPES),
        ("TYPES", Suite.CHECK, Status.RED, "", Stage.TYPES),
        ("FAILS adds", Suite.TEST, Status.RED, "", Stage.TESTS),
        ("FAILS adds", Suite.BUILD, Status.GREEN, "", Stage.BUILD),
        ("LOOPS", Suite.TEST, Status.TIMEOUT, "", Stage.TESTS),
        ("LOOPS", Suite.CHECK, Status.GREEN, "", Stage.TYPES),
        ("CRASHES", Suite.TEST, Status.REJECTED, "tool-failed", Stage.BUILD),
        ("SKIPS adds", Suite.TEST, Status.RED, "tests-missing", Stage.TESTS),
        ("HIDES adds", Suite.TEST, Status.RED, "tests-missing", Stage.TESTS),
        ("QUIETLY", Suite.TEST, Status.RED, "", Stage.TESTS),
    ],
)
def test_each_end_has_its_status_and_reason(
    bench: "Bench", words: str, suite: Suite, status: Status, reason: str, stage: Stage
) -> None:
    found = bench.ask(bench.words(words), suite=suite)
    assert (found.status, found.reason, found.stage) == (status, reason, stage)
    assert ("tests-missing" in found.flags) is (reason == "tests-missing")
    # green here is green of the tree, whatever else may redden it
    assert not found.green or found.tree_status is Status.GREEN
    assert bench.ask(bench.words(words), suite=suite).status is status


EDITS: dict[str, tuple[dict[str, Any], str]] = {
    "a place that is not there": (
        {"edit": {"files": [{"kind": "replace", "path": "a.ml", "blocks": [{"search": "no\n", "replace": "x\n"}]}]}},
        "no-match",
    ),
    "a path outside": ({"edit": {"files": [{"kind": "write", "path": "../x", "content": ""}]}}, "outside-tree"),
    "version control": ({"edit": {"files": [{"kind": "write", "path": ".git/config", "content": ""}]}}, "vcs-path"),
    "no diff at all": ({"diff": "Sure! Here is the fix."}, "malformed"),
    "a diff with wrong counts": ({"diff": "--- a/a.ml\n+++ b/a.ml\n@@ -1,9 +1,1 @@\n-let one = 1\n+x\n"}, "counts"),
    "an empty diff": ({"diff": "\n"}, "empty"),
}


@pytest.mark.parametrize("which", EDITS)
def test_an_edit_that_does_not_apply_is_rejected_and_nothing_is_run(bench: "Bench", which: str) -> None:
    edit, reason = EDITS[which]
    found = bench.ask(**edit)
    assert (found.status, found.reason) == (Status.REJECTED, reason)
    assert found.note
    assert found.base == bench.base
    assert (found.result, found.tree_status, found.stage, found.rung) == (None, None, None, None)
    assert bench.tools.asked == []
    assert bench.pool.asked == []
    assert found.id == bench.worker.ask(bench.request(**edit)).id


def test_protected_files_come_from_the_base(bench: "Bench") -> None:
    edit = Edit(
        files=(
            WriteFile(path="a.ml", content=bench.words("FAILS adds")),
            WriteFile(path="test/t.txt", content="ties\n"),
            WriteFile(path="dune", content="(library (name a) (flags -w -a))\n"),
        )
    )
    found = bench.ask(edit=edit)
    assert found.status is Status.RED
    assert found.restored == ("dune", "test/t.txt")
    assert "tamper" in found.flags
    assert TestResult(name="adds", status=TestStatus.FAILED) in found.tests


def test_a_task_may_let_protected_files_change(bench: "Bench") -> None:
    edit = Edit(
        files=(
            WriteFile(path="a.ml", content=bench.words("FAILS adds")),
            WriteFile(path="test/t.txt", content="ties\n"),
        )
    )
    # a test that is gone is missed, unless the task knows what to expect
    assert bench.ask(edit=edit, allowed=["test/**"]).reason == "tests-missing"
    found = bench.ask(edit=edit, allowed=["test/**"], expected_tests=["ties"])
    assert (found.status, found.restored) == (Status.GREEN, ())


def test_an_edit_of_protected_files_alone_is_no_green(bench: "Bench") -> None:
    found = bench.ask(edit=Edit(files=(WriteFile(path="test/t.txt", content=""),)))
    assert (found.status, found.reason, found.tree_status) == (Status.RED, "protected", Status.GREEN)
    assert found.result == bench.base
    assert {"tamper", "unchanged"} <= set(found.flags)
    # an edit that changes nothing is what the base is, and says so
    same = bench.ask(bench.files["a.ml"])
    assert (same.status, same.flags) == (Status.GREEN, ("unchanged",))


def test_refused_flags_redden_a_green_tree_that_stays_green(bench: "Bench") -> None:
    stub = 'let one = 1\n\nlet two = failwith "TODO"\n'
    found = bench.ask(stub)
    assert (found.status, found.reason, found.tree_status) == (Status.RED, "hack", Status.GREEN)
    assert "stub" in found.flags
    assert "stub" in found.note
    lenient = bench.ask(stub, refuse=[])
    assert lenient.green
    assert "stub" in lenient.flags
    assert lenient.id != found.id
    assert bench.ask(bench.good, refuse=[*HACKS, "tamper", "nothing-that-exists"]).green
    assert bench.ask("let one = 1\n", refuse=["name-removed"]).reason == "hack"


def test_a_red_workspace_is_judged_above_the_build_of_its_revision(bench: "Bench", write: Write) -> None:
    red = write({**bench.files, "a.ml": bench.words("TYPES")})
    found = bench.ask(bench.good, base_tree=red)
    assert found.green
    assert found.base == red
    assert bench.tools.above == [bench.base]
    alone = bench.ask(bench.good, revision=None, base_tree=bench.base)
    assert alone.green
    assert alone.base == bench.base


def test_a_machine_that_fails_is_no_evaluation(bench: "Bench") -> None:
    with pytest.raises(InfrastructureError, match="no memory left"):
        bench.ask(bench.words("MACHINE"))


def test_a_cancelled_evaluation_leaves_nothing(bench: "Bench") -> None:
    with Stop() as stop:
        stop.request()
        with pytest.raises(Cancelled):
            bench.worker.ask(bench.request(bench.good)).judge(stop)
    assert bench.tools.asked == []
    assert bench.pool.held == []


def test_without_a_sandbox_every_evaluation_says_so(bench: "Bench") -> None:
    bench.sandbox.sandboxed = False
    found = bench.ask(bench.good)
    assert not found.sandboxed
    assert found.flags == ("unsandboxed",)
    assert bench.ask(diff="nonsense").flags == ("unsandboxed",)
