"""Asking a model, and going on without it: kept answers first, a deadline, and a circuit that opens.

After ``most_failures`` failures in a row nothing more is asked; answers that are kept are still given. A failure is
never kept: the next run asks again.
"""

import threading
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from greenloop.mining.prompting.answers import Answers
from greenloop.models.seam import Model, Reply, Request
from greenloop.records import ModelError

_MOST_CHARS = 20_000
"""Characters of an answer that are kept; what was asked for are two or three sentences."""


@dataclass
class Asking:
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
    open: bool = False


@dataclass
class Service:
    """A model behind kept answers. ``deadline_seconds`` is for the whole of one answer, however it trickles."""

    model: Model
    answers: Answers
    deadline_seconds: float = 60.0
    most_failures: int = 5
    workers: int = 4
    asking: Asking = field(default_factory=Asking)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _in_a_row: int = 0

    def reply(self, request: Request) -> Reply | None:
        """Return the answer to ``request``, or ``None`` when there is none to be had. Safe to call from threads."""
        held = self.answers.get(request)
        with self._lock:
            if held is not None:
                self.asking.asked += 1
                self.asking.kept += 1
                return held
            if self.asking.open:
                self.asking.not_asked += 1
                return None
            self.asking.asked += 1
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
        return self.answers.put(request, reply)

    def _failed(self, error: ModelError) -> None:
        with self._lock:
            self.asking.failed += 1
            self.asking.error = self.asking.error or str(error)
            self._in_a_row += 1
            self.asking.open = self.asking.open or self._in_a_row >= self.most_failures


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
