"""What goes over the wire beside the records: problems, lines of a batch, and how errors become problems and back.

Used by the server and by its client alike, so that both read one language. A problem is RFC 9457's
``application/problem+json``; ``reason`` is a short stable word to act on, the text is for people.
"""

from collections.abc import Iterable
from typing import Any, TypeVar

import pydantic_core
from pydantic import Field, ValidationError, create_model

from greenloop.records import (
    Cancelled,
    Conflict,
    EditError,
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    GreenloopError,
    InfrastructureError,
    InputError,
    Overloaded,
    Part,
    Record,
    RecordError,
    Stage,
    TreeId,
    WarmBuild,
)

Noun = TypeVar("Noun", bound=Record)

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROBLEM = "application/problem+json"
PACK = "application/x-git-pack"
ASKER_HEADER = "x-greenloop-client"
"""A name that a client gives itself, so that a shared service serves its clients in turn."""


class Fault(Part):
    """One field of a request that is wrong."""

    where: str
    """Its place, steps joined by dots; empty for the whole."""
    message: str


class Problem(Part):
    """Why a request was not answered (RFC 9457)."""

    type: str = "about:blank"
    title: str
    """The HTTP status in words."""
    status: int
    """The HTTP status."""
    reason: str
    """A short stable word: ``malformed``, ``invalid``, ``unauthorized``, ``not-found``, ``conflict``, ``too-large``,
    ``method``, ``slow``, ``media-type``, ``input``, ``refused``, ``overloaded``, ``unavailable``, ``cancelled``,
    ``bug``."""
    detail: str
    """One sentence that names what is wrong."""
    way_out: str = ""
    """What the reader can do."""
    retry_after: float | None = None
    """Seconds after which it is worth asking again."""
    errors: tuple[Fault, ...] = ()
    """The fields that are wrong."""


class BatchLine(Part):
    """One line of a batch's answer: the evaluation of the item ``index`` (from 0), or why there is none."""

    index: int
    evaluation: Evaluation | None = None
    error: Problem | None = None


class Warm(Part):
    """Which revision to warm."""

    revision: str = Field(min_length=1, max_length=1000)
    """``NAME@REV``, or ``REV`` where the service serves one repository."""


class Builds(Part):
    """The warm builds of a service, the one used last first."""

    builds: tuple[WarmBuild, ...]


class Packed(Part):
    """What a pack brought."""

    trees: tuple[TreeId, ...]
    """What requests may name as ``base_tree`` from now on."""


_Fields = create_model(
    "EvaluationRequestFields",
    __base__=Part,
    stages=(tuple[Stage, ...], ()),
    **{name: (field.annotation, field) for name, field in EvaluationRequest.model_fields.items()},  # type: ignore[call-overload]
)

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    499: "Client Closed Request",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def problem_of(error: GreenloopError) -> Problem:
    """Return an error as it is told over the wire."""
    retry_after: float | None = None
    if isinstance(error, Conflict):
        status, reason = 409, "conflict"
    elif isinstance(error, EditError):
        status, reason = 422, error.reason
    elif isinstance(error, InputError):
        status, reason = 422, "input"
    elif isinstance(error, Overloaded):
        status, reason, retry_after = 429, "overloaded", error.retry_after
    elif isinstance(error, Cancelled):
        status, reason, retry_after = 503, "cancelled", 1.0
    else:
        status, reason, retry_after = 503, "unavailable", 1.0
    return Problem(
        title=TITLES[status],
        status=status,
        reason=reason,
        detail=error.message,
        way_out=error.way_out,
        retry_after=retry_after,
    )


def error_of(problem: Problem) -> GreenloopError:
    """Return the error that a problem tells of."""
    named = "; ".join(f"{fault.where}: {fault.message}" if fault.where else fault.message for fault in problem.errors)
    message = f"{problem.detail} ({named})" if named else problem.detail
    if problem.status == 409:
        return Conflict(message, problem.way_out)
    if problem.status == 429:
        return Overloaded(message, problem.way_out, retry_after=problem.retry_after or 1.0)
    if problem.status == 503:
        return InfrastructureError(message, problem.way_out)
    if problem.status >= 500:
        return EnvironmentFault(message, problem.way_out)
    return InputError(message, problem.way_out)


def invalid(error: ValidationError) -> Problem:
    """Return what is wrong with a request, field by field; what stood in the fields is not repeated."""
    faults = tuple(
        Fault(where=".".join(str(step) for step in one["loc"]), message=one["msg"].removeprefix("Value error, "))
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    )
    return Problem(
        title=TITLES[422],
        status=422,
        reason="invalid",
        detail="the request is not as it must be",
        way_out="GET /openapi.json describes every field",
        errors=faults,
    )


def malformed(detail: str) -> Problem:
    """Return the problem of a body that cannot be read at all."""
    return Problem(title=TITLES[400], status=400, reason="malformed", detail=detail)


def parse(body: bytes) -> Any:
    """Return the value of strict JSON: UTF-8, no NaN, no lone surrogates, nested 200 deep at most.

    Raises ``RecordError``.
    """
    try:
        return pydantic_core.from_json(body, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise RecordError(f"not JSON: {error}") from error


def record_of(noun: type[Noun], body: object) -> Noun:
    """Read a record; ``record`` and ``version`` may be there, and must be right then.

    Strictly: ``true`` is no number and 5 is no text, as the OpenAPI document says. Raises pydantic's
    ``ValidationError`` and ``RecordError``.
    """
    return noun.model_validate_json(pydantic_core.to_json(_plain(noun, body)), strict=True)


def request_of(body: object) -> EvaluationRequest:
    """Read a request; as ``record_of``."""
    plain = pydantic_core.to_json(_plain(EvaluationRequest, body))
    # first the fields, strictly; the record's own validators, which also read `stages`, know Python's types only
    fields = _Fields.model_validate_json(plain, strict=True)
    given: dict[str, Any] = {name: getattr(fields, name) for name in fields.model_fields_set}
    return EvaluationRequest.model_validate(given)


def _plain(noun: type[Record], body: object) -> object:
    """Return the body without the words that say what it is."""
    if not isinstance(body, dict):
        return body
    body = {**body}
    named, version = body.pop("record", noun.__name__), body.pop("version", noun.VERSION)
    if named != noun.__name__:
        raise RecordError(f"the JSON holds another record than {noun.__name__}")
    if version is True or version != noun.VERSION:
        raise RecordError(f"{noun.__name__}: version {noun.VERSION} is the only one that is read here")
    return body


def line_of(line: bytes) -> BatchLine:
    """Read one line of a batch's answer. Raises as ``record_of``."""
    body = parse(line)
    if isinstance(body, dict) and body.get("evaluation") is not None:
        body = {**body, "evaluation": record_of(Evaluation, body["evaluation"])}
    return BatchLine.model_validate(body)


def dump(part: Part) -> bytes:
    """Return a part as JSON, without the fields that are ``null`` or were not given."""
    return part.model_dump_json(exclude_none=True, exclude_defaults=True).encode()


def evaluation_line(index: int, evaluation: Evaluation) -> bytes:
    """Return a batch's line of an evaluation, its line end included."""
    return b'{"index":%d,"evaluation":%s}\n' % (index, evaluation.to_json().encode())


def problem_line(index: int, problem: Problem) -> bytes:
    """Return a batch's line of an item that has no evaluation, its line end included."""
    return b'{"index":%d,"error":%s}\n' % (index, dump(problem))


def lines_of(requests: Iterable[EvaluationRequest]) -> bytes:
    """Return requests as the NDJSON of a batch."""
    return b"".join(request.to_json().encode() + b"\n" for request in requests)
