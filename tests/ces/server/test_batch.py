"""Batches: a line for each item as it is known, whatever becomes of the others."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from greenloop.ces.desk import Desk
from greenloop.ces.scripted import ScriptedBackend, ScriptedBooks, ScriptedBuilds, ScriptedJudge
from greenloop.ces.server import Bounds
from greenloop.records import Evaluation, EvaluationRequest, InputError, Status

Serve = Callable[..., Any]
Http = Callable[[Any], httpx.Client]
NDJSON = {"content-type": "application/x-ndjson"}
PATH = "/v1/evaluations:batch"


def ask(number: int) -> dict[str, str]:
    return {"revision": "main", "diff": f"change {number}"}


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    """Return what came, every line of it whole."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    body = response.content
    assert not body or body.endswith(b"\n")
    return [json.loads(line) for line in body.split(b"\n")[:-1]]


def test_every_item_has_its_line(serve: Serve, http: Http) -> None:
    client = http(serve())
    asked = [ask(number) for number in range(100)]
    for response in (
        client.post(PATH, json=asked),
        client.post(PATH, content="\n".join(map(json.dumps, asked)), headers=NDJSON),
        client.post(PATH, content="".join(json.dumps(one) + "\r\n\n" for one in asked), headers=NDJSON),
    ):
        told = lines(response)
        assert sorted(line["index"] for line in told) == list(range(100))
        assert len({line["evaluation"]["id"] for line in told}) == 100
        assert all(line["evaluation"]["record"] == "Evaluation" for line in told)
    assert lines(client.post(PATH, json=[])) == []


def test_a_bad_item_is_a_line_and_no_failed_batch(serve: Serve, http: Http) -> None:
    def script(request: EvaluationRequest) -> Status | InputError:
        if request.diff == "change 3":
            return InputError("no such tree", "send it first")
        if request.diff == "change 4":
            raise ZeroDivisionError
        return Status.RED

    client = http(serve(ScriptedBackend(script)))
    body = "\n".join(
        ["{", json.dumps(ask(1)), json.dumps({"revision": "main"}), *(json.dumps(ask(n)) for n in (3, 4)), "7"]
    )
    told = {line["index"]: line for line in lines(client.post(PATH, content=body, headers=NDJSON))}
    assert told[1]["evaluation"]["status"] == "red"
    reasons = {index: (line["error"]["status"], line["error"]["reason"]) for index, line in told.items() if index != 1}
    assert reasons == {
        0: (400, "malformed"),
        2: (422, "invalid"),
        3: (422, "input"),
        4: (500, "bug"),
        5: (422, "invalid"),
    }
    assert told[3]["error"]["way_out"] == "send it first"


def test_lines_come_as_they_are_known(serve: Serve, http: Http) -> None:
    heard = threading.Event()

    def script(request: EvaluationRequest) -> Evaluation:
        # the first item is not judged before its client has heard of another
        known = request.diff != "change 0" or heard.wait(60)
        return Evaluation(id="", status=Status.RED if known else Status.TIMEOUT)

    judge = ScriptedJudge(script)
    desk = Desk(judge, ScriptedBooks(), ScriptedBuilds(), fingerprint="", workers=2)
    client = http(serve(desk))
    with client.stream("POST", PATH, json=[ask(number) for number in range(20)]) as response:
        order = []
        for chunk in response.iter_raw():
            assert chunk.endswith(b"\n"), "a chunk holds whole lines"
            found = [json.loads(line) for line in chunk.splitlines()]
            assert all(line["evaluation"]["status"] == "red" for line in found)
            order += [line["index"] for line in found]
            heard.set()
    assert sorted(order) == list(range(20))
    assert order[0] != 0


def test_a_batch_larger_than_the_queue_is_fed_gradually(serve: Serve, http: Http) -> None:
    judge, books = ScriptedJudge(seconds=0.002), ScriptedBooks()
    desk = Desk(judge, books, ScriptedBuilds(), fingerprint="", workers=2, queue=4)
    address = serve(desk, books=books, load=desk.load)
    told: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: told.extend(lines(http(address).post(PATH, json=[ask(number) for number in range(200)])))
    )
    thread.start()
    deepest = 0
    while thread.is_alive():
        deepest = max(deepest, desk.load().queued)
        time.sleep(0.005)
    thread.join()
    assert sorted(line["index"] for line in told) == list(range(200))
    assert all("evaluation" in line for line in told)
    assert deepest <= 4


def test_a_client_that_does_not_read_holds_its_own_batch_back(serve: Serve, http: Http) -> None:
    big = "x" * 200_000
    judge = ScriptedJudge(lambda request: Evaluation(id="", status=Status.RED, note=big))
    desk = Desk(judge, ScriptedBooks(), ScriptedBuilds(), fingerprint="", workers=2)
    client = http(serve(desk, bounds=Bounds(batch_window=4)))
    with client.stream("POST", PATH, json=[ask(number) for number in range(200)]) as response:
        time.sleep(1.0)
        begun = len(judge.asked)
        assert begun < 150, "what nobody reads is not judged ahead"
        count = sum(chunk.count(b"\n") for chunk in response.iter_raw())
    assert count == 200


def test_work_ends_with_the_client_of_a_batch(serve: Serve, http: Http) -> None:
    judge = ScriptedJudge(seconds=lambda request: 0.0 if request.diff == "change 0" else 60.0)
    desk = Desk(judge, ScriptedBooks(), ScriptedBuilds(), fingerprint="", workers=3)
    client = http(serve(desk))
    with client.stream("POST", PATH, json=[ask(number) for number in range(20)]) as response:
        assert json.loads(next(response.iter_raw()))["index"] == 0
    end = time.monotonic() + 5
    while desk.load().running or desk.load().queued or judge.working:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert judge.killed >= 1


@pytest.mark.parametrize("length", ["100", "0"])
def test_work_ends_with_the_client_of_one_evaluation(serve: Serve, http: Http, length: str) -> None:
    judge = ScriptedJudge(seconds=60)
    desk = Desk(judge, ScriptedBooks(), ScriptedBuilds(), fingerprint="", workers=1)
    client = http(serve(desk))
    with pytest.raises(httpx.ReadTimeout):
        client.post("/v1/evaluations", json=ask(int(length)), timeout=0.3)
    end = time.monotonic() + 5
    while judge.working:
        assert time.monotonic() < end
        time.sleep(0.01)
    assert judge.killed == 1
    assert desk.load().cancellations == 1


def test_a_batch_is_refused_as_a_whole_only_for_its_form(serve: Serve, http: Http) -> None:
    client = http(serve())
    assert client.post(PATH, json={"revision": "main"}).status_code == 400
    assert client.post(PATH, content=b"[]", headers={"content-type": "text/plain"}).status_code == 415
