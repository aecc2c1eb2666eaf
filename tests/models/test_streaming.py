"""Streams of the other models: the local one, the scripted fake, several behind one seam."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from greenloop.builds.stop import Stop
from greenloop.models.local import LocalModel
from greenloop.models.registry import ModelSettings, open_models
from greenloop.models.scripted import Pace, ScriptedModel, read_script
from greenloop.models.scripted_server import ScriptedServer, streamed
from greenloop.models.seam import Again, Chunk, Delta, Done, Halt, Message, Model, Reply, Request
from greenloop.models.several import FallbackModel, LimitedModel
from greenloop.records import Cancelled, InputError, ModelError

ASK = Request((Message("system", "Be brief."), Message("user", "Tell me a long story about a fox.")), max_tokens=24)
GENEROUS = 20.0


class Failing(Model):
    """Gives ``replies``, then some text, then fails."""

    def __init__(self, name: str, replies: int = 0) -> None:
        self._name = name
        self._replies = replies

    @property
    def name(self) -> str:
        return self._name

    def complete(self, request: Request) -> tuple[Reply, ...]:
        raise ModelError(f"{self._name} is down", "start it")

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        for index in range(self._replies):
            yield Done(index, Reply(f"{self._name} {index}"))
        yield Delta(self._replies, "half of")
        raise ModelError(f"{self._name} is down", "start it")

    def close(self) -> None:
        pass


def replies(chunks: Iterator[Chunk]) -> list[str]:
    return [chunk.reply.text for chunk in chunks if isinstance(chunk, Done)]


def test_the_local_model_streams_what_it_would_complete(smollm2: LocalModel) -> None:
    request = replace(ASK, n=2, temperature=0.8, seed=3)
    whole = smollm2.complete(request)
    chunks = list(smollm2.stream(request))
    assert replies(iter(chunks)) == [reply.text for reply in whole]
    assert [chunk.reply for chunk in chunks if isinstance(chunk, Done)] == list(whole)
    pieces = [chunk.text for chunk in chunks if isinstance(chunk, Delta) and chunk.index == 0]
    assert len(pieces) > 10
    assert "".join(pieces) == whole[0].text


def test_cancelling_the_local_model_in_mid_stream(smollm2: LocalModel) -> None:
    expected = smollm2.complete(ASK)
    with Stop() as stop:
        chunks = smollm2.stream(replace(ASK, max_tokens=800), stop)
        seen = [next(chunks) for _ in range(3)]
        stop.request()
        with pytest.raises(Cancelled):
            next(chunks)
        assert all(isinstance(chunk, Delta) for chunk in seen)
    assert smollm2.complete(ASK) == expected


def test_cancelling_the_local_model_while_it_reads_a_long_prompt() -> None:
    long = Request((Message("user", "word " * 1500),), max_tokens=1)
    with LocalModel(context_tokens=2048, batch_tokens=16) as model, Stop() as stop:
        threading.Timer(0.5, stop.request).start()
        with pytest.raises(Cancelled):
            list(model.stream(long, stop))
        start = time.monotonic()
        # the model is free again long before it could have read all of that
        model.complete(Request((Message("user", "hi"),), max_tokens=1))
        assert time.monotonic() - start < GENEROUS


def test_a_prompt_too_long_for_the_local_model_is_named_in_a_stream(smollm2: LocalModel) -> None:
    with pytest.raises(ModelError, match="the context holds 1024"):
        list(smollm2.stream(Request((Message("user", "word " * 3000),))))


def test_the_fake_streams_at_its_pace_and_can_be_cancelled(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(
        json.dumps({"replies": ["<think>hm</think>yes"], "contains": "quick"})
        + "\n"
        + json.dumps({"replies": ["never"], "first_seconds": 600})
        + "\n"
    )
    model = ScriptedModel(read_script(script))
    chunks = list(model.stream(Request((Message("user", "quick"),))))
    assert chunks == [Delta(0, "hm", thought=True), Delta(0, "yes"), Done(0, Reply("yes", "stop", 1, 1, "hm"))]
    with Stop() as stop:
        threading.Timer(0.2, stop.request).start()
        with pytest.raises(Cancelled):
            list(model.stream(ASK, stop))
    assert model.cancelled == 1


def test_the_next_model_answers_when_one_fails() -> None:
    model = FallbackModel([Failing("a"), Failing("b", replies=1), ScriptedModel(["c 0", "c 1"], name="c")])
    chunks = list(model.stream(replace(ASK, n=2)))
    assert replies(iter(chunks)) == ["b 0", "c 1"]
    assert [chunk.why for chunk in chunks if isinstance(chunk, Again)] == [
        "a is down (start it); asking b",
        "b is down (start it); asking c",
    ]


def test_when_all_models_fail_each_is_named() -> None:
    model = FallbackModel([Failing("a"), Failing("b")])
    with pytest.raises(ModelError, match="a is down; then b is down"):
        list(model.stream(ASK))
    with pytest.raises(ModelError, match="a is down; then b is down"):
        model.complete(ASK)


def test_no_more_requests_at_once_than_allowed() -> None:
    slow = ScriptedModel(lambda request: ["x" * 64], pace=Pace(delta_seconds=0.02))
    model = LimitedModel(slow, at_once=1)
    first = model.stream(ASK)
    next(first)
    with Stop() as stop:
        threading.Timer(0.2, stop.request).start()
        with pytest.raises(Cancelled):
            list(model.stream(ASK, stop))
    assert len(slow.requests) == 1
    assert replies(first) == ["x" * 64]
    assert replies(model.stream(ASK)) == ["x" * 64]


def test_no_more_requests_a_minute_than_allowed() -> None:
    now = [0.0]
    fake = ScriptedModel(lambda request: ["x"])
    model = LimitedModel(fake, per_minute=2, now=lambda: now[0])
    list(model.stream(ASK))
    list(model.stream(ASK))
    third = threading.Thread(target=lambda: list(model.stream(ASK)))
    third.start()
    third.join(0.3)
    assert third.is_alive()
    now[0] = 60.0
    third.join(GENEROUS)
    assert len(fake.requests) == 3


def test_models_by_their_names(closed_port: int) -> None:
    with ScriptedServer(lambda body: streamed("from the second")) as server:
        names = [f"openai:tiny@http://127.0.0.1:{closed_port}/v1", f"openai:tiny@{server.url}"]
        with open_models(names, ModelSettings(retries=0, at_once=1, per_minute=60)) as model:
            chunks = list(model.stream(ASK))
    assert replies(iter(chunks)) == ["from the second"]
    assert isinstance(chunks[0], Again)
    assert "cannot be reached" in chunks[0].why
    with pytest.raises(InputError):
        open_models([])
