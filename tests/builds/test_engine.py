"""The engine: each tree once, stored as it comes, faults of the machine raised and never red."""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.scripted import ScriptedToolchain
from greenloop.builds.stop import Stop
from greenloop.builds.toolchain import Outcome, Workbench
from greenloop.records import Cancelled, EvaluationLimits, InfrastructureError, InputError, Status, Suite, TreeId

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


class Noisy:
    """Answers by script with a log, and remembers each workbench that it was given."""

    name = "noisy"
    batch = 1
    suites = frozenset(Suite)

    def __init__(self, script: Callable[[TreeId, Workbench], Outcome]) -> None:
        self._script = script
        self.benches: list[Workbench] = []
        self.closed = 0

    def fingerprint(self) -> str:
        return "noisy"

    def judge(self, trees: Sequence[TreeId], suite: Suite, bench: Workbench) -> tuple[Outcome, ...]:
        self.benches.append(bench)
        return tuple(self._script(tree, bench) for tree in trees)

    def close(self) -> None:
        self.closed += 1


def test_a_trial_is_judged_above_its_base_stored_and_found_again(bench: "Bench") -> None:
    tree, base = trees(bench, 2)
    toolchain = Noisy(lambda tree, bench: Outcome(Status.GREEN, log="all is well\n"))
    engine = bench.engine(toolchain)
    with Stop() as stop:
        first = engine.trial(tree, Suite.CHECK, base=base, stop=stop)
        again = engine.trial(tree, Suite.CHECK, base=base, stop=stop)
        fresh = engine.trial(tree, Suite.CHECK, base=base, stop=stop, fresh=True)
        assert [(one.base, one.stop) for one in toolchain.benches] == [(base, stop), (base, stop)]
    assert (first.seen_before, again.seen_before, fresh.seen_before) == (False, True, False)
    assert first.verdict == again.verdict == bench.verdicts.get(tree, engine.fingerprint, Suite.CHECK)
    assert (first.log, again.log) == ("all is well\n", "")
    assert first.store_seconds > 0


def test_a_fresh_trial_takes_the_place_of_what_was_stored(bench: "Bench") -> None:
    (tree,) = trees(bench, 1)
    ends = [Status.GREEN, Status.RED]
    engine = bench.engine(Noisy(lambda tree, bench: Outcome(ends.pop())))
    assert engine.trial(tree, Suite.CHECK).verdict.status is Status.RED
    assert engine.trial(tree, Suite.CHECK).verdict.status is Status.RED
    assert engine.trial(tree, Suite.CHECK, fresh=True).verdict.green
    assert engine.trial(tree, Suite.CHECK).verdict.green


def test_what_is_judged_aside_is_neither_looked_up_nor_stored(bench: "Bench") -> None:
    (tree,) = trees(bench, 1)
    ends = [Status.GREEN, Status.RED]
    engine = bench.engine(Noisy(lambda tree, bench: Outcome(ends.pop())))
    assert engine.aside(tree, Suite.CHECK).verdict.status is Status.RED
    assert bench.verdicts.get(tree, engine.fingerprint, Suite.CHECK) is None
    assert engine.aside(tree, Suite.CHECK).verdict.green


@pytest.mark.parametrize(
    ("first", "second", "tries"),
    [
        (Status.INFRA_ERROR, Status.GREEN, 2),
        (Status.REJECTED, Status.RED, 2),
        # whoever asks waits, and has said for how long
        (Status.TIMEOUT, Status.TIMEOUT, 1),
        (Status.RED, Status.RED, 1),
    ],
)
def test_a_doubtful_trial_has_a_second_chance(bench: "Bench", first: Status, second: Status, tries: int) -> None:
    (tree,) = trees(bench, 1)
    toolchain = Noisy(lambda tree, bench: Outcome(first if len(toolchain.benches) == 1 else second))
    verdict = bench.engine(toolchain).trial(tree, Suite.CHECK).verdict
    assert verdict.status is second
    assert len(toolchain.benches) == tries


def test_a_machine_that_fails_twice_is_no_verdict(bench: "Bench") -> None:
    (tree,) = trees(bench, 1)
    engine = bench.engine(Noisy(lambda tree, bench: Outcome(Status.INFRA_ERROR, note="no memory left")))
    with pytest.raises(InfrastructureError, match="no memory left"):
        engine.trial(tree, Suite.CHECK)
    assert bench.verdicts.get(tree, engine.fingerprint, Suite.CHECK) is None


def test_a_cancelled_trial_is_not_tried_again_and_not_stored(bench: "Bench") -> None:
    (tree,) = trees(bench, 1)

    def cancelled(tree: TreeId, bench: Workbench) -> Outcome:
        assert bench.stop is not None
        bench.stop.request()
        bench.stop.check()
        return Outcome(Status.GREEN)

    toolchain = Noisy(cancelled)
    engine = bench.engine(toolchain)
    with Stop() as stop:
        with pytest.raises(Cancelled):
            engine.trial(tree, Suite.CHECK, stop=stop)
        assert len(toolchain.benches) == 1
        # what is cancelled before it begins does not begin
        with pytest.raises(Cancelled):
            engine.trial(tree, Suite.CHECK, stop=stop)
    assert len(toolchain.benches) == 1
    assert bench.verdicts.get(tree, engine.fingerprint, Suite.CHECK) is None


def test_tighter_limits_are_another_engine_with_the_same_warm_builds(bench: "Bench") -> None:
    (tree,) = trees(bench, 1)
    toolchain = Noisy(lambda tree, bench: Outcome(Status.GREEN))
    engine = bench.engine(toolchain)
    for loose in (EvaluationLimits(), EvaluationLimits(memory_mib=1 << 20), EvaluationLimits(output_kib=1 << 20)):
        assert engine.limited(loose) is engine
    kinds = set()
    for limits in (EvaluationLimits(seconds=1), EvaluationLimits(seconds=2), EvaluationLimits(memory_mib=64)):
        tight = engine.limited(limits)
        assert tight is engine.limited(limits)
        assert tight.trial(tree, Suite.CHECK).verdict.toolchain == tight.fingerprint
        kinds.add(tight.fingerprint)
    assert len(kinds | {engine.fingerprint}) == 4
    assert len(toolchain.benches) == 3
    assert len({one.warm_kind for one in toolchain.benches}) == 1
    for number in range(100):
        assert engine.limited(EvaluationLimits(seconds=100 + number)).sandboxed


def test_closing_an_engine_ends_what_its_parts_keep_running(bench: "Bench") -> None:
    toolchain = Noisy(lambda tree, bench: Outcome(Status.GREEN))
    bench.engine(toolchain).close()
    assert toolchain.closed == 1


def test_a_view_that_was_asked_to_stop_judges_nothing_and_the_engine_goes_on(bench: "Bench") -> None:
    first, second = trees(bench, 2)
    asked = threading.Event()

    def judge(tree: TreeId, suite: Suite) -> Outcome:
        asked.set()
        return Outcome(Status.GREEN)

    engine = bench.engine(ScriptedToolchain(judge))
    with Stop() as stop:
        view = engine.until(stop)
        assert view.judge(first, Suite.CHECK).green
        stop.request()
        asked.clear()
        with pytest.raises(Cancelled):
            view.judge(second, Suite.CHECK)
        assert not asked.is_set()
        # what was judged before is still known to it
        assert view.judge(first, Suite.CHECK).green
    assert engine.judge(second, Suite.CHECK).green
