"""What a turn tells of itself while it runs, for spans; nothing here knows OpenTelemetry, which is optional.

``aid.metrics.spans.Spans`` is a ``Tracer``. Where none is configured nothing is made, and nothing is imported.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from greenloop.models.seam import Chunk, Done, Halt, Model, Reply, Request


class Answering(Protocol):
    """A request to a model, while it is on its way."""

    def answered(self, prompt_tokens: int, reply_tokens: int, finish_reason: str) -> None:
        """Note the model's own counts."""
        ...


class Tracer(Protocol):
    """Makes spans. What ``turn`` gives is what the others hang from, in whatever thread."""

    def turn(self, kind: str, conversation: str) -> AbstractContextManager[Any]:
        """Span a turn."""
        ...

    def model(
        self, name: str, provider: str, parent: Any = None, *, max_tokens: int = 0, temperature: float = 0.0
    ) -> AbstractContextManager[Answering]:
        """Span one request to a model."""
        ...

    def tool(self, name: str, parent: Any = None) -> AbstractContextManager[None]:
        """Span one call of a tool."""
        ...


class TurnTrace:
    """The spans of one turn, if there is a ``tracer``. ``running`` lasts as long as the turn."""

    def __init__(self, tracer: Tracer | None) -> None:
        self.tracer = tracer
        self.parent: Any = None

    @contextmanager
    def running(self, kind: str, conversation: str) -> Iterator[None]:
        """Span the turn for as long as the block runs."""
        if self.tracer is None:
            yield
            return
        with self.tracer.turn(kind, conversation) as self.parent:
            yield

    def model(self, model: Model) -> Model:
        """Return the model with a span for each request."""
        return model if self.tracer is None else _Traced(model, self)

    def tool(self, name: str) -> AbstractContextManager[None]:
        """Span a call for as long as the block runs."""
        return nullcontext() if self.tracer is None else self.tracer.tool(name, self.parent)


class _Traced(Model):
    """Does not own the model."""

    def __init__(self, model: Model, trace: TurnTrace) -> None:
        self._model = model
        self._trace = trace

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def takes_tools(self) -> bool:
        return self._model.takes_tools

    def complete(self, request: Request) -> tuple[Reply, ...]:
        with self._span(request) as span:
            replies = self._model.complete(request)
            _answered(span, replies)
        return replies

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        replies: list[Reply] = []
        with self._span(request) as span:
            for chunk in self._model.stream(request, stop):
                if isinstance(chunk, Done):
                    replies.append(chunk.reply)
                yield chunk
            _answered(span, tuple(replies))

    def close(self) -> None:
        """Nothing: the model is not its own."""

    def _span(self, request: Request) -> AbstractContextManager[Answering]:
        assert self._trace.tracer is not None
        provider, _, name = self.name.partition(":")
        return self._trace.tracer.model(
            name or provider, provider, self._trace.parent,
            max_tokens=request.max_tokens, temperature=request.temperature,
        )  # fmt: skip


def _answered(span: Answering, replies: tuple[Reply, ...]) -> None:
    if replies:
        prompt, reply = (sum(getattr(one, f"{which}_tokens") for one in replies) for which in ("prompt", "reply"))
        span.answered(prompt, reply, replies[-1].finish_reason)
