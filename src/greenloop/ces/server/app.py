"""The application: which endpoint answers what. One table from which both the routes and the OpenAPI are made."""

import functools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from greenloop.ces.server import endpoints
from greenloop.ces.server.access import AccessLog
from greenloop.ces.server.auth import Porter
from greenloop.ces.server.door import Door
from greenloop.ces.server.lingering import Lingering
from greenloop.ces.server.openapi import Operation, document
from greenloop.ces.server.problems import HANDLERS
from greenloop.ces.wire import JSON, NDJSON, PACK, BatchLine, Builds, Packed, Warm
from greenloop.records import Evaluation, EvaluationRequest, WarmBuild

Endpoint = Callable[[Request, Door], Awaitable[ASGIApp]]
_TEXT = "text/plain; charset=utf-8"
_READING = (400, 408, 413, 415, 422)
_JUDGING = (*_READING, 503)


@dataclass(frozen=True)
class _Entry:
    """One operation and what answers it."""

    operation: Operation
    endpoint: Endpoint
    open: bool = field(default=False)


def _get(path: str, endpoint: Endpoint, kind: str, model: object = None, **more: object) -> _Entry:
    """An endpoint that only looks."""
    operation = Operation("get", path, endpoint.__doc__ or "", answers={200: (kind, model)}, **more)  # type: ignore[arg-type]
    return _Entry(operation, endpoint)


TABLE = (
    _Entry(
        Operation(
            "post", "/v1/evaluations", endpoints.evaluate.__doc__ or "",
            takes={JSON: EvaluationRequest}, answers={200: (JSON, Evaluation)}, problems=(*_JUDGING, 409, 429),
        ),
        endpoints.evaluate,
    ),
    _Entry(
        Operation(
            "post", "/v1/evaluations:batch", endpoints.evaluate_batch.__doc__ or "",
            takes={JSON: list[EvaluationRequest], NDJSON: EvaluationRequest},
            answers={200: (NDJSON, BatchLine)}, problems=_JUDGING,
        ),
        endpoints.evaluate_batch,
    ),
    _get("/v1/evaluations/{id}", endpoints.evaluation, JSON, Evaluation, problems=(404,)),
    _get("/v1/evaluations/{id}/log", endpoints.log, _TEXT, str, problems=(404,)),
    _get("/v1/builds", endpoints.builds, JSON, Builds),
    _Entry(
        Operation(
            "post", "/v1/builds", endpoints.warm.__doc__ or "",
            takes={JSON: Warm}, answers={202: (JSON, WarmBuild)}, problems=(*_JUDGING, 429),
        ),
        endpoints.warm,
    ),
    _get("/v1/builds/{revision:path}", endpoints.build, JSON, WarmBuild, problems=(404,)),
    _Entry(
        Operation(
            "put", "/v1/packs", endpoints.pack.__doc__ or "",
            takes={PACK: bytes}, answers={201: (JSON, Packed)}, problems=_READING,
        ),
        endpoints.pack,
    ),
    _get("/healthz", endpoints.health, JSON, dict, open=True),
    _get("/readyz", endpoints.ready, JSON, dict, open=True, problems=(503,)),
    _get("/metrics", endpoints.metrics, _TEXT, str),
)  # fmt: skip
"""Everything that the service answers, ``/openapi.json`` aside."""


@functools.cache
def openapi() -> str:
    """Return the service's OpenAPI document as JSON, the same bytes every time."""
    return json.dumps(document([entry.operation for entry in TABLE]), indent=1, sort_keys=True) + "\n"


def create_app(door: Door) -> Starlette:
    """Return the service as an ASGI application. Starting the backend is for whoever runs it: see ``run``."""
    door.metrics.watch(door.backend, door.load)

    def route(entry: _Entry) -> Route:
        async def answer(request: Request) -> ASGIApp:
            request.state.route = entry.operation.path
            return await entry.endpoint(request, door)

        # Starlette's hints know its own responses only; at run time any ASGI application will do
        return Route(entry.operation.path, answer, methods=[entry.operation.method.upper()])

    async def describe(_request: Request) -> Response:
        return Response(openapi().encode(), media_type=JSON)

    return Starlette(
        routes=[*(route(entry) for entry in TABLE), Route("/openapi.json", describe)],
        middleware=[
            Middleware(AccessLog, metrics=door.metrics),
            Middleware(Lingering),
            Middleware(Porter, tokens=door.tokens),
        ],
        exception_handlers=HANDLERS,
    )
