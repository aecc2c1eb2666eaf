"""The endpoints, over a real socket: what they answer, and how they refuse."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from greenloop.ces.desk import Desk
from greenloop.ces.scripted import ScriptedBackend, ScriptedBooks, ScriptedBuilds, ScriptedJudge
from greenloop.ces.server import Bounds, Door, UnixAddress, in_background
from greenloop.ces.server.app import openapi
from greenloop.ces.wire import PROBLEM
from greenloop.records import (
    Conflict,
    Diagnostic,
    EditError,
    Evaluation,
    EvaluationRequest,
    GreenloopError,
    InfrastructureError,
    InputError,
    Overloaded,
    Status,
    TreeId,
    WarmBuild,
)

Serve = Callable[..., Any]
Http = Callable[[Any], httpx.Client]
ASKED = {"revision": "main", "diff": "x"}


def refused(response: httpx.Response, status: int, reason: str) -> dict[str, Any]:
    """Return the problem, which has the right form whatever it is about."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == PROBLEM
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["reason"] == reason
    assert problem["detail"]
    return problem


def test_an_edit_is_judged_and_found_again(serve: Serve, http: Http) -> None:
    books = ScriptedBooks()
    desk = Desk(ScriptedJudge(), books, ScriptedBuilds(), fingerprint="f" * 64)
    client = http(serve(desk, books=books, load=desk.load))
    response = client.post("/v1/evaluations", json=ASKED)
    told = Evaluation.from_json(response.text)
    assert told.green
    assert not told.seen_before
    again = Evaluation.from_json(client.post("/v1/evaluations", json=ASKED).text)
    assert (again.id, again.seen_before) == (told.id, True)
    kept = Evaluation.from_json(client.get(f"/v1/evaluations/{told.id}").text)
    assert kept.model_copy(update={"timings": told.timings}) == told
    log = client.get(f"/v1/evaluations/{told.id}/log")
    assert (log.text, log.headers["content-type"]) == ("scripted\n", "text/plain; charset=utf-8")
    assert log.headers["x-content-type-options"] == "nosniff"
    for path in (f"/v1/evaluations/{'0' * 64}", f"/v1/evaluations/{'0' * 64}/log"):
        refused(client.get(path), 404, "not-found")


def test_a_request_may_be_a_whole_record(serve: Serve, http: Http) -> None:
    backend = ScriptedBackend()
    client = http(serve(backend))
    request = EvaluationRequest(base_tree="a" * 40, diff="x", refuse=())
    assert client.post("/v1/evaluations", content=request.to_json(), headers=JSON).status_code == 200
    assert backend.asked == [request]
    staged = {**ASKED, "stages": ["parse", "types"]}
    assert Evaluation.from_json(client.post("/v1/evaluations", json=staged).text).suite == "check"
    refused(client.post("/v1/evaluations", json={**ASKED, "version": 9}), 400, "malformed")
    refused(client.post("/v1/evaluations", json={**ASKED, "record": "Edit"}), 400, "malformed")


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"revision": NaN}', b"[" * 100_000, b'"\\ud800"', b'{"revision":"a"', b"nul", b"{}{}"],
)
def test_what_is_no_json_is_malformed(serve: Serve, http: Http, body: bytes) -> None:
    client = http(serve())
    refused(client.post("/v1/evaluations", content=body, headers=JSON), 400, "malformed")
    refused(client.post("/v1/builds", content=body, headers=JSON), 400, "malformed")
    refused(client.post("/v1/evaluations:batch", content=body, headers=JSON), 400, "malformed")


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"diff": "x"}, ""),
        ({"revision": "main"}, ""),
        ({**ASKED, "edit": {"files": []}}, ""),
        ({**ASKED, "suite": "all"}, "suite"),
        ({**ASKED, "stages": ["tests"]}, ""),
        ({**ASKED, "stages": [[]]}, "stages.0"),
        ({**ASKED, "repeats": 10**9}, "repeats"),
        ({**ASKED, "repeats": "2"}, "repeats"),
        ({**ASKED, "fresh": 1}, "fresh"),
        ({**ASKED, "limits": {"seconds": True}}, "limits.seconds"),
        ({**ASKED, "nonsense": 1}, "nonsense"),
        ({**ASKED, "limits": {"seconds": -1}}, "limits.seconds"),
        ([], ""),
        (1, ""),
        ("text", ""),
    ],
)
def test_what_is_wrong_with_a_request_is_named(serve: Serve, http: Http, body: object, where: str) -> None:
    client = http(serve())
    problem = refused(client.post("/v1/evaluations", json=body), 422, "invalid")
    assert [fault["where"] for fault in problem["errors"]] == [where]


def test_what_stood_in_a_field_is_not_repeated(serve: Serve, http: Http) -> None:
    hidden = {"path": "t.ml", "content": "the hidden test", "colour": "the hidden test"}
    response = http(serve()).post("/v1/evaluations", json={**ASKED, "hidden": [hidden]})
    refused(response, 422, "invalid")
    assert "the hidden test" not in response.text


@pytest.mark.parametrize(
    ("error", "status", "reason", "retry_after"),
    [
        (InputError("no such revision", "name another"), 422, "input", None),
        (EditError("cannot be read", reason="too-long"), 422, "too-long", None),
        (Conflict("used before"), 409, "conflict", None),
        (Overloaded("full", retry_after=2.4), 429, "overloaded", "3"),
        (Overloaded("full", retry_after=0.01), 429, "overloaded", "1"),
        (InfrastructureError("no disk"), 503, "unavailable", "1"),
    ],
)
def test_errors_have_their_statuses(
    serve: Serve, http: Http, error: GreenloopError, status: int, reason: str, retry_after: str | None
) -> None:
    client = http(serve(ScriptedBackend(lambda _request: error)))
    response = client.post("/v1/evaluations", json=ASKED)
    problem = refused(response, status, reason)
    assert problem.get("way_out", "") == error.way_out
    assert response.headers.get("retry-after") == retry_after


def test_a_mistake_of_the_service_tells_nothing_of_its_inside(
    serve: Serve, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_request: EvaluationRequest) -> Status:
        raise ZeroDivisionError("at secret.py:3")

    client = http(serve(ScriptedBackend(broken)))
    response = client.post("/v1/evaluations", json=ASKED)
    refused(response, 500, "bug")
    assert "secret" not in response.text
    end = time.monotonic() + 5
    while "secret.py:3" not in caplog.text:
        assert time.monotonic() < end, "whoever runs it finds it in the log"
        time.sleep(0.01)
    assert client.get("/healthz").status_code == 200


def test_the_content_type_must_be_right(serve: Serve, http: Http) -> None:
    client = http(serve())
    for headers in ({}, {"content-type": "text/plain"}, {"content-type": "application/x-www-form-urlencoded"}):
        for path in ("/v1/evaluations", "/v1/evaluations:batch", "/v1/builds"):
            refused(client.post(path, content=b"{}", headers=headers), 415, "media-type")
    refused(client.put("/v1/packs", content=b"PACK", headers=JSON), 415, "media-type")
    assert (
        client.post(
            "/v1/evaluations", content=json.dumps(ASKED), headers={"content-type": "Application/JSON; charset=utf-8"}
        ).status_code
        == 200
    )


def test_unknown_places_and_methods(serve: Serve, http: Http) -> None:
    client = http(serve())
    refused(client.get("/"), 404, "not-found")
    refused(client.get("/v1/evaluations"), 405, "method")
    refused(client.delete("/v1/builds"), 405, "method")
    refused(client.get("/v1/builds/nothing"), 404, "not-found")


def test_bodies_have_a_largest_size(serve: Serve, http: Http) -> None:
    packs: list[bytes] = []

    def take(path: Path) -> tuple[TreeId, ...]:
        packs.append(path.read_bytes())
        return ("c" * 40,)

    bounds = Bounds(body_bytes=1000, batch_bytes=3000, pack_bytes=2000, batch_items=3)
    client = http(serve(bounds=bounds, import_pack=take))
    big = json.dumps({**ASKED, "diff": "x" * 1000}).encode()
    refused(client.post("/v1/evaluations", content=big, headers=JSON), 413, "too-large")
    # without a length that is announced, the bytes themselves are counted
    refused(client.post("/v1/evaluations", content=iter([big[:600], big[600:]]), headers=JSON), 413, "too-large")
    refused(client.post("/v1/evaluations", content=b" " * 20_000_000, headers=JSON), 413, "too-large")
    refused(client.post("/v1/evaluations:batch", json=[ASKED] * 4), 413, "too-large")
    refused(client.post("/v1/evaluations:batch", content=b" " * 3001, headers=JSON), 413, "too-large")
    pack = {"content-type": "application/x-git-pack"}
    refused(client.put("/v1/packs", content=b"x" * 2001, headers=pack), 413, "too-large")
    assert client.put("/v1/packs", content=b"x" * 2000, headers=pack).json() == {"trees": ["c" * 40]}
    assert packs == [b"x" * 2000]


def test_a_pack_that_is_none_is_refused_and_leaves_nothing(serve: Serve, http: Http, tmp_path: Path) -> None:
    def no_pack(_path: Path) -> tuple[TreeId, ...]:
        raise InputError("not a whole git pack")

    client = http(serve(import_pack=no_pack))
    response = client.put("/v1/packs", content=b"PACK", headers={"content-type": "application/x-git-pack"})
    refused(response, 422, "input")
    assert list((tmp_path / "scratch").iterdir()) == []


def test_builds_are_listed_and_warmed(serve: Serve, http: Http) -> None:
    client = http(serve())
    assert client.get("/v1/builds").json() == {"builds": []}
    response = client.post("/v1/builds", json={"revision": "main"})
    assert response.status_code == 202
    warmed = WarmBuild.from_json(response.text)
    assert client.get("/v1/builds").json() == {"builds": [json.loads(response.text)]}
    for name in ("main", warmed.tree):
        assert WarmBuild.from_json(client.get(f"/v1/builds/{name}").text) == warmed
    refused(client.post("/v1/builds", json={"revision": "other"}), 422, "input")
    refused(client.post("/v1/builds", json={"revision": ""}), 422, "invalid")


class SlowStart(ScriptedBackend):
    """Comes up when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.up = threading.Event()

    async def start(self) -> None:
        await asyncio.to_thread(self.up.wait, 20)


def test_a_service_that_is_starting_says_so(tmp_path: Path) -> None:
    backend = SlowStart()
    address = UnixAddress(tmp_path / "s" / "ces.sock")
    door = Door(backend=backend, shelf=ScriptedBooks(), import_pack=lambda _path: (), scratch=tmp_path)
    seen: list[int] = []

    def look() -> None:
        with httpx.Client(
            transport=httpx.HTTPTransport(uds=str(address.path), retries=5), base_url="http://ces"
        ) as client:
            while not address.path.exists():
                time.sleep(0.01)
            seen.append(client.get("/healthz").status_code)
            seen.append(refused(client.get("/readyz"), 503, "unavailable")["status"])
            seen.append(refused(client.post("/v1/evaluations", json=ASKED), 503, "unavailable")["status"])
            backend.up.set()

    thread = threading.Thread(target=look)
    thread.start()
    with in_background(door, address):
        thread.join()
        assert seen == [200, 503, 503]
    assert backend.closed


def test_a_backend_that_does_not_come_up_ends_the_service(serve: Serve, tmp_path: Path) -> None:
    backend = ScriptedBackend(fault=InfrastructureError("no overlay here", "mount one"))
    with pytest.raises(InfrastructureError, match="no overlay here"):
        serve(backend)
    assert backend.closed
    assert not (tmp_path / "s" / "ces.sock").exists()


def test_figures_for_prometheus(serve: Serve, http: Http) -> None:
    judge, books = ScriptedJudge(), ScriptedBooks()
    desk = Desk(judge, books, ScriptedBuilds({"main": "a" * 40}), fingerprint="f" * 64, workers=3)
    client = http(serve(desk, books=books, load=desk.load))
    client.post("/v1/builds", json={"revision": "main"})
    for _ in range(3):
        client.post("/v1/evaluations", json=ASKED)
    client.get("/a/path/that/someone/made/up")
    text = client.get("/metrics").text
    for line in (
        'greenloop_ces_evaluations_total{seen_before="no",status="green"} 1.0',
        'greenloop_ces_evaluations_total{seen_before="yes",status="green"} 2.0',
        'greenloop_ces_requests_total{route="/v1/evaluations",status="200"} 3.0',
        'greenloop_ces_requests_total{route="other",status="404"} 1.0',
        'greenloop_ces_warm_builds{state="green"} 1.0',
        "greenloop_ces_wait_seconds_count 1.0",
        "greenloop_ces_remembered_total 2.0",
        "greenloop_ces_workers 3.0",
        "greenloop_ces_queue_depth 0.0",
    ):
        assert line in text.splitlines()
    assert "made" not in text


def test_the_openapi_document_is_what_the_records_say(serve: Serve, http: Http) -> None:
    client = http(serve())
    told = client.get("/openapi.json")
    assert told.text == openapi()
    document = told.json()
    schemas = document["components"]["schemas"]
    assert set(schemas["Evaluation"]["properties"]) == {*Evaluation.model_fields, "record", "version"}
    assert set(schemas["EvaluationRequest"]["properties"]) == {
        *EvaluationRequest.model_fields, "record", "version", "stages",
    }  # fmt: skip
    assert schemas["Diagnostic"]["description"].startswith((Diagnostic.__doc__ or "").split("\n")[0][:20])
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert ("post", "/v1/evaluations:batch") in described
    assert len(described) == 11


def test_the_document_in_docs_is_the_one_that_is_served() -> None:
    page = Path(__file__).parents[3] / "docs" / "ces-openapi.json"
    assert page.read_text() == openapi(), "run `make docs`"
