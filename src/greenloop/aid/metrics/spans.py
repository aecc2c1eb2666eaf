"""Spans of turns, models and tools for OpenTelemetry; the one place that knows its names.

The names are those of the semantic conventions for generative AI, which are not stable yet: this file is what changes
when they do (https://opentelemetry.io/docs/specs/semconv/gen-ai/, as of opentelemetry-semantic-conventions 0.66b2;
a test compares them). Content is never recorded: neither messages nor arguments nor results.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from greenloop.records import Cancelled, EnvironmentFault, GreenloopError
from greenloop.records.funnel import label

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
MODEL = "gen_ai.request.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
TEMPERATURE = "gen_ai.request.temperature"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
FINISH_REASONS = "gen_ai.response.finish_reasons"
CONVERSATION = "gen_ai.conversation.id"
AGENT = "gen_ai.agent.name"
TOOL = "gen_ai.tool.name"
ERROR = "error.type"

Parent = context.Context
"""What a span of another thread hangs from: threads do not hand it on by themselves."""


class Spans:
    """Makes spans. Without an exporter they are made and thrown away at once: nothing is kept, nothing is sent."""

    def __init__(self, exporter: SpanExporter | None = None, *, at_once: bool = False) -> None:
        # everything is given, so that no variable of the environment changes who is told what
        self._provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource({"service.name": "greenloop"}))
        if exporter is not None:
            self._provider.add_span_processor(
                SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter)
            )
        self._tracer: trace.Tracer = (
            self._provider.get_tracer("greenloop") if exporter is not None else trace.NoOpTracer()
        )

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()

    @contextmanager
    def turn(self, kind: str, conversation: str) -> Iterator[Parent]:
        """Span a turn. Gives what its parts hang from."""
        attributes = {OPERATION: "invoke_agent", AGENT: f"greenloop-{label(kind)}", CONVERSATION: label(conversation)}
        with self._span(f"invoke_agent greenloop-{label(kind)}", SpanKind.INTERNAL, attributes, None) as span:
            yield trace.set_span_in_context(span, context.Context())

    @contextmanager
    def model(
        self, name: str, provider: str, parent: Parent | None = None, *, max_tokens: int = 0, temperature: float = 0.0
    ) -> Iterator["ModelSpan"]:
        """Span one request to a model."""
        attributes: dict[str, str | int | float] = {
            OPERATION: "chat",
            PROVIDER: label(provider),
            MODEL: label(name),
            MAX_TOKENS: max_tokens,
            TEMPERATURE: temperature,
        }
        with self._span(f"chat {label(name)}", SpanKind.CLIENT, attributes, parent) as span:
            yield ModelSpan(span)

    @contextmanager
    def tool(self, name: str, parent: Parent | None = None) -> Iterator[None]:
        """Span one call of a tool."""
        attributes = {OPERATION: "execute_tool", TOOL: label(name)}
        with self._span(f"execute_tool {label(name)}", SpanKind.INTERNAL, attributes, parent):
            yield

    @contextmanager
    def step(self, name: str, parent: Parent | None = None) -> Iterator[None]:
        """Span any other part of a turn: ``context``, ``check``, ``repair``."""
        with self._span(label(name), SpanKind.INTERNAL, {}, parent):
            yield

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: dict[str, str] | dict[str, str | int | float],
        parent: Parent | None,
    ) -> Iterator[Span]:
        # errors are told by their class: their words may quote a path or code
        with self._tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Cancelled:
                span.set_attribute(ERROR, "Cancelled")
                raise
            except GreenloopError as error:
                span.set_attribute(ERROR, type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise


class ModelSpan:
    """What is known of a request once it was answered."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def answered(self, prompt_tokens: int, reply_tokens: int, finish_reason: str) -> None:
        """Add the model's own counts."""
        self._span.set_attribute(INPUT_TOKENS, prompt_tokens)
        self._span.set_attribute(OUTPUT_TOKENS, reply_tokens)
        self._span.set_attribute(FINISH_REASONS, (label(finish_reason),))


def exporting_to(address: str) -> Spans:
    """Return spans that are sent to a collector. Raises ``EnvironmentFault`` when the exporter is not installed."""
    try:
        # an optional dependency, and half a second to import
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            "the exporter of spans, which metrics.otlp needs, is not installed", "pip install 'greenloop[otlp]'"
        ) from error
    return Spans(OTLPSpanExporter(endpoint=address))
