"""Servers as they are: good ones, odd ones, broken ones; each is a real HTTP server on loopback with a script."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from greenloop.models.openai_server import OpenAIModel
from greenloop.models.openai_stream import Bounds
from greenloop.models.scripted_server import ScriptedServer as StreamingServer
from greenloop.models.scripted_server import Served
from greenloop.models.seam import Message, Request
from greenloop.records import InputError, ModelError

KEY = "sk-very-secret-0123456789"  # pragma: allowlist secret
ASK = Request((Message("system", "be brief"), Message("user", "hello")), max_tokens=9, temperature=0.5, seed=4)


@dataclass(frozen=True)
class Answer:
    """What the server sends: a status, bytes, and how it ends."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    cut: int = 0
    """How many bytes of the body never come, though announced."""
    wait: threading.Event | None = None
    """The server answers only once this is set."""


@dataclass
class ScriptedServer:
    """A chat completions server that answers request after request from ``answers``; the last one is repeated."""

    answers: list[Answer | Callable[[dict[str, Any]], Answer]]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def next(self, body: dict[str, Any]) -> Answer:
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        return answer if isinstance(answer, Answer) else answer(body)


def completion(*texts: str | None, **more: object) -> Answer:
    """A well-formed answer with these replies."""
    choices = [
        {"index": i, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        for i, text in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return Answer(json.dumps({"id": "x", "choices": choices, "usage": usage, **more}).encode())


Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start(*answers: Answer | Callable[[dict[str, Any]], Answer]) -> ScriptedServer:
        scripted = ScriptedServer(list(answers))

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                scripted.requests.append(body)
                scripted.headers.append({name.lower(): value for name, value in self.headers.items()})
                answer = scripted.next(body)
                if answer.wait is not None:
                    answer.wait.wait(30)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.content_type)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body[: len(answer.body) - answer.cut])
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass  # a client that gave up waiting is part of the tests

        server = Server(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        running.append((server, thread))
        scripted.url = f"http://127.0.0.1:{server.server_port}/v1"
        return scripted

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url: str, request: Request = ASK, **settings: Any) -> tuple[str, ...]:
    with OpenAIModel(url, "tiny", KEY, retries=settings.pop("retries", 0), **settings) as model:
        return tuple(reply.text for reply in model.complete(request))


def test_one_reply_and_what_was_sent(serve: Serve) -> None:
    server = serve(completion("hi"))
    with OpenAIModel(server.url, "tiny", KEY) as model:
        (reply,) = model.complete(ASK)
        assert model.name == "openai:tiny"
    assert (reply.text, reply.finish_reason, reply.prompt_tokens, reply.reply_tokens) == ("hi", "stop", 7, 3)
    assert server.requests == [
        {
            "model": "tiny",
            "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
            "temperature": 0.5,
            "max_tokens": 9,
            "seed": 4,
        }
    ]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_n_replies_in_one_call(serve: Serve) -> None:
    server = serve(completion("a", "b", "c"))
    assert ask(server.url, Request(ASK.messages, n=3, stop=("\n\n",))) == ("a", "b", "c")
    assert [(request["n"], request["stop"]) for request in server.requests] == [(3, ["\n\n"])]


def test_a_server_that_ignores_n_is_asked_again_with_the_next_seed(serve: Serve) -> None:
    server = serve(completion("a"), completion("b"), completion("c"))
    assert ask(server.url, Request(ASK.messages, n=3, seed=10)) == ("a", "b", "c")
    assert [request["seed"] for request in server.requests] == [10, 11, 12]


def refusing(*options: str) -> Callable[[dict[str, Any]], Answer]:
    def answer(body: dict[str, Any]) -> Answer:
        for option in options:
            if option in body:
                error = {"error": {"message": f"Unsupported parameter: '{option}' is not supported with this model."}}
                return Answer(json.dumps(error).encode(), 400)
        return completion("ok")

    return answer


def test_options_that_a_server_refuses_by_name_are_left_out(serve: Serve) -> None:
    server = serve(refusing("n", "seed", "max_tokens"))
    assert ask(server.url, Request(ASK.messages, n=2)) == ("ok", "ok")
    assert "max_completion_tokens" in server.requests[-1]
    assert not {"n", "seed", "max_tokens"} & set(server.requests[-1])
    assert len(server.requests) == 5, "what was refused once is not sent again"


def test_a_reply_without_text_is_an_empty_reply(serve: Serve) -> None:
    assert ask(serve(completion(None)).url) == ("",)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(b""), "the answer is empty"),
        (Answer(b"<html>welcome</html>", content_type="text/html"), "no JSON"),
        (Answer(b"\xff\xfe\x00garbage"), "no JSON"),
        (Answer(b'{"choices": [{"mess'), "no JSON"),
        (Answer(b"[" * 100_000), "no JSON"),
        (Answer(b"{}"), "no choices"),
        (Answer(b"[]"), "no choices"),
        (Answer(b'{"choices": []}'), "no choices"),
        (Answer(b'{"choices": ["hi"]}'), "holds no message"),
        (Answer(b'{"choices": [{"text": "hi"}]}'), "holds no message"),
        (Answer(b'{"choices": [{"message": {"content": 7}}]}'), "not a text"),
        (Answer(completion("whole").body, cut=9), "cut off"),
        (Answer(b'{"error": {"message": "no such model"}}', 404), "HTTP 404"),
        (Answer(b"oops", 500), "HTTP 500"),
        (Answer(b'{"error": {"message": "slow down"}}', 429), "HTTP 429"),
        (Answer(b'{"error": {"message": "maximum context length is 5"}}', 400), "maximum context length is 5"),
    ],
)
def test_what_is_no_answer_is_one_clear_error(serve: Serve, answer: Answer, says: str) -> None:
    server = serve(answer)
    with pytest.raises(ModelError) as caught:
        ask(server.url)
    assert says in caught.value.message
    assert f"tiny at {server.url}" in caught.value.message
    assert caught.value.way_out


@pytest.mark.parametrize(
    "served",
    [
        Served([completion("x" * 10_001).body], content_type="application/json"),
        Served([completion("x", "y" * 10_001).body], content_type="application/json"),
        # it never ends, so what is found out at its end alone is never found out
        Served([b" " * 1000] * 50, content_type="application/json", then="hang"),
    ],
    ids=["a long reply", "a long one of two", "an endless answer"],
)
def test_an_answer_has_the_same_bound_as_a_stream(served: Served) -> None:
    with StreamingServer(lambda _body: served) as server:
        with pytest.raises(ModelError, match="longer than 10000 bytes") as caught:
            ask(server.url, bounds=Bounds(max_bytes=10_000))
        assert f"tiny at {server.url}" in caught.value.message
        assert "model.max_reply_mib" in caught.value.way_out
        if served.then == "hang":
            assert server.dropped.wait(30), "the connection is closed"


def test_long_thoughts_count(serve: Serve) -> None:
    choice = {"message": {"content": "hi", "reasoning_content": "hm " * 4000}}
    with pytest.raises(ModelError, match="longer than 10000 bytes"):
        ask(serve(Answer(json.dumps({"choices": [choice]}).encode())).url, bounds=Bounds(max_bytes=10_000))


def test_as_much_as_is_allowed_is_no_error(serve: Serve) -> None:
    texts = "x" * 10_000, "\n" * 10_000
    bounds = Bounds(max_bytes=10_000)
    assert ask(serve(completion(*texts)).url, Request(ASK.messages, n=2), bounds=bounds) == texts


def test_an_answer_that_is_cut_off_is_asked_for_again(serve: Serve) -> None:
    server = serve(Answer(completion("whole").body, cut=9), completion("whole"))
    assert ask(server.url, retries=1) == ("whole",)
    assert len(server.requests) == 2


def test_a_key_is_never_part_of_an_error(serve: Serve) -> None:
    echo = Answer(json.dumps({"error": {"message": f"Incorrect API key provided: {KEY}"}}).encode(), 401)
    with pytest.raises(ModelError) as caught:
        ask(serve(echo).url)
    assert "HTTP 401" in str(caught.value)
    assert "API key" in caught.value.way_out
    assert KEY not in str(caught.value)
    assert KEY not in repr(OpenAIModel("http://127.0.0.1:1/v1", "tiny", KEY))


def test_nobody_listens(closed_port: int) -> None:
    with pytest.raises(ModelError, match=r"cannot be reached.*\(is the server running"):
        ask(f"http://user:{KEY}@127.0.0.1:{closed_port}/v1")


def test_a_server_that_is_too_slow(serve: Serve) -> None:
    never = threading.Event()
    server = serve(Answer(b"{}", wait=never))
    with pytest.raises(ModelError, match=r"no answer within 0\.2 s"):
        ask(server.url, timeout=0.2)
    never.set()


def test_retries_are_bounded_and_can_succeed(serve: Serve) -> None:
    failing = serve(Answer(b"oops", 503))
    with pytest.raises(ModelError, match="HTTP 503"):
        ask(failing.url, retries=1)
    assert len(failing.requests) == 2
    assert ask(serve(Answer(b"oops", 503), completion("at last")).url, retries=1) == ("at last",)


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host/v1", "http://"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(InputError, match="no HTTP address"):
        OpenAIModel(url, "tiny")
