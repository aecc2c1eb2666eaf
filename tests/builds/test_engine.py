"""The engine: each tree once, stored as it comes, faults of the machine raised and never red."""

import threading
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.scripted import ScriptedToolchain
from greenloop.builds.toolchain import Outcome
from greenloop.records import InfrastructureError, InputError, Status, Suite, TreeId

if TYPE_CHECKING:
    from tests.builds.conftest import Bench


def trees(bench: "Bench", count: int) -> list[TreeId]:
    return [bench.tree({"a.txt": f"{number}\n"}) for number in range(count)]


def test_each_tree_is_judged_once_and_found_again(bench: "Bench") -> None:
    some = trees(bench, 5)
    toolchain = ScriptedToolchain(lambda tree, suite: Outcome(Status.GREEN if tree == some[0] else Status.RED), batch=2)
    engine = bench.engine(toolchain, workers=2)
    seen: list[tuple[int, int]] = []
    verdicts = engine.judge_many([*some, *some], Suite.CHECK, lambda done, total: seen.append((done, total)))
    assert list(verdicts) == some
    assert [verdict.green for verdict in verdicts.values()] == [True, False, False, False, False]
    assert {verdict.toolchain for verdict in verdicts.values()} == {engine.fingerprint}
    assert sorted(tree for batch in toolchain.asked for tree in batch) == sorted(some)
    assert max(len(batch) for batch in toolchain.asked) == 2
    assert seen[0] == (0, 5)
    assert seen[-1] == (5, 5)

    toolchain.asked.clear()
    assert bench.engine(toolchain).judge_many(some, Suite.CHECK) == verdicts
    assert toolchain.asked == []
    assert (
        bench.engine(ScriptedToolchain(lambda tree, suite: Outcome(Status.GREEN), fingerprint="other"))
        .judge(some[1], Suite.CHECK)
        .green
    )


def test_a_doubtful_outcome_is_tried_once_more_alone(bench: "Bench") -> None:
    some = trees(bench, 3)
    tries: dict[TreeId, int] = {}

    def script(tree: TreeId, suite: Suite) -> Outcome:
        tries[tree] = tries.get(tree, 0) + 1
        if tree == some[0]:
            return Outcome(Status.TIMEOUT if tries[tree] == 1 else Status.GREEN)
        return Outcome(Status.TIMEOUT, final=True) if tree == some[1] else Outcome(Status.INFRA_ERROR, note="unwell")

    toolchain = ScriptedToolchain(script, batch=9)
    engine = bench.engine(toolchain, workers=1)
    with pytest.raises(InfrastructureError, match=r"1 of 3 trees could not be judged.*unwell"):
        engine.judge_many(some, Suite.CHECK)
    assert toolchain.asked == [tuple(some), (some[0],), (some[2],)]
    # what could be judged was stored all the same
    toolchain.asked.clear()
    verdicts = engine.judge_many(some[:2], Suite.CHECK)
    assert [verdict.status for verdict in verdicts.values()] == [Status.GREEN, Status.TIMEOUT]
    assert toolchain.asked == []


def test_a_fault_of_the_whole_batch_is_tried_once_more_and_then_raised(bench: "Bench") -> None:
    tree = trees(bench, 1)[0]
    faults = [InfrastructureError("no memory left")]

    def script(tree: TreeId, suite: Suite) -> Outcome:
        if faults:
            raise faults.pop()
        return Outcome(Status.GREEN)

    engine = bench.engine(ScriptedToolchain(script))
    assert engine.judge(tree, Suite.CHECK).green
    other = bench.tree({"b.txt": ""})
    faults += [InfrastructureError("no memory left"), InfrastructureError("still none")]
    with pytest.raises(InfrastructureError, match="no memory left"):
        engine.judge(other, Suite.CHECK)
    assert bench.verdicts.get(other, engine.fingerprint, Suite.CHECK) is None


def test_a_sick_machine_does_not_go_through_thousands_of_trees(bench: "Bench") -> None:
    toolchain = ScriptedToolchain(lambda tree, suite: Outcome(Status.INFRA_ERROR, note="unwell"))
    with pytest.raises(InfrastructureError, match="unwell"):
        bench.engine(toolchain, workers=2).judge_many(trees(bench, 40), Suite.CHECK)
    assert len(toolchain.asked) < 20


def test_a_run_that_is_broken_off_goes_on_where_it_was(bench: "Bench") -> None:
    some = trees(bench, 6)

    def script(tree: TreeId, suite: Suite) -> Outcome:
        if tree == some[4]:
            raise KeyboardInterrupt
        return Outcome(Status.GREEN)

    toolchain = ScriptedToolchain(script)
    with pytest.raises(KeyboardInterrupt):
        bench.engine(toolchain, workers=1).judge_many(some, Suite.CHECK)
    stored = bench.verdicts.get_many(some, bench.engine(toolchain).fingerprint, Suite.CHECK)
    assert list(stored) == some[:4]
    again = ScriptedToolchain(lambda tree, suite: Outcome(Status.GREEN))
    assert len(bench.engine(again, workers=1).judge_many(some, Suite.CHECK)) == 6
    assert again.asked == [(some[4],), (some[5],)]


def test_workers_judge_at_the_same_time(bench: "Bench") -> None:
    both = threading.Barrier(2, timeout=30)

    def script(tree: TreeId, suite: Suite) -> Outcome:
        both.wait()
        return Outcome(Status.GREEN)

    assert len(bench.engine(ScriptedToolchain(script), workers=2).judge_many(trees(bench, 4), Suite.CHECK)) == 4


def test_a_suite_that_the_toolchain_does_not_have_is_refused(bench: "Bench") -> None:
    toolchain = ScriptedToolchain(lambda tree, suite: Outcome(Status.GREEN), suites=frozenset({Suite.CHECK}))
    with pytest.raises(InputError, match="cannot judge the suite 'test'"):
        bench.engine(toolchain).judge(trees(bench, 1)[0], Suite.TEST)
