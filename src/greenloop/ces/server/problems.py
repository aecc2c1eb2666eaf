"""From an error to ``application/problem+json``, in one place."""

import math

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ExceptionHandler

from greenloop.ces.wire import PROBLEM, TITLES, Problem, dump, invalid, malformed, problem_of
from greenloop.records import GreenloopError, RecordError

_REASONS = {404: "not-found", 405: "method", 408: "slow", 413: "too-large", 415: "media-type"}


class Refused(HTTPException):
    """A request that the door itself turns away. Lives and dies within the server."""

    def __init__(self, status: int, detail: str, way_out: str = "") -> None:
        super().__init__(status, detail)
        self.way_out = way_out


def respond(problem: Problem) -> Response:
    """Return a problem as a response."""
    headers = {}
    if problem.retry_after is not None:
        headers["retry-after"] = str(max(1, math.ceil(problem.retry_after)))
    if problem.status == 401:
        headers["www-authenticate"] = 'Bearer realm="greenloop"'
    if problem.status in {408, 500}:
        # uvicorn hangs up after both: a client that knows does not send its next request into the void
        headers["connection"] = "close"
    return Response(dump(problem), problem.status, headers, media_type=PROBLEM)


def explain(error: Exception) -> Problem:
    """Return the problem that an error is."""
    if isinstance(error, ValidationError):
        return invalid(error)
    if isinstance(error, RecordError):
        return malformed(error.message)
    if isinstance(error, GreenloopError):
        return problem_of(error)
    if isinstance(error, HTTPException):
        status = error.status_code
        return Problem(
            title=TITLES.get(status, "Error"),
            status=status,
            reason=_REASONS.get(status, "refused"),
            detail=error.detail,
            way_out=error.way_out if isinstance(error, Refused) else "GET /openapi.json lists what there is",
        )
    # said without details: those are in the server's log, where a stranger does not read them
    detail = "the service made a mistake; its log has the details"
    return Problem(title=TITLES[500], status=500, reason="bug", detail=detail)


async def _handle(_request: Request, error: Exception) -> Response:
    return respond(explain(error))


HANDLERS: dict[type[Exception], ExceptionHandler] = dict.fromkeys(
    (GreenloopError, ValidationError, HTTPException, Exception), _handle
)
"""What Starlette is told to do with errors."""
