"""The books, on SQLite and on a real PostgreSQL: whole or not at all, in order, and never a reward."""

import itertools
import json
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenloop.ces.ledger import MAX_LOG_BYTES, Ledger
from greenloop.ces.policy import reward
from greenloop.records import (
    Conflict,
    EnvironmentFault,
    Evaluation,
    InputError,
    RecordError,
    Rung,
    Stage,
    StageResult,
    Status,
    TestResult,
    TestStatus,
)


def evaluation(number: int, status: Status = Status.GREEN, **more: object) -> Evaluation:
    given: dict[str, object] = {
        "id": f"{number:064x}",
        "status": status,
        "base": "b" * 40,
        "result": f"{number:040x}",
        "toolchain": "t" * 64,
        "rung": Rung.EXACT,
        "stages": (StageResult(stage=Stage.PARSE, status=status, seconds=0.1),),
        "note": 'any text: \0 " \\ 🐫',
    }
    return Evaluation.model_validate(given | more)


def failing(number: int, *tests: str) -> Evaluation:
    results = tuple(TestResult(name=name, status=TestStatus.FAILED) for name in tests)
    return evaluation(number, Status.RED, tests=(TestResult(name="fine", status=TestStatus.PASSED), *results))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ces.db"
    new: Callable[[], str] = request.getfixturevalue("postgres")
    return new()


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    clock = itertools.count(1_000_000)
    ledger = Ledger(url, now=lambda: float(next(clock)))
    yield ledger
    ledger.close()


def test_what_was_put_is_found_again_by_another_process_with_its_log(ledger: Ledger) -> None:
    ledger.put(evaluation(1), "what dune said: 🐫\n")
    ledger.put(evaluation(2, Status.RED))
    again = Ledger(ledger.url)
    assert again.get(evaluation(1).id) == evaluation(1)
    assert again.get(evaluation(2).id) == evaluation(2, Status.RED)
    assert again.get(evaluation(3).id) is None
    assert again.log(evaluation(1).id) == "what dune said: 🐫\n"
    assert again.log(evaluation(2).id) == ""
    assert again.log(evaluation(3).id) is None
    again.close()


def test_an_evaluation_that_is_judged_anew_takes_the_place_of_the_old_one(ledger: Ledger) -> None:
    ledger.put(evaluation(1, Status.RED), "old")
    ledger.put(evaluation(2), "")
    ledger.put(evaluation(1), "new")
    assert ledger.get(evaluation(1).id) == evaluation(1)
    assert ledger.log(evaluation(1).id) == "new"
    assert [entry.evaluation.id for entry in ledger.entries()] == [evaluation(2).id, evaluation(1).id]


def test_a_fault_of_the_machine_is_never_stored(ledger: Ledger) -> None:
    with pytest.raises(RecordError, match="never stored"):
        ledger.put(evaluation(1, Status.INFRA_ERROR), key="k", request="r")
    assert list(ledger.entries()) == []
    assert ledger.by_key("k") is None


def test_a_long_log_keeps_both_its_ends(ledger: Ledger) -> None:
    log = "first line\n" + "x" * (4 * MAX_LOG_BYTES) + "\nlast line"
    ledger.put(evaluation(1), log)
    kept = ledger.log(evaluation(1).id)
    assert kept is not None
    assert kept.startswith("first line\n")
    assert kept.endswith("\nlast line")
    assert "bytes left out" in kept
    assert len(kept.encode()) < MAX_LOG_BYTES + 100


@pytest.mark.parametrize("key", ["plain", "with \0 in it", "k" * 5000, "🐫"])
def test_an_idempotency_key_stands_for_one_request(ledger: Ledger, key: str) -> None:
    assert ledger.by_key(key) is None
    ledger.bind(key, "request one", evaluation(1).id)
    ledger.bind(key, "request one", evaluation(1).id)
    assert ledger.by_key(key) == ("request one", evaluation(1).id)
    with pytest.raises(Conflict, match="another request"):
        ledger.bind(key, "request two", evaluation(2).id)
    with pytest.raises(InputError):
        ledger.put(evaluation(2), key=key, request="request two")
    # all or nothing
    assert ledger.get(evaluation(2).id) is None
    assert ledger.by_key(key) == ("request one", evaluation(1).id)
    ledger.put(evaluation(1), key=key, request="request one")
    assert ledger.get(evaluation(1).id) == evaluation(1)


def test_an_export_has_a_stable_order_and_goes_on_where_it_was(ledger: Ledger) -> None:
    for number in range(230):
        ledger.put(evaluation(number))
    lines = list(ledger.export())
    assert lines == list(ledger.export())
    read = [json.loads(line) for line in lines]
    assert [one["evaluation"]["id"] for one in read] == [evaluation(number).id for number in range(230)]
    assert [one["created"] for one in read] == [1_000_000.0 + number for number in range(230)]
    assert Evaluation.from_json(json.dumps(read[7]["evaluation"])) == evaluation(7)
    assert not any("\n" in line for line in lines)
    # a part first, then the rest, whatever came meanwhile
    first = list(itertools.islice(ledger.export(), 210))
    ledger.put(evaluation(5000))
    rest = list(ledger.export(since=json.loads(first[-1])["seq"]))
    assert first + rest[:-1] == lines
    assert json.loads(rest[-1])["evaluation"]["id"] == evaluation(5000).id


def test_rewards_are_the_clients_and_are_never_stored(ledger: Ledger) -> None:
    ledger.put(evaluation(1))
    ledger.put(evaluation(2, Status.RED))
    before = list(ledger.export())
    assert [worth for _, worth in ledger.rescore(reward)] == [1.0, 0.0]
    assert [worth for _, worth in ledger.rescore(lambda one: float(len(one.stages)), since=1)] == [1.0]
    assert list(ledger.export()) == before
    assert "reward" not in "".join(before)


def test_a_quarantined_test_is_known_to_its_project_and_toolchain(ledger: Ledger) -> None:
    names = ["suite/0/ticks", 'any "name" \0 \\ %_🐫']
    ledger.add_quarantine("t", "shop", names, "disagreed in 3 runs")
    ledger.add_quarantine("t", "shop", names[:1])
    assert ledger.quarantine("t", "shop") == frozenset(names)
    assert ledger.quarantine("t", "other") == frozenset()
    assert ledger.quarantine("u", "shop") == frozenset()


def test_what_is_red_by_a_test_that_turns_out_flaky_is_judged_anew(ledger: Ledger) -> None:
    name = "g/ticks_100%/0"
    ledger.put(failing(1, name))
    ledger.put(failing(2, "g/ticks_1000/0"))
    ledger.put(evaluation(3, tests=(TestResult(name=name, status=TestStatus.PASSED),)))
    ledger.put(evaluation(4, Status.RED, flags=("tests-missing",), note=f"not seen: {name}"))
    ledger.add_quarantine("t", "", [name])
    assert [ledger.get(evaluation(number).id) is None for number in (1, 2, 3, 4)] == [True, False, False, True]
    # it happened all the same: whoever reads the books sees it
    assert len(list(ledger.entries())) == 4
    ledger.put(evaluation(1))
    assert ledger.get(evaluation(1).id) == evaluation(1)


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    def write(start: int) -> None:
        for number in range(start, start + 25):
            ledger.put(evaluation(number), f"log {number}")

    threads = [threading.Thread(target=write, args=(100 * number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [entry.seq for entry in ledger.entries()] == list(range(1, 101))


def _write_many(url: str, start: int) -> None:
    ledger = Ledger(url)
    for number in range(start, start + 20):
        ledger.put(evaluation(number), f"log {number}", key=f"key {number}", request="r")
        # everybody wants this one too
        ledger.put(evaluation(999_999), "shared")
    ledger.close()


def test_several_processes_write_at_once_and_lose_nothing(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    # they also find no database yet, and make the tables at the same moment
    workers = [context.Process(target=_write_many, args=(url, 1000 * number)) for number in range(3)]
    for worker in workers:
        worker.start()
    seen: list[int] = []
    ledger = Ledger(url)
    while any(worker.is_alive() for worker in workers) or not seen:
        # a reader that only ever goes on from where it was
        seen += [entry.seq for entry in ledger.entries(since=seen[-1] if seen else 0)]
        if all(worker.exitcode is not None for worker in workers):
            break
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    seen += [entry.seq for entry in ledger.entries(since=seen[-1] if seen else 0)]
    assert seen == sorted(set(seen))
    entries = list(ledger.entries())
    assert {entry.seq for entry in entries} <= set(seen)
    assert {entry.evaluation.id for entry in entries} == {
        evaluation(number).id for number in [*(1000 * part + one for part in range(3) for one in range(20)), 999_999]
    }
    assert ledger.by_key("key 2007") == ("r", evaluation(2007).id)
    ledger.close()


_VICTIM = """
import sys
from greenloop.ces.ledger import Ledger
from greenloop.records import Evaluation, Status
ledger = Ledger(sys.argv[1])
for number in range(int(sys.argv[2]), 10**9):
    ledger.put(Evaluation(id=f"{number:064x}", status=Status.GREEN, note="x" * 20_000), f"log {number} " * 5_000)
    print(number, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_every_finished_evaluation_whole(url: str) -> None:
    told: set[int] = set()
    for life in range(3):
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, url, str(1000 * life)], stdout=subprocess.PIPE, text=True
        )
        assert victim.stdout is not None
        for line in itertools.islice(victim.stdout, 3 + life):
            told.add(int(line))
        victim.kill()
        told |= {int(line) for line in victim.stdout if line.endswith("\n")}
        victim.wait()
        victim.stdout.close()
    ledger = Ledger(url)
    entries = {int(entry.evaluation.id, 16): entry.evaluation for entry in ledger.entries()}
    # told is stored; what was stored and could not be told any more is whole too
    assert told <= entries.keys()
    for number, stored in entries.items():
        assert stored.note == "x" * 20_000
        log = ledger.log(stored.id)
        assert log is not None
        assert log.startswith(f"log {number} ")
    ledger.put(evaluation(1))
    ledger.close()


def test_a_database_that_fails_is_named_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(b"no database at all, just text " * 100)
    with pytest.raises(EnvironmentFault, match="damaged"):
        Ledger(tmp_path / "damaged")
    with pytest.raises(EnvironmentFault) as caught:
        Ledger(f"postgresql://someone:secret@/nowhere?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert "nowhere" in str(caught.value)
    for wrong in ("mysql://x/y", "sqlite://", "://"):
        with pytest.raises(InputError, match=r"sqlite:///PATH"):
            Ledger(wrong)
