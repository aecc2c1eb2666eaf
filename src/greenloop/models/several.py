"""More than one model behind the seam's one: the next when one fails, and no more at once than a server allows."""

import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from greenloop.models.seam import Again, Chunk, Done, Halt, Model, Reply, Request
from greenloop.models.tool_calls import without_tools
from greenloop.records import Cancelled, InputError, ModelError

_STEP_MS = 50


class FallbackModel(Model):
    """Asks the first of ``models``; where that gives no usable answer, the next, and so on. It owns them."""

    def __init__(self, models: Sequence[Model]) -> None:
        if not models:
            raise InputError("no model was named", "name one at the least")
        self._models = tuple(models)

    @property
    def name(self) -> str:
        return self._models[0].name

    @property
    def takes_tools(self) -> bool:
        """Whether the first does; the others are told what calls came to."""
        return self._models[0].takes_tools

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return what the first model answers that answers. Raises ``ModelError`` with what each of them said."""
        faults: list[ModelError] = []
        for model in self._models:
            try:
                return model.complete(_for(model, request))
            except ModelError as error:
                faults.append(error)
        raise _all_failed(faults)

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        """Yield what the first model gives, and ``Again`` where another has to begin anew.

        Replies that were complete before a model failed stand; the next gives those that are missing.
        """
        faults: list[ModelError] = []
        done: set[int] = set()
        for model in self._models:
            if faults:
                yield Again(f"{faults[-1]}; asking {model.name}")
            try:
                for chunk in model.stream(_for(model, request), stop):
                    if isinstance(chunk, Again) or chunk.index not in done:
                        yield chunk
                    if isinstance(chunk, Done):
                        done.add(chunk.index)
            except ModelError as error:
                faults.append(error)
            else:
                return
        raise _all_failed(faults)

    def close(self) -> None:
        for model in self._models:
            model.close()


def _for(model: Model, request: Request) -> Request:
    return request if model.takes_tools else without_tools(request)


def _all_failed(faults: Sequence[ModelError]) -> ModelError:
    if len(faults) == 1:
        return faults[0]
    return ModelError("; then ".join(error.message for error in faults), faults[0].way_out)


class LimitedModel(Model):
    """At most ``at_once`` requests to ``model`` at a time, and ``per_minute`` begun within any minute (0: no bound).

    Whoever is too many waits, in the order of coming, and may be cancelled while waiting. It owns the model.
    """

    def __init__(
        self,
        model: Model,
        *,
        at_once: int = 0,
        per_minute: int = 0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._at_once = at_once
        self._per_minute = per_minute
        self._now = now
        self._lock = threading.Lock()
        self._working = 0
        self._begun: deque[float] = deque()
        self._waiting: deque[object] = deque()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def takes_tools(self) -> bool:
        """Whether the model does."""
        return self._model.takes_tools

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Wait for room, then ask."""
        with self._room(None):
            return self._model.complete(request)

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        """Wait for room, then ask."""
        with self._room(stop):
            yield from self._model.stream(request, stop)

    def close(self) -> None:
        self._model.close()

    @contextmanager
    def _room(self, stop: Halt | None) -> Iterator[None]:
        ticket = object()
        with self._lock:
            self._waiting.append(ticket)
        waiting = select.poll()
        if stop is not None:
            waiting.register(stop.fileno(), select.POLLIN)
        try:
            while not self._begin(ticket):
                if waiting.poll(_STEP_MS):
                    raise Cancelled("the request to the model was cancelled")
        finally:
            with self._lock:
                if ticket in self._waiting:
                    self._waiting.remove(ticket)
        try:
            yield
        finally:
            with self._lock:
                self._working -= 1

    def _begin(self, ticket: object) -> bool:
        with self._lock:
            now = self._now()
            while self._begun and self._begun[0] <= now - 60:
                self._begun.popleft()
            full = (self._at_once and self._working >= self._at_once) or (
                self._per_minute and len(self._begun) >= self._per_minute
            )
            if full or self._waiting[0] is not ticket:
                return False
            self._waiting.popleft()
            self._working += 1
            if self._per_minute:
                self._begun.append(now)
            return True
