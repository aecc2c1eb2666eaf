"""What the trials of one tree show of its tests: those that are expected, hidden, or at odds with themselves."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.stop import Stop
from greenloop.ces.bases import ScriptedBases
from greenloop.ces.worker import Worker
from greenloop.records import (
    Edit,
    EditError,
    Evaluation,
    HiddenFile,
    HiddenResult,
    InfrastructureError,
    InputError,
    Rung,
    Stage,
    Status,
    Suite,
    TreeId,
    WarmBuild,
    WriteFile,
)

if TYPE_CHECKING:
    from tests.ces.judging.conftest import Bench, NewBench

Write = Callable[[Mapping[str, str]], TreeId]


def test_a_good_edit_is_green_with_all_that_makes_it_credible(bench: "Bench") -> None:
    found, log = bench.judged(bench.good)
    assert found.green
    assert (found.status, found.reason, found.note) == (Status.GREEN, "", "")
    assert found.tree_status is Status.GREEN
    assert found.base == bench.base
    assert found.result is not None
    assert bench.store.read(found.result, "a.ml") == bench.good.encode()
    assert found.stage is Stage.TESTS
    assert [result.stage for result in found.stages] == list(Stage)
    assert {test.name for test in found.tests} == {"adds", "ties"}
    assert (found.flags, found.restored, found.flaky, found.hidden) == ((), (), (), None)
    assert found.rung is Rung.EXACT
    assert found.toolchain == bench.engine.fingerprint
    assert found.sandboxed
    assert not found.seen_before
    assert log == f"run 0 of {found.result}\n"
    assert bench.tools.above == [bench.base]
    timings = found.timings
    assert timings.apply_ms > 0
    assert timings.store_ms > 0
    assert timings.total_ms >= timings.apply_ms + timings.judge_ms + timings.store_ms
    assert Evaluation.from_json(found.to_json()) == found


def test_expected_tests_are_those_of_the_base_unless_the_task_names_them(bench: "Bench") -> None:
    assert bench.ask(bench.good, expected_tests=["adds", "ties"]).green
    found = bench.ask(bench.good, expected_tests=["adds", "later"])
    assert (found.status, found.reason, found.tree_status) == (Status.RED, "tests-missing", Status.GREEN)
    assert "later" in found.note
    assert bench.ask(bench.words("HIDES adds"), expected_tests=[]).green
    # what no test can show does not wait for any
    assert bench.ask(bench.good, expected_tests=["later"], suite=Suite.BUILD).green


def test_a_pool_that_knows_no_tests_does_not_make_them_optional(new_bench: "NewBench") -> None:
    bench = new_bench(tests=())
    assert bench.ask(bench.words("HIDES adds")).reason == "tests-missing"
    assert bench.ask(bench.good).green


HIDDEN = (HiddenFile(path="secret/t.txt", content="deep\n"),)


def test_hidden_tests_decide_and_stay_hidden(bench: "Bench") -> None:
    found, log = bench.judged(bench.words("FAILS deep"), hidden=HIDDEN)
    assert (found.status, found.reason, found.tree_status) == (Status.RED, "hidden-tests", Status.GREEN)
    assert found.hidden == HiddenResult(status=Status.RED)
    assert "deep" not in {test.name for test in found.tests}
    told = found.to_json() + log
    hidden_tree = bench.tools.asked[-1]
    assert bench.store.read(hidden_tree, "secret/t.txt") == b"deep\n"
    for secret in ("secret", "deep", hidden_tree):
        assert secret not in told
    # nobody finds the verdict on the tree with the hidden tests either
    assert bench.verdicts.get(hidden_tree, bench.engine.fingerprint, Suite.TEST) is None

    passed = bench.ask(bench.good, hidden=HIDDEN)
    assert passed.green
    assert passed.hidden is not None
    assert passed.hidden.status is Status.GREEN
    assert not bench.ask(bench.good, hidden=HIDDEN).seen_before


def test_a_hidden_run_must_show_more_than_the_one_without(bench: "Bench") -> None:
    """The status of a run that was ended before its first hidden test is green."""
    early = bench.ask(bench.words("HIDES deep"), hidden=HIDDEN)
    assert (early.status, early.reason, early.hidden) == (Status.RED, "hidden-tests", HiddenResult(status=Status.RED))
    assert bench.ask(bench.words("SKIPS deep"), hidden=HIDDEN).status is Status.RED
    # the same tests, replaced: only who wrote them can say what is to be seen
    same = (HiddenFile(path="test/t.txt", content="adds\nties\n"),)
    assert bench.ask(bench.good, hidden=same).reason == "hidden-tests"
    assert bench.ask(bench.good, hidden=same, expected_hidden=[]).reason == "hidden-tests"
    named = bench.ask(bench.good, hidden=same, expected_hidden=["adds", "ties"])
    assert named.green
    assert named.hidden == HiddenResult(status=Status.GREEN, passed=2, failed=0)


def test_expected_hidden_tests_are_counted_and_not_named(bench: "Bench") -> None:
    hidden = (HiddenFile(path="secret/t.txt", content="deep\ndeeper\n"),)
    found = bench.ask(bench.words("HIDES deeper"), hidden=hidden, expected_hidden=["deep", "deeper"])
    assert (found.status, found.reason) == (Status.RED, "hidden-tests")
    assert found.hidden == HiddenResult(status=Status.RED, passed=1, failed=1)
    assert "deep" not in found.to_json()
    # without the list, one that is seen is enough
    assert bench.ask(bench.words("HIDES deeper"), hidden=hidden).green
    with pytest.raises(ValueError, match="give `hidden` with it"):
        bench.request(bench.good, expected_hidden=["deep"])


def test_tests_without_names_are_flagged_and_a_task_may_refuse_them(new_bench: "NewBench") -> None:
    bench = new_bench("", tests=())
    found = bench.ask(bench.good)
    assert (found.status, found.flags) == (Status.GREEN, ("unnamed-tests",))
    refused = bench.ask(bench.good, refuse=["unnamed-tests"])
    assert (refused.status, refused.reason) == (Status.RED, "hack")
    assert bench.ask(bench.good, suite=Suite.BUILD).flags == ()


def test_a_machine_that_fails_on_hidden_tests_says_nothing_of_them(bench: "Bench") -> None:
    hidden = (*HIDDEN, HiddenFile(path="machine.txt", content="secret words\n"))
    with pytest.raises(InfrastructureError) as caught:
        bench.ask(bench.good, hidden=hidden)
    assert bench.tools.asked[-1] not in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(("words", "status"), [("LOOPS", Status.TIMEOUT), ("CRASHES", Status.REJECTED)])
def test_a_red_tree_is_not_asked_about_hidden_tests(bench: "Bench", words: str, status: Status) -> None:
    found = bench.ask(bench.words(words), hidden=HIDDEN)
    assert (found.status, found.hidden) == (status, None)
    assert bench.ask(bench.good, hidden=HIDDEN, suite=Suite.CHECK).hidden is None


def test_an_edit_cannot_stand_in_the_way_of_hidden_tests(bench: "Bench") -> None:
    edit = Edit(
        files=(
            WriteFile(path="a.ml", content=bench.words("FAILS deep")),
            WriteFile(path="secret/t.txt/inside.ml", content="x\n"),
            WriteFile(path="secret/alcotest.ml", content="let run = ignore\n"),
        )
    )
    found = bench.ask(edit=edit, hidden=HIDDEN)
    assert found.reason == "hidden-tests"
    assert sorted(bench.store.files(bench.tools.asked[-1])) == sorted([*bench.files, "secret/t.txt"])
    # in a folder that the base has, the edit's files are part of what is tested
    beside = Edit(files=(WriteFile(path="b.ml", content="let x = 1\n"),))
    assert bench.ask(edit=beside, hidden=(HiddenFile(path="t2.txt", content=""),), expected_hidden=["adds"]).green
    assert "b.ml" in bench.store.files(bench.tools.asked[-1])


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", ".git/config", "", "a//b"])
def test_a_hidden_file_without_a_good_path_is_the_tasks_fault(bench: "Bench", path: str) -> None:
    with pytest.raises(InputError):
        bench.ask(bench.good, hidden=[{"path": path, "content": ""}])
    with pytest.raises(InputError):
        bench.ask(bench.good, hidden=[{"path": "x", "content": "1"}, {"path": "x", "content": "2"}])


def test_the_tests_of_a_flaky_base_are_quarantined_and_not_counted(new_bench: "NewBench") -> None:
    bench = new_bench("adds\nties?\n")
    found = bench.ask(bench.good, revision="shop@main", repeats=3)
    assert (found.status, found.reason, found.flags, found.flaky) == (Status.GREEN, "", ("flaky",), ("ties",))
    assert bench.quarantine.quarantine(bench.engine.fingerprint, "shop") == {"ties"}
    assert bench.quarantine.quarantine(bench.engine.fingerprint, "main") == frozenset()
    # from now on its failure does not redden, nor is it missed; any other one does
    red = bench.ask(bench.words("FAILS ties"), revision="shop@main")
    assert (red.status, red.flaky, red.tree_status) == (Status.GREEN, ("ties",), Status.RED)
    assert red.result is not None
    stored = bench.verdicts.get(red.result, bench.engine.fingerprint, Suite.TEST)
    assert stored is not None
    assert stored.status is Status.RED
    assert bench.ask(bench.words("HIDES ties"), revision="shop@main").green
    assert bench.ask(bench.words("FAILS adds"), revision="shop@main").status is Status.RED
    assert bench.ask(bench.words("FAILS ties or FAILS adds"), revision="shop@main").status is Status.RED
    assert bench.ask(bench.words("FAILS ties QUIETLY"), revision="shop@main").status is Status.RED
    assert bench.ask(bench.words("HIDES adds"), revision="shop@main").reason == "tests-missing"
    # elsewhere nobody knows of it
    assert bench.ask(bench.words("FAILS ties")).status is Status.RED


def test_an_edit_cannot_put_a_test_into_quarantine(bench: "Bench") -> None:
    found = bench.ask(bench.words("SOMETIMES ties"), repeats=4)
    assert (found.status, found.reason, found.flaky) == (Status.RED, "flaky", ("ties",))
    assert "flaky" in found.flags
    assert bench.quarantine.quarantine(bench.engine.fingerprint, "main") == frozenset()
    assert bench.ask(bench.words("FAILS ties"), repeats=2).reason == ""


def test_repeats_run_the_tests_that_often(bench: "Bench") -> None:
    bench.ask(bench.good, repeats=5)
    assert len(bench.tools.asked) == 5
    # what does not reach the tests has nothing to repeat
    bench.tools.asked.clear()
    bench.ask(bench.words("TYPES"), repeats=5)
    bench.ask(bench.good.replace("1 + one", "one + one"), repeats=5, suite=Suite.BUILD)
    assert len(bench.tools.asked) == 2


def test_flaky_tests_of_the_warm_build_are_not_counted(bench: "Bench") -> None:
    build = WarmBuild(revision="main", tree=bench.base, state="green", tests=("adds",), flaky=("ties",))
    worker = Worker(
        store=bench.store,
        engine=bench.engine,
        pool=ScriptedBases({"main": build}),
        protected=(),
        quarantine=bench.quarantine,
    )
    with Stop() as stop:
        found = worker.ask(bench.request(bench.words("FAILS ties"))).judge(stop).evaluation
    assert (found.status, found.flaky) == (Status.GREEN, ("ties",))


def test_a_base_that_is_not_to_be_had_is_the_askers_fault(bench: "Bench") -> None:
    for more in ({"revision": "nowhere"}, {"base_tree": "f" * 40}, {"revision": None, "base_tree": "f" * 40}):
        request = bench.request(bench.good, **more)
        with pytest.raises(InputError), Stop() as stop:
            bench.worker.ask(request).judge(stop)
        with pytest.raises(InputError):
            bench.worker.ask(request)
    with pytest.raises(EditError):
        bench.worker.ask(bench.request(bench.good, hidden=[{"path": "../x", "content": ""}]))
