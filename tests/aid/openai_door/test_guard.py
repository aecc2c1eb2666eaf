"""Who is let in, and what is refused by name before it costs anything."""

import json
import socket
from typing import Any

import pytest

from greenloop.models.scripted import ScriptedModel

from .conftest import Served


@pytest.fixture
def model(served: Served) -> ScriptedModel:
    return served.world.script(["never asked"])


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "greenloop", "messages": [{"role": "user", "content": "do it"}]} | fields).encode()


def refused(served: Served, model: ScriptedModel, **request: Any) -> tuple[int, str]:
    answer = served.raw("POST", "/v1/chat/completions", **request)
    error = answer.json()["error"]
    assert error["message"]
    assert not model.requests
    return answer.status_code, error["code"]


@pytest.mark.parametrize(
    "authorization", ["", "Bearer", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x", "Bearer caf\u00e9"]
)
def test_without_the_token_nobody_comes_in(served: Served, model: ScriptedModel, authorization: str) -> None:
    headers = {"Authorization": authorization.format(token=served.token)}
    where = {"headers": {name: value.encode("latin-1") for name, value in headers.items()}, "content": body()}
    assert refused(served, model, **where) == (401, "unauthorized")
    assert served.raw("GET", "/v1/models", headers=headers | {"Authorization": "Bearer no"}).status_code == 401


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "127.0.0.1:{port}.evil.example", "[::1]:{port}"]
)
def test_a_foreign_name_is_refused_with_the_token_too(served: Served, model: ScriptedModel, host: str) -> None:
    headers = {"Host": host.format(port=served.endpoint.port)}
    assert refused(served, model, headers=headers, content=body()) == (421, "foreign-host")


def test_localhost_is_a_name_of_its_own(served: Served) -> None:
    assert served.raw("GET", "/v1/models", headers={"Host": f"localhost:{served.endpoint.port}"}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:{port}", ""])
def test_a_page_is_refused_whatever_it_is_called(served: Served, model: ScriptedModel, origin: str) -> None:
    headers = {"Origin": origin.format(port=served.endpoint.port)}
    assert refused(served, model, headers=headers, content=body()) == (403, "foreign-origin")
    asked = served.raw("OPTIONS", "/v1/chat/completions", headers=headers)
    assert not [name for name in asked.headers if name.startswith("access-control")]


def test_a_huge_body_is_refused_and_the_client_hears_it(served: Served, model: ScriptedModel) -> None:
    huge = body(messages=[{"role": "user", "content": "x" * (5 << 20)}])
    assert refused(served, model, content=huge) == (413, "message-too-large")


@pytest.mark.parametrize(
    ("content", "status", "code", "words"),
    [
        (b"{", 400, "input", "JSON"),
        (b"[]", 400, "input", "body"),
        (body(messages=[]), 400, "input", "messages"),
        (body(messages=[{"role": "system", "content": "x"}]), 400, "input", "user"),
        (body(messages=[{"role": "user", "content": " "}]), 400, "input", "empty"),
        (body(messages=[{"role": "user", "content": [{"type": "image_url"}]}]), 400, "input", "image_url"),
        (body(n=2), 400, "input", "n: "),
        (body(model="gpt-4o"), 404, "unknown-model", "gpt-4o"),
        (body(), 400, "no-workspace", "X-Greenloop-Workspace"),
        (body(model="greenloop:here"), 400, "invalid-params", "absolute"),
        (body(model="greenloop:/nowhere/at/all"), 400, "input", "/nowhere/at/all"),
        (body(model="greenloop:/" + "x" * 5000), 503, "environment", "too long"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(
    served: Served, model: ScriptedModel, content: bytes, status: int, code: str, words: str
) -> None:
    answer = served.raw("POST", "/v1/chat/completions", content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], model.requests) == (status, code, [])
    assert words in error["message"]


def test_other_paths_and_methods_are_errors_of_the_same_form(served: Served) -> None:
    assert served.raw("GET", "/v1/embeddings").json()["error"]["code"] == "unknown-path"
    assert served.raw("GET", "/v1/chat/completions").json()["error"]["code"] == "unknown-method"


def test_the_token_is_its_owners_alone_and_the_port_the_loopbacks(served: Served) -> None:
    assert served.place.token.stat().st_mode & 0o777 == 0o600
    assert served.token not in (served.place.folder / "openai.json").read_text()
    with socket.socket() as other, pytest.raises(OSError, match="refused"):
        # another address of the loopback stands for every other interface
        other.connect(("127.0.0.2", served.endpoint.port))
