"""Faults as clients of OpenAI's interface know errors: a status, and ``{"error": {message, type, param, code}}``.

``code`` is the fault's name, the same as on the sidecar's own door (``aid.protocol.faults``).
"""

from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ExceptionHandler

from greenloop.aid.protocol.faults import Code, fault_of
from greenloop.records import GreenloopError, InputError, Refused

UNAUTHORIZED, FOREIGN_HOST, FOREIGN_ORIGIN = "unauthorized", "foreign-host", "foreign-origin"
UNKNOWN_MODEL, NO_WORKSPACE, TIMED_OUT, NO_SUCH_PATH = "unknown-model", "no-workspace", "timed-out", "unknown-path"

_STATUS: dict[str, int] = {
    UNAUTHORIZED: 401,
    FOREIGN_ORIGIN: 403,
    "untrusted": 403,
    NO_SUCH_PATH: 404,
    UNKNOWN_MODEL: 404,
    "unknown-workspace": 404,
    Code.METHOD: 405,
    Code.HALF: 408,
    Code.TOO_LARGE: 413,
    FOREIGN_HOST: 421,
    Code.OVERLOADED: 429,
    Code.INTERNAL: 500,
    Code.MODEL: 502,
    Code.INFRASTRUCTURE: 503,
    Code.ENVIRONMENT: 503,
    Code.CANCELLED: 503,
    Code.RESTARTED: 503,
    TIMED_OUT: 504,
}
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
HEADERS = {"connection": "close", "cache-control": "no-store"}
"""Of every answer. One request a connection: so a connection that is silent is one that may be closed."""


def status_of(error: GreenloopError) -> int:
    """Return the HTTP status that an error has."""
    return _STATUS.get(fault_of(error).code, 400)


def body_of(error: GreenloopError) -> dict[str, Any]:
    """Return an error in OpenAI's form."""
    fault, status = fault_of(error), status_of(error)
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": str(error), "type": kind, "param": None, "code": fault.code}}


def respond(error: GreenloopError) -> JSONResponse:
    """Return an error as a response."""
    status = status_of(error)
    # a turn is dear: only who came at a bad time is told to come again (the header is that of OpenAI's own clients)
    again = {"retry-after": "1"} if status == 429 else {"x-should-retry": "false"}
    if status == 401:
        again["www-authenticate"] = 'Bearer realm="greenloop"'
    return JSONResponse(body_of(error), status, HEADERS | again)


def invalid(error: ValidationError) -> InputError:
    """Return what is wrong with a body, by the first field; what stands in the field is not repeated."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"])) or "the body"
    return InputError(f"{where}: {first['msg']}", "send the body of a chat completion")


async def _known(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, GreenloopError)
    return respond(error)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = Code.METHOD if error.status_code == 405 else NO_SUCH_PATH
    return respond(Refused(code, error.detail, "there are POST /v1/chat/completions and GET /v1/models"))


async def _bug(_request: Request, _error: Exception) -> JSONResponse:
    return respond(Refused(Code.INTERNAL, "a mistake in Greenloop", "see `greenloop aid logs`"))


HANDLERS: dict[type[Exception], ExceptionHandler] = {GreenloopError: _known, HTTPException: _http, Exception: _bug}
"""What Starlette is told to do with errors."""
