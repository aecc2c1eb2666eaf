"""Tokens: who comes in, and that they are never written anywhere."""

import logging
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from greenloop.ces.scripted import ScriptedBackend, ScriptedBooks
from greenloop.ces.server import Door, TcpAddress
from greenloop.ces.server import serve as run_server
from greenloop.ces.tokens import Tokens
from greenloop.records import EvaluationRequest, InputError, Status

Serve = Callable[..., Any]
Http = Callable[[Any], httpx.Client]
ANN, BOB = "ann-has-this-token-0123", "bob-has-that-token-4567"
ASKED = {"revision": "main", "diff": "x"}


@pytest.fixture
def tokens() -> Tokens:
    return Tokens({"ann": ANN, "bob": BOB})


def test_only_who_has_a_token_comes_in(serve: Serve, http: Http, tokens: Tokens) -> None:
    client = http(serve(tokens=tokens))
    for header in ({}, {"authorization": "Bearer wrong"}, {"authorization": ANN}, {"authorization": f"Basic {ANN}"},
                   {"authorization": f"Bearer {ANN}x"}, {"authorization": f"Bearer {ANN[:-1]}"},
                   {"authorization": "Bearer"}, {"authorization": "Bearer \xff\xfe".encode("latin-1")}):  # fmt: skip
        for method, path in (
            ("POST", "/v1/evaluations"),
            ("GET", "/v1/builds"),
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
            ("GET", "/nowhere"),
            ("PUT", "/v1/packs"),
        ):
            response = client.request(method, path, headers=header, json=ASKED)  # type: ignore[arg-type]
            assert (response.status_code, response.json()["reason"]) == (401, "unauthorized")
            assert response.headers["www-authenticate"].startswith("Bearer")
    for token in (ANN, BOB):
        for scheme in ("Bearer", "bearer"):
            response = client.post("/v1/evaluations", json=ASKED, headers={"authorization": f"{scheme} {token}"})
            assert response.status_code == 200
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 200


def test_a_refused_request_is_never_judged(serve: Serve, http: Http, tokens: Tokens) -> None:
    backend = ScriptedBackend()
    client = http(serve(backend, tokens=tokens))
    for size in (100, 10_000_000):
        # a client that writes all of its body before it reads still hears why it is refused
        assert client.post("/v1/evaluations", content=b"{" * size).status_code == 401
    assert backend.asked == []


def test_tokens_are_never_written(serve: Serve, http: Http, tokens: Tokens, caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: EvaluationRequest) -> Status:
        if request.diff == "broken":
            raise ZeroDivisionError
        return Status.GREEN

    with caplog.at_level(logging.DEBUG):
        client = http(serve(ScriptedBackend(broken), tokens=tokens))
        for header in ({"authorization": f"Bearer {ANN}"}, {"authorization": f"Bearer {BOB}wrong"}):
            client.post("/v1/evaluations", json=ASKED, headers=header)
            client.post("/v1/evaluations", json={**ASKED, "diff": "broken"}, headers=header)
            client.post("/v1/evaluations", content=b"{", headers=header)
            client.get(f"/v1/builds/x?token={ANN}", headers=header)
            client.get("/metrics", headers=header)
    assert "POST /v1/evaluations 200" in caplog.text
    assert "ann" in caplog.text, "who asked is written, by name"
    assert "POST /v1/evaluations 401" in caplog.text
    own = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith(("greenloop", "uvicorn"))
    )
    assert ANN not in own
    assert BOB not in own
    assert ANN not in repr(tokens)


def test_a_path_that_somebody_made_up_is_no_line_of_ours(
    serve: Serve, http: Http, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        http(serve()).get("/x%0a2026-01-01 INFO ready%1b[31m")
        while not (lines := [r.getMessage() for r in caplog.records if r.name == "greenloop.ces.access"]):
            time.sleep(0.01)  # it is written once the answer is on its way
    (line,) = lines
    assert line.startswith("GET /x\\n2026-01-01 INFO ready\\x1b[31m 404 ")


def test_tcp_without_tokens_is_refused(tmp_path: Any) -> None:
    door = Door(backend=ScriptedBackend(), shelf=ScriptedBooks(), import_pack=lambda _path: (), scratch=tmp_path)
    with pytest.raises(InputError, match="token"):
        run_server(door, TcpAddress("127.0.0.1", 0))


def test_tokens_are_read_line_by_line() -> None:
    read = Tokens.parse(f"# ours\n\nann {ANN}\n{BOB}\n", "tokens")
    assert read.owner(f"Bearer {ANN}") == "ann"
    assert read.owner(f"Bearer {BOB}") == "token-4"
    assert read.first == ANN


@pytest.mark.parametrize(
    "text",
    ["", "# none\n", "short\n", "ann short\n", f"ann {ANN}\nann {BOB}\n", f"ann {ANN} more\n", "a \x7f" + "x" * 20],
)
def test_bad_tokens_are_refused_without_showing_them(text: str) -> None:
    with pytest.raises(InputError) as error:
        Tokens.parse(text, "the file")
    assert ANN not in str(error.value)
    assert "short" not in str(error.value).replace("is not 16 or more", "")
