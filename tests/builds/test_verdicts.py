"""The verdict store, and what one suite's verdict says about another."""

import multiprocessing
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.builds.verdicts import VerdictStore, transfer
from greenloop.records import (
    Category,
    Diagnostic,
    EnvironmentFault,
    RecordError,
    Severity,
    StageResult,
    Status,
    Suite,
    TestResult,
    TestStatus,
    Verdict,
)

ERROR = Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message="no", path="a.ml")


def tree(number: int) -> str:
    return f"{number:040x}"


def verdict(number: int, suite: Suite, *statuses: Status, toolchain: str = "t") -> Verdict:
    """A verdict whose stages ended so; its status is the last of them."""
    return Verdict(
        tree=tree(number),
        toolchain=toolchain,
        suite=suite,
        status=statuses[-1],
        stages=tuple(
            StageResult(stage=stage, status=status, seconds=1)
            for stage, status in zip(suite.stages, statuses, strict=False)
        ),
        diagnostics=() if statuses[-1] is Status.GREEN else (ERROR,),
        tests=(TestResult(name="x", status=TestStatus.PASSED),) if suite is Suite.TEST else (),
    )


@pytest.fixture
def verdicts(tmp_path: Path) -> VerdictStore:
    return VerdictStore(tmp_path / "verdicts.sqlite")


G, R = Status.GREEN, Status.RED


def test_what_was_put_is_found_again_by_another_store(verdicts: VerdictStore) -> None:
    one = verdict(1, Suite.CHECK, G, G)
    verdicts.put([one, verdict(2, Suite.CHECK, R), verdict(1, Suite.CHECK, R, toolchain="other")])
    again = VerdictStore(verdicts.where)
    assert again.get(tree(1), "t", Suite.CHECK) == one
    assert again.get(tree(3), "t", Suite.CHECK) is None
    found = again.get_many([tree(2), tree(3), tree(1), tree(2)], "t", Suite.CHECK)
    assert list(found) == [tree(2), tree(1)]


def test_an_infrastructure_error_is_refused_and_nothing_beside_it_is_stored(verdicts: VerdictStore) -> None:
    with pytest.raises(RecordError, match="never stored"):
        verdicts.put([verdict(1, Suite.CHECK, G, G), verdict(2, Suite.CHECK, Status.INFRA_ERROR)])
    assert verdicts.get(tree(1), "t", Suite.CHECK) is None


def test_many_more_trees_than_one_statement_takes(verdicts: VerdictStore) -> None:
    verdicts.put(verdict(number, Suite.CHECK, G, G) for number in range(2500))
    found = verdicts.get_many([tree(number) for number in range(3000)], "t", Suite.CHECK)
    assert list(found) == [tree(number) for number in range(2500)]


@pytest.mark.parametrize(
    ("asked", "suite", "statuses", "answer"),
    [
        (Suite.CHECK, Suite.TEST, (G, G, G, G), G),
        (Suite.CHECK, Suite.TEST, (G, G, G, R), G),
        (Suite.CHECK, Suite.BUILD, (G, G, R), G),
        (Suite.CHECK, Suite.BUILD, (G, R), R),
        (Suite.CHECK, Suite.BUILD, (R,), R),
        (Suite.BUILD, Suite.TEST, (G, G, G, Status.TIMEOUT), G),
        (Suite.TEST, Suite.CHECK, (R,), R),
        (Suite.TEST, Suite.BUILD, (G, G, Status.TIMEOUT), Status.TIMEOUT),
        (Suite.TEST, Suite.CHECK, (G, G), None),
        (Suite.BUILD, Suite.CHECK, (G, G), None),
    ],
)
def test_one_suite_answers_for_another(
    verdicts: VerdictStore, asked: Suite, suite: Suite, statuses: tuple[Status, ...], answer: Status | None
) -> None:
    verdicts.put([verdict(1, suite, *statuses)])
    found = verdicts.get(tree(1), "t", asked)
    assert (found.status if found else None) is answer
    if found is not None:
        assert found.suite is asked
        assert all(result.stage in asked.stages for result in found.stages)
        assert bool(found.errors) == (answer is not G)
        assert not found.tests or asked is Suite.TEST


def test_a_verdict_without_stages_says_nothing_about_other_suites() -> None:
    rejected = Verdict(tree=tree(1), toolchain="t", suite=Suite.CHECK, status=Status.REJECTED)
    assert transfer(rejected, Suite.TEST) is None
    assert transfer(rejected, Suite.CHECK) is rejected


def test_a_damaged_file_and_a_full_disk_are_named(tmp_path: Path, verdicts: VerdictStore) -> None:
    (tmp_path / "damaged").write_bytes(b"no database at all, just text " * 100)
    with pytest.raises(EnvironmentFault, match="damaged"):
        VerdictStore(tmp_path / "damaged")
    verdicts.put([verdict(1, Suite.CHECK, G, G)])
    verdicts.close()
    with sqlite3.connect(verdicts.where) as connection:
        connection.execute("drop table verdicts")
    connection.close()
    with pytest.raises(EnvironmentFault, match="cannot be written"):
        verdicts.put([verdict(2, Suite.CHECK, G, G)])


def _put_many(url: str, toolchain: str) -> None:
    store = VerdictStore(url)
    for start in range(0, 200, 20):
        # each has some of its own, and some that all the others write as well
        store.put([verdict(number, Suite.CHECK, G, G, toolchain=toolchain) for number in range(start, start + 20)])
        store.put([verdict(number, Suite.CHECK, G, G, toolchain="shared") for number in reversed(range(20))])
    store.close()


def test_a_store_on_a_server_is_shared_by_processes(postgres: Callable[[], str]) -> None:
    url = postgres()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(url, name)) for name in ("t", "u", "v")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    store = VerdictStore(url)
    wanted = [tree(number) for number in range(200)]
    for name in ("t", "u", "v"):
        assert list(store.get_many(wanted, name, Suite.CHECK)) == wanted
    assert len(store.get_many(wanted, "shared", Suite.CHECK)) == 20
    again = verdict(3, Suite.CHECK, R, toolchain="t")
    store.put([again])
    assert store.get(tree(3), "t", Suite.CHECK) == again
    store.close()
