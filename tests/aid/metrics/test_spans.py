"""Spans: their names are the convention's, and nothing that anybody wrote is in them."""

import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes

from greenloop.aid.metrics import spans
from greenloop.aid.metrics.spans import Spans, exporting_to
from greenloop.records import ModelError

CANARY = "CANARY-let secret = 42 in /home/ann/ledger.ml"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def told(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_the_names_are_those_of_the_convention() -> None:
    ours = {value for name, value in vars(spans).items() if name.isupper() and str(value).startswith("gen_ai.")}
    theirs = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert len(ours) == 11
    assert ours <= theirs
    assert error_attributes.ERROR_TYPE == spans.ERROR


def test_a_turn_with_its_model_and_its_tool(exporter: InMemorySpanExporter) -> None:
    made = Spans(exporter, at_once=True)
    with made.turn("fix", "c1") as turn:

        def work() -> None:
            with made.model("qwen", "openai", turn, max_tokens=256) as asked:
                asked.answered(100, 20, "stop")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with made.tool("git.git_log", turn):
            pass
    found = told(exporter)
    root = found["invoke_agent greenloop-fix"]
    chat = found["chat qwen"]
    assert root.parent is None
    assert {span.parent.span_id for span in found.values() if span.parent} == {root.context.span_id}
    assert chat.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "qwen",
        "gen_ai.request.max_tokens": 256,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.response.finish_reasons": ("stop",),
    }
    assert found["execute_tool git.git_log"].attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "git.git_log",
    }


def test_errors_are_told_by_their_class_and_nothing_is_quoted(exporter: InMemorySpanExporter) -> None:
    made = Spans(exporter, at_once=True)

    def fail() -> None:
        with made.turn(CANARY, CANARY) as turn, made.model(CANARY, CANARY, turn) as asked:
            asked.answered(1, 1, CANARY)
            with made.tool(CANARY, turn), made.step(CANARY, turn):
                raise ModelError(CANARY, CANARY)

    with pytest.raises(ModelError):
        fail()
    finished = exporter.get_finished_spans()
    assert len(finished) == 4
    for span in finished:
        assert span.attributes is not None
        assert span.attributes["error.type"] == "ModelError"
        text = span.to_json()
        for piece in ("CANARY", "secret", "/home", "ledger"):
            assert piece not in text


def test_without_an_exporter_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # not even where the environment asks for it
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    made = Spans()
    with made.turn("fix", "c1") as turn, made.model("qwen", "openai", turn) as asked:
        asked.answered(1, 1, "stop")
    made.close()


def test_a_collector_that_is_away_ends_nothing() -> None:
    made = exporting_to("http://127.0.0.1:9/v1/traces")
    with made.turn("fix", "c1"):
        pass
    # what was not sent is lost; whoever made the turn does not wait for it
