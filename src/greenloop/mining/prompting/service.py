"""Asking a model, and going on without it: kept replies first, a deadline, and a circuit that opens.

After ``most_failures`` failures in a row nothing more is asked; replies that are kept are still given. A failure is
never kept: the next run asks again.
"""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from greenloop.mining.prompting.reply_cache import ReplyCache
from greenloop.models.seam import Model, Reply, Request
from greenloop.records import ModelError

_MOST_CHARS = 20_000
"""Characters of an answer that are kept; what was asked for are two or three sentences."""


@dataclass
class RequestCounts:
    """What became of the requests of one run; every number but ``kept`` is the same when it is run again."""

    asked: int = 0
    """Requests that got an answer, kept or fresh, or failed."""
    failed: int = 0
    not_asked: int = 0
    """Requests that were not made because the circuit was open."""
    kept: int = 0
    """How many of the answers came from an earlier run."""
    error: str = ""
    """The first failure, by its own name."""
    circuit_open: bool = False


@dataclass
class Service:
    """A model behind its kept replies. ``deadline_seconds`` is for the whole of one answer, however it trickles."""

    model: Model
    cache: ReplyCache
    deadline_seconds: float = 60.0
    most_failures: int = 5
    workers: int = 4
    counts: RequestCounts = field(default_factory=RequestCounts, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _in_a_row: int = field(default=0, init=False)

    def reply(self, request: Request) -> Reply | None:
        """Return the answer to ``request``, or ``None`` when there is none to be had. Safe to call from threads."""
        held = self.cache.get(request)
        with self._lock:
            if held is not None:
                self.counts.asked += 1
                self.counts.kept += 1
                return held
            if self.counts.circuit_open:
                self.counts.not_asked += 1
                return None
            self.counts.asked += 1
        try:
            reply = _within(self.deadline_seconds, self.model, request)
        except ModelError as error:
            self._failed(error)
            return None
        with self._lock:
            self._in_a_row = 0
        if len(reply.text) > _MOST_CHARS:
            # a server that knows no limit of tokens
            reply = replace(reply, text=reply.text[:_MOST_CHARS], finish_reason="length")
        return self.cache.put(request, reply)

    def _failed(self, error: ModelError) -> None:
        with self._lock:
            self.counts.failed += 1
            self.counts.error = self.counts.error or str(error)
            self._in_a_row += 1
            self.counts.circuit_open = self.counts.circuit_open or self._in_a_row >= self.most_failures


def _within(seconds: float, model: Model, request: Request) -> Reply:
    """Ask in a thread that is left behind at the deadline: time limits of HTTP begin again with every byte."""
    found: Future[Reply] = Future()

    def ask() -> None:
        try:
            found.set_result(model.complete(request)[0])
        except Exception as error:  # noqa: BLE001 - handed over: ``result`` raises it
            found.set_exception(error)

    # a daemon: a server that never ends its answer must not keep the command from ending
    threading.Thread(target=ask, daemon=True).start()
    try:
        return found.result(seconds)
    except TimeoutError as error:
        raise ModelError(
            f"{model.name}: no whole answer within {seconds:g} s", "is it overloaded? allow more time"
        ) from error
