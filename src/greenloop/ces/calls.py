"""What both clients share: everything but waiting."""

import uuid
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

import httpx
from pydantic import ValidationError

from greenloop.ces.wire import (
    ASKER_HEADER,
    TITLES,
    Noun,
    Packed,
    Problem,
    Warm,
    error_of,
    line_of,
    lines_of,
    parse,
    record_of,
)
from greenloop.records import (
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    GreenloopError,
    InfrastructureError,
    Overloaded,
    RecordError,
    TreeId,
    WarmBuild,
)

Answer = Evaluation | GreenloopError
"""An item's evaluation, or why there is none."""

Outcome = httpx.Response | httpx.TransportError
"""What became of one try."""

_AGAIN = frozenset({429, 503})
"""Statuses after which the same request may be answered."""
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 5.0
_LONGEST_WAIT = 60.0
_CHUNK = 2_000
"""Requests of a batch that are sent at a time."""


class Line:
    """How the service is reached, and how often it is asked."""

    def __init__(self, address: str | Path, token: str, seconds: float, tries: int) -> None:
        self.address = str(address)
        self.tries = max(1, tries)
        text = self.address.removeprefix("unix:")
        self.socket = None if text.startswith(("http://", "https://")) else text
        self.settings: dict[str, Any] = {
            "base_url": "http://ces" if self.socket is not None else text,
            "headers": {ASKER_HEADER: uuid.uuid4().hex, **({"authorization": f"Bearer {token}"} if token else {})},
            "timeout": httpx.Timeout(seconds, connect=min(seconds, 5.0)),
            # the environment's proxies are none of a local service's business
            "trust_env": False,
        }

    def fault(self, outcome: Outcome) -> GreenloopError:
        """Return what went wrong with a try as an error of ours."""
        return problem(outcome) if isinstance(outcome, httpx.Response) else self.lost(outcome)

    def pause_after(self, attempt: int, outcome: Outcome) -> float:
        """Return the seconds to wait after a try that failed; raise its error when another would not help."""
        if isinstance(outcome, httpx.Response):
            if outcome.status_code not in _AGAIN:
                raise problem(outcome)
            return self.pause(attempt, problem(outcome))
        return self.pause(attempt, outcome)

    def lost(self, error: httpx.TransportError) -> EnvironmentFault:
        """Return what befell the connection as an error of ours."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return EnvironmentFault(f"{self.address}: no evaluation service answers", "start one: greenloop ces serve")
        if isinstance(error, httpx.TimeoutException):
            return EnvironmentFault(f"{self.address}: no answer in time", "give the client more seconds")
        return EnvironmentFault(f"{self.address}: the connection was lost: {error}", "is the service still running?")

    def pause(self, attempt: int, error: GreenloopError | httpx.TransportError) -> float:
        """Return the seconds to wait before the try after ``attempt`` (from 1); raise the error when there is none."""
        if isinstance(error, httpx.TransportError):
            lost = self.lost(error)
            # whoever waited for so long does not want to wait as long again
            if attempt >= self.tries or isinstance(error, httpx.ReadTimeout):
                raise lost from error
        elif attempt >= self.tries:
            raise error
        if isinstance(error, Overloaded):
            return min(_LONGEST_WAIT, error.retry_after)
        return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** (attempt - 1))


class Batch:
    """The items of a batch that have no answer yet."""

    def __init__(self, line: Line, requests: Iterable[EvaluationRequest]) -> None:
        self._line = line
        self._source = enumerate(requests)
        self._open: dict[int, EvaluationRequest] = {}
        self._sent: list[int] = []
        self._refused: dict[int, GreenloopError] = {}
        self._attempt = 0
        self._rest = b""

    def fill(self) -> bool:
        """Take the next items when all before have answers; false when there are no more."""
        if not self._open:
            self._open = {index: safe(request) for index, request in islice(self._source, _CHUNK)}
            self._attempt = 0
        return bool(self._open)

    def body(self) -> bytes:
        """Return what to send: all items without an answer."""
        self._attempt += 1
        self._sent = list(self._open)
        self._refused.clear()
        self._rest = b""
        return lines_of(self._open.values())

    def read(self, chunk: bytes) -> Iterator[tuple[int, Answer]]:
        """Yield the answers that a piece of the service's answer completes, but for items to be sent again.

        Lines end at line feeds and nowhere else: httpx's own would end one at U+2028 in a test's message.
        """
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        for line in whole:
            answer = self._read_line(line)
            if answer is not None:
                yield answer

    def _read_line(self, line: bytes) -> tuple[int, Answer] | None:
        try:
            told = line_of(line)
        except (ValidationError, RecordError) as error:
            raise foreign(f"a line of a batch: {line[:80]!r}") from error
        index = self._sent[told.index]
        if told.error is not None and told.error.status in _AGAIN:
            self._refused[index] = error_of(told.error)
            return None
        # an item was answered: the service is alive, and later trouble is new trouble
        self._attempt = 1
        del self._open[index]
        if told.evaluation is not None:
            return index, told.evaluation
        return index, error_of(told.error) if told.error is not None else foreign("a line without an answer")

    def end(self) -> float:
        """Return the seconds to wait after a whole answer, before the refused items are sent again."""
        if self._rest or self._open.keys() != self._refused.keys():
            raise foreign(f"{len(self._open)} items of a batch without an answer")
        if not self._refused or self._attempt >= self._line.tries:
            return 0.0
        return self._line.pause(self._attempt, next(iter(self._refused.values())))

    def fail(self, error: GreenloopError | httpx.TransportError) -> float:
        """Return the seconds to wait after an answer that broke off; raise when it was the last try."""
        return self._line.pause(self._attempt, error)

    def given_up(self) -> tuple[tuple[int, Answer], ...]:
        """Return the items that were refused by the last try, which stay without an evaluation."""
        if self._attempt < self._line.tries:
            return ()
        ended = tuple(self._refused.items())
        for index, _ in ended:
            del self._open[index]
        self._refused.clear()
        return ended


def answered(outcome: Outcome) -> TypeGuard[httpx.Response]:
    """Whether a try brought what was asked for."""
    return isinstance(outcome, httpx.Response) and outcome.status_code < 300


def safe(request: EvaluationRequest) -> EvaluationRequest:
    """Return a request that may be sent twice: what is judged anew each time carries an idempotency key."""
    if not request.fresh or request.idempotency_key is not None:
        return request
    return request.model_copy(update={"idempotency_key": uuid.uuid4().hex})


def read(noun: type[Noun], response: httpx.Response) -> Noun:
    """Return the record of an answer."""
    try:
        return noun.from_json(response.text)
    except RecordError as error:
        raise foreign(error.message) from error


def read_builds(response: httpx.Response) -> tuple[WarmBuild, ...]:
    """Return the warm builds of an answer."""
    try:
        body = parse(response.content)
        listed = body.get("builds") if isinstance(body, dict) else None
        if not isinstance(listed, list):
            raise foreign("no list of builds")
        return tuple(record_of(WarmBuild, one) for one in listed)
    except (ValidationError, RecordError) as error:
        raise foreign(str(error)) from error


def read_trees(response: httpx.Response) -> tuple[TreeId, ...]:
    """Return the trees that a pack brought."""
    try:
        return Packed.model_validate(parse(response.content)).trees
    except (ValidationError, RecordError) as error:
        raise foreign(str(error)) from error


def warm_body(revision: str) -> bytes:
    """Return the body that asks to warm a revision."""
    return Warm(revision=revision).model_dump_json().encode()


def problem(response: httpx.Response) -> GreenloopError:
    """Return the error of an answer that is none."""
    try:
        return error_of(Problem.model_validate(parse(response.content)))
    except (ValidationError, RecordError):
        # something else answers there, or between us and it
        status = response.status_code
        if status == 503:
            return InfrastructureError("the service answered 503")
        return foreign(f"{status} {TITLES.get(status, '')}".strip())


def foreign(what: str) -> EnvironmentFault:
    """Return the error of an answer that no evaluation service gives."""
    return EnvironmentFault(f"the answer is not an evaluation service's: {what}", "is the address right?")
