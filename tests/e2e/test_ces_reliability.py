"""The evaluation service when things go wrong: killed, left by its clients, asked by many, asked nonsense."""

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import content_type_conformance, not_a_server_error, status_code_conformance

from greenloop.ces.client import AsyncClient, Client
from greenloop.ces.server.app import openapi
from greenloop.records import EnvironmentFault, Evaluation, EvaluationLimits, EvaluationRequest, Status, Suite

pytestmark = [
    pytest.mark.e2e,
    # httpcore forgets to close a Unix socket that it could not connect
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]
ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-tests-0123456789"


def asked(project: Any, number: int, suite: Suite = Suite.CHECK) -> EvaluationRequest:
    return EvaluationRequest(revision="HEAD", diff=project.diff(f"let twice x = x + x + {number}"), suite=suite)


def endless(project: Any, number: int = 0) -> EvaluationRequest:
    """Return a request whose test never ends."""
    return EvaluationRequest(
        revision="HEAD",
        diff=project.diff(f"let twice x = {number} * x", "let add _ _ = while true do () done; 3"),
        limits=EvaluationLimits(seconds=50),
    )


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_server_that_is_killed_keeps_what_was_finished(ces: Any, project: Any) -> None:
    server = ces("--warm", "HEAD")
    server.client.evaluate(asked(project, 0))
    told: dict[int, Evaluation] = {}

    def ask_many() -> None:
        with Client(server.client.address, tries=1) as client:
            for index, answer in client.batch(asked(project, number) for number in range(1, 200)):
                assert isinstance(answer, Evaluation)
                told[index + 1] = answer
                if len(told) == 5:
                    server.kill()

    with pytest.raises(EnvironmentFault):
        ask_many()
    assert 5 <= len(told) < 199
    socket = server.home / "ces" / "ces.sock"
    assert socket.exists(), "nobody tidied up"

    again = ces()
    for index, answer in told.items():
        kept = again.client.evaluation(answer.id)
        assert kept.model_copy(update={"timings": answer.timings}) == answer
        assert again.client.log(answer.id) is not None
        repeated = again.client.evaluate(asked(project, index))
        assert repeated.seen_before, "what was told is not judged again"
    assert [build.state for build in again.client.builds()] == ["green"]
    export = [sys.executable, "-m", "greenloop", "--home", str(server.home), "ces", "export"]
    done = subprocess.run(export, cwd=project.root, capture_output=True, text=True, check=True)
    kept_lines = [json.loads(line)["evaluation"] for line in done.stdout.splitlines()]
    assert len(kept_lines) >= len(told) + 1
    assert {line["status"] for line in kept_lines} == {"green"}
    rest = dict(again.client.batch(asked(project, number) for number in range(100, 104)))
    assert all(getattr(answer, "green", False) for answer in rest.values())
    until(lambda: not orphans(server.home))


def test_a_server_that_is_killed_again_and_again_comes_back_whole(ces: Any, project: Any) -> None:
    """Eight times at some moment: while it starts, warms, judges or stores. What was told is there, whole, and once."""
    told: dict[str, Any] = {}
    chance = random.Random(8)
    for turn in range(8):
        # late enough for some answers: the first turns end while the base is made
        server = ces(*(("--warm", "HEAD") if turn % 2 else ()))
        timer = threading.Timer(chance.uniform(0.05, 1.0 + turn / 2), server.kill)
        timer.start()
        with suppress(EnvironmentFault), Client(server.client.address, tries=1) as client:
            for _, answer in client.batch(asked(project, 100 * turn + number) for number in range(60)):
                assert isinstance(answer, Evaluation)
                told[answer.id] = answer
        timer.join()
    last = ces("--warm", "HEAD")
    home = last.home
    for evaluation_id, answer in told.items():
        kept = last.client.evaluation(evaluation_id)
        assert kept.model_copy(update={"timings": answer.timings}) == answer
        assert last.client.log(evaluation_id) is not None
    export = [sys.executable, "-m", "greenloop", "--home", str(home), "ces", "export"]
    done = subprocess.run(export, cwd=project.root, capture_output=True, text=True, check=True)
    kept_ids = [json.loads(line)["evaluation"]["id"] for line in done.stdout.splitlines()]
    assert len(kept_ids) == len(set(kept_ids)) >= len(told) > 0
    assert last.client.evaluate(asked(project, 9_000)).green
    assert [build.state for build in last.client.builds()] == ["green"]
    until(lambda: not orphans(home))


def orphans(home: Path) -> list[list[str]]:
    """Return the processes whose parent is gone and that work for a home, or are a test of the project."""
    found = []
    for process in psutil.process_iter(["cmdline", "ppid"]):
        words = process.info["cmdline"] or []
        if process.info["ppid"] == 1 and any(str(home) in word or word.endswith("/t.exe") for word in words):
            found.append(words)
    return found


def running_tests(server: Any) -> list[psutil.Process]:
    """Return the endless tests that run below a server."""
    found = []
    for process in server.family():
        try:
            words = process.cmdline()  # asked once: of a process that ends it is empty the next time
            if words and words[0].endswith("t.exe"):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def test_requests_that_are_cancelled_leave_no_process(ces: Any, project: Any) -> None:
    server = ces("--warm", "HEAD")
    server.client.evaluate(asked(project, 0, Suite.TEST))

    async def leave_one() -> None:
        async with AsyncClient(server.client.address) as client:
            task = asyncio.create_task(client.evaluate(endless(project)))
            await asyncio.to_thread(until, lambda: running_tests(server))
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave_one())
    until(lambda: not running_tests(server), 10)

    # of two who wait for the same thing, the first one that leaves ends nothing
    async def leave_in_turn() -> None:
        async with AsyncClient(server.client.address) as client:
            tasks = [asyncio.create_task(client.evaluate(endless(project))) for _ in range(2)]
            await asyncio.to_thread(until, lambda: running_tests(server))
            (running, *_) = running_tests(server)
            await asyncio.sleep(0.3)
            tasks[0].cancel()
            await asyncio.sleep(0.5)
            assert running.is_running()
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(leave_in_turn())
    until(lambda: not running_tests(server), 10)

    # a client that is killed in the middle of a batch
    script = (
        "import sys; from greenloop.ces.client import Client; from greenloop.records import EvaluationRequest\n"
        "asked = [EvaluationRequest.from_json(line) for line in sys.stdin]\n"
        "list(Client(sys.argv[1]).batch(asked))\n"
    )
    words = [sys.executable, "-c", script, server.client.address]
    with subprocess.Popen(words, stdin=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None
        client.stdin.write("".join(endless(project, number).to_json() + "\n" for number in range(1, 7)))
        client.stdin.close()
        until(lambda: len(running_tests(server)) >= 2)
        client.kill()
    until(lambda: not running_tests(server), 10)

    assert server.client.evaluate(asked(project, 1, Suite.TEST)).green
    cancelled = [line for line in server.metrics().splitlines() if line.startswith("greenloop_ces_cancellations_total")]
    assert float(cancelled[0].split()[1]) >= 4


def test_ending_kills_what_is_at_work(ces: Any, project: Any) -> None:
    server = ces("--warm", "HEAD")
    server.client.evaluate(asked(project, 0, Suite.TEST))

    async def play() -> BaseException | Evaluation:
        async with AsyncClient(server.client.address, tries=1) as client:
            task = asyncio.create_task(client.evaluate(endless(project)))
            await asyncio.to_thread(until, lambda: running_tests(server))
            family = server.family()
            seconds = await asyncio.to_thread(server.end)
            assert seconds < 10
            _, alive = psutil.wait_procs(family, timeout=5)
            assert alive == []
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            return ended

    ended = asyncio.run(play())
    assert isinstance(ended, EnvironmentFault)
    assert not (server.home / "ces" / "ces.sock").exists()
    assert not (server.home / "ces" / "server.json").exists()


def test_sixteen_clients_at_once(ces: Any, project: Any) -> None:
    server = ces("--warm", "HEAD")

    async def one(number: int) -> list[Evaluation]:
        async with AsyncClient(server.client.address) as client:
            # some of it is asked by everybody, some by this one alone
            numbers = [0, 1, 100 + number, 2, 1, 200 + number]
            return [await client.evaluate(asked(project, n)) for n in numbers]

    async def everybody() -> list[list[Evaluation]]:
        return await asyncio.gather(*(one(number) for number in range(16)))

    told = asyncio.run(everybody())
    assert all(answer.green for answers in told for answer in answers)
    ids = {answer.id for answers in told for answer in answers}
    assert len(ids) == 3 + 2 * 16
    # each was judged once, however many asked
    judged = [answer.id for answers in told for answer in answers if not answer.seen_before]
    assert set(judged) == ids
    text = server.metrics()
    coalesced, remembered = (
        float(next(line for line in text.splitlines() if line.startswith(name)).split()[1])
        for name in ("greenloop_ces_coalesced_total", "greenloop_ces_remembered_total")
    )
    assert coalesced + remembered == 16 * 6 - len(ids)


def test_nonsense_from_the_document_is_no_mistake_of_the_service(ces: Any, project: Any) -> None:
    server = ces("--listen", "0", "--warm", "HEAD", environment={"GREENLOOP_CES_TOKEN": TOKEN}, token=TOKEN)
    server.client.evaluate(asked(project, 0))
    document = json.loads(openapi())
    # what is asked about is there, so that more than the door is tried
    fields = document["components"]["schemas"]["EvaluationRequest"]["properties"]
    fields["revision"] = {"enum": ["HEAD", "calc@HEAD", "calc@HEAD~0", "HEAD\0"]}
    for name in ("WriteFile", "DeleteFile", "RenameFile", "ReplaceBlocks"):
        place = document["components"]["schemas"][name]["properties"]
        place["path"] = {"enum": ["lib/calc.ml", "lib/dune", "lib/new.ml", "../x", "test/t.ml", "lib"]}
    fields["suite"] = {"const": "check"}
    fields["base_tree"] = {"type": "null"}
    del fields["stages"]
    operation = schemathesis.openapi.from_dict(document)["/v1/evaluations"]["POST"]
    bounded = settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    statuses: dict[int, int] = {}

    def ask(case: Any) -> None:
        response = case.call(base_url=server.client.address, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)
        case.validate_response(response, checks=[not_a_server_error, status_code_conformance, content_type_conformance])
        statuses[response.status_code] = statuses.get(response.status_code, 0) + 1

    bounded(given(operation.as_strategy())(ask))()
    assert 200 in statuses
    assert "Traceback" not in server.log


@pytest.mark.slow
def test_a_long_run_leaves_nothing_behind() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "ces_soak.py"), "--evaluations", "300", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    assert report["grown"] == [], report
    assert done.returncode == 0
    assert sum(report["ends"].values()) == 300
    assert {"green", "red", "rejected", "left"} <= set(report["ends"])
    assert Status.INFRA_ERROR.value not in report["ends"]
