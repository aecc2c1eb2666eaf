"""Streams of servers as they are: whole, thoughtful, slow, cut off, endless, odd; and what cancelling does to them."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from greenloop.builds.stop import Stop
from greenloop.models.openai_server import OpenAIModel
from greenloop.models.openai_stream import Bounds
from greenloop.models.scripted_server import ScriptedServer, Served, event, streamed
from greenloop.models.seam import Chunk, Delta, Done, Message, Request
from greenloop.records import Cancelled, ModelError

ASK = Request((Message("user", "hello"),), max_tokens=50, seed=4)
GENEROUS = 20.0
"""Seconds that anything may take on a busy machine."""
Serve = Callable[..., ScriptedServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that end with the test; each answer is for one request, the last one for all further ones."""
    running: list[ScriptedServer] = []

    def start(*answers: Served | Callable[[dict[str, Any]], Served]) -> ScriptedServer:
        def script(body: dict[str, Any]) -> Served:
            answer = answers[min(len(server.requests), len(answers)) - 1]
            return answer if isinstance(answer, Served) else answer(body)

        server = ScriptedServer(script)
        running.append(server)
        return server

    yield start
    for server in running:
        server.close()


def ask(server: ScriptedServer, request: Request = ASK, **bounds: Any) -> list[Chunk]:
    with OpenAIModel(server.url, "tiny", "key", retries=0, bounds=Bounds(**bounds)) as model:
        return list(model.stream(request))


def replies(chunks: list[Chunk]) -> list[str]:
    done = sorted((chunk for chunk in chunks if isinstance(chunk, Done)), key=lambda chunk: chunk.index)
    return [chunk.reply.text for chunk in done]


def texts(chunks: list[Chunk], *, thought: bool = False) -> str:
    return "".join(chunk.text for chunk in chunks if isinstance(chunk, Delta) and chunk.thought is thought)


def whole(text: str) -> Served:
    """What a server answers that does not stream."""
    body = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"content": text}}]}
    return Served([json.dumps(body).encode()], content_type="application/json")


def test_a_reply_comes_in_pieces_and_then_whole(serve: Serve) -> None:
    server = serve(streamed("let x = 1 and y = 2", characters=4))
    chunks = ask(server)
    assert len([chunk for chunk in chunks if isinstance(chunk, Delta)]) == 5
    assert texts(chunks) == "let x = 1 and y = 2"
    assert isinstance(chunks[-1], Done)
    reply = chunks[-1].reply
    assert (reply.text, reply.finish_reason, reply.prompt_tokens, reply.reply_tokens) == (texts(chunks), "stop", 7, 8)
    (sent,) = server.requests
    assert (sent["stream"], sent["stream_options"], sent["seed"]) == (True, {"include_usage": True}, 4)


@pytest.mark.parametrize(
    "served",
    [
        streamed("the answer", thought="let me see", characters=3),
        streamed("<think>let me see</think>the answer", characters=3),
        streamed("\n<thinking>let me see</thinking>the answer", characters=1),
        streamed("<|channel|>analysis<|message|>let me see<|end|><|channel|>final<|message|>the answer<|return|>"),
    ],
)
def test_hidden_thoughts_are_no_part_of_the_reply(serve: Serve, served: Served) -> None:
    chunks = ask(serve(served))
    assert [reply.strip() for reply in replies(chunks)] == ["the answer"]
    assert "let me see" in texts(chunks, thought=True)
    assert "let me see" not in texts(chunks)
    (done,) = [chunk for chunk in chunks if isinstance(chunk, Done)]
    assert "let me see" in done.reply.thought


def test_a_closing_tag_whose_opening_is_in_the_template(serve: Serve) -> None:
    chunks = ask(serve(streamed("let me see\n</think>\nthe answer")))
    assert replies(chunks) == ["the answer"]


def test_code_that_looks_like_a_tag_stays(serve: Serve) -> None:
    text = "<thin> is no tag, and a <think> in the middle is text"
    assert replies(ask(serve(streamed(text, characters=2)))) == [text]


def test_thoughts_have_a_budget(serve: Serve) -> None:
    hung = replace(streamed(thought="hm " * 2000), pieces=[event({"reasoning_content": "hm " * 400})] * 3, then="hang")
    server = serve(hung)
    chunks = ask(server, thought_tokens=500)
    (done,) = [chunk for chunk in chunks if isinstance(chunk, Done)]
    assert (done.reply.text, done.reply.finish_reason) == ("", "thought-limit")
    assert server.dropped.wait(GENEROUS)
    assert server.requests[0]["max_tokens"] == 550


def test_several_replies_in_one_stream_or_one_by_one(serve: Serve) -> None:
    three = replace(ASK, n=3, seed=10)
    server = serve(streamed("a", "b", "c"))
    assert replies(ask(server, three)) == ["a", "b", "c"]
    assert len(server.requests) == 1
    server = serve(streamed("a"), streamed("b"), streamed("c"))
    assert replies(ask(server, three)) == ["a", "b", "c"]
    assert [request["seed"] for request in server.requests] == [10, 11, 12]


def test_a_server_that_does_not_stream(serve: Serve) -> None:
    assert replies(ask(serve(whole("hi")))) == ["hi"]


def test_an_option_that_is_refused_by_name_is_left_out(serve: Serve) -> None:
    refusal = b'{"error": {"message": "unknown field \'stream_options\'"}}'
    server = serve(Served([refusal], status=400, content_type="application/json"), streamed("hi"))
    assert replies(ask(server)) == ["hi"]
    assert "stream_options" not in server.requests[1]


@pytest.mark.parametrize(
    ("served", "bounds", "says"),
    [
        (replace(streamed("hello"), pieces=streamed("hello").pieces[:1]), {}, "cut off in mid-stream"),
        (replace(streamed("hello"), pieces=streamed("hello").pieces[:1], then="cut"), {}, "cut off"),
        (Served([]), {}, "held no reply"),
        (Served([b"data: {]\n\n"]), {}, "no chat completion: ' {]'"),
        (Served([b"data: [1, 2]\n\n"]), {}, "no chat completion"),
        (Served([b'data: {"choices": [7]}\n\n']), {}, "no chat completion"),
        (Served([b'data: {"error": {"message": "out of memory"}}\n\n']), {}, "failed in mid-stream: out of memory"),
        (Served([event({"content": "x" * 1000})] * 20), {"max_bytes": 10_000}, "longer than 10000 bytes"),
        (Served([b"data: " + b"x" * 50_000]), {"max_bytes": 10_000}, "longer than 10000 bytes"),
        (Served([b": ping\n\n"] * 40_000), {"max_bytes": 10_000}, "longer than 10000 bytes"),
        (whole("x" * 15_000), {"max_bytes": 10_000}, "longer than 10000 bytes"),
        (replace(whole("x"), pieces=[b" " * 1000] * 50, then="hang"), {"max_bytes": 10_000}, "longer than 10000 bytes"),
        (replace(streamed("x"), first_seconds=60.0), {"first_byte_seconds": 0.2}, "no answer within 0.2 s"),
        (Served([event({"content": "x"})], then="hang"), {"idle_seconds": 0.2}, "no answer within 0.2 s"),
        (replace(streamed("x" * 99, characters=1), piece_seconds=0.1), {"total_seconds": 0.5}, "within 0.5 s"),
        (Served([b'{"error": {"message": "no"}}'], status=503, content_type="application/json"), {}, "HTTP 503"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_one_named_error(serve: Serve, served: Served, bounds: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match="tiny at http") as raised:
        ask(serve(served), **bounds)
    assert says in raised.value.message
    assert raised.value.way_out


def test_a_busy_server_is_tried_again(serve: Serve) -> None:
    busy = Served([b"{}"], status=429, content_type="application/json", headers=(("Retry-After", "0.01"),))
    server = serve(busy, busy, streamed("at last"))
    with OpenAIModel(server.url, "tiny", retries=2) as model:
        assert replies(list(model.stream(ASK))) == ["at last"]
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    "served",
    [replace(streamed("x"), first_seconds=600.0), Served([event({"content": "x"})], then="hang")],
    ids=["before the first byte", "in mid-stream"],
)
def test_cancelling_closes_the_connection(serve: Serve, served: Served) -> None:
    server = serve(served)
    with OpenAIModel(server.url, "tiny", retries=0) as model, Stop() as stop:
        threading.Timer(0.3, stop.request).start()
        start = time.monotonic()
        with pytest.raises(Cancelled):
            list(model.stream(ASK, stop))
        assert time.monotonic() - start < GENEROUS
        assert server.dropped.wait(GENEROUS)


def test_who_stops_listening_ends_the_stream(serve: Serve) -> None:
    server = serve(Served([event({"content": "x"})], then="hang"))
    with OpenAIModel(server.url, "tiny", retries=0) as model:
        chunks = model.stream(ASK)
        assert next(chunks) == Delta(0, "x")
        chunks.close()  # type: ignore[attr-defined]
        assert server.dropped.wait(GENEROUS)


def test_many_streams_at_once_and_the_model_can_be_used_again_after_closing(serve: Serve) -> None:
    server = serve(streamed("hello there", characters=2, piece_seconds=0.01))
    model = OpenAIModel(server.url, "tiny", retries=0)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.extend(replies(list(model.stream(ASK))))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["hello there"] * 8
    model.close()
    model.close()
