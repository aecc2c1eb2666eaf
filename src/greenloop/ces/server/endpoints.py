"""The endpoints. Each takes a request and the door, and returns a response or raises."""

import asyncio
import os
import tempfile
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from greenloop.ces.backend import ASKER
from greenloop.ces.server.batch import BatchResponse, read_items
from greenloop.ces.server.bodies import chunks, media_type, while_there, whole
from greenloop.ces.server.door import Door
from greenloop.ces.server.problems import Refused
from greenloop.ces.wire import JSON, PACK, Packed, Warm, parse, request_of
from greenloop.records import Record, WarmBuild


async def evaluate(request: Request, door: Door) -> Response:
    """Judge one edit."""
    media_type(request, JSON)
    body = await whole(request, door.bounds.body_bytes, door.bounds.silence_seconds)
    asked = request_of(parse(body))
    door.readiness.must_be()
    ASKER.set(request.state.asker)
    evaluation = await while_there(request, door.backend.evaluate(asked))
    door.metrics.evaluation(evaluation)
    return _record(evaluation)


async def evaluate_batch(request: Request, door: Door) -> ASGIApp:
    """Judge many edits; their answers come as they are known."""
    items = await read_items(request, door)
    door.readiness.must_be()
    ASKER.set(request.state.asker)
    return BatchResponse(request, door, items)


async def evaluation(request: Request, door: Door) -> Response:
    """Return a stored evaluation."""
    found = await asyncio.to_thread(door.shelf.stored, request.path_params["id"])
    if found is None:
        raise _no_evaluation()
    return Response(found.encode(), media_type=JSON)


async def log(request: Request, door: Door) -> Response:
    """Return what the tools printed on the way to an evaluation."""
    found = await asyncio.to_thread(door.shelf.log, request.path_params["id"])
    if found is None:
        raise _no_evaluation()
    # text that untrusted code printed: never to be taken for a page
    return PlainTextResponse(found, headers={"x-content-type-options": "nosniff"})


async def builds(_request: Request, door: Door) -> Response:
    """List the warm builds."""
    listed = b",".join(build.to_json().encode() for build in door.backend.builds())
    return Response(b'{"builds":[' + listed + b"]}", media_type=JSON)


async def warm(request: Request, door: Door) -> Response:
    """Begin to warm a revision."""
    media_type(request, JSON)
    body = parse(await whole(request, door.bounds.body_bytes, door.bounds.silence_seconds))
    wanted = Warm.model_validate(body, strict=True)
    door.readiness.must_be()
    return _record(await door.backend.warm(wanted.revision), status=202)


async def build(request: Request, door: Door) -> Response:
    """Return one warm build, by revision or tree."""
    name = request.path_params["revision"]
    found: WarmBuild | None = next(
        (one for one in door.backend.builds() if name in (one.tree, one.revision, *one.names)), None
    )
    if found is None:
        raise Refused(404, "no warm build of that revision or tree", "POST /v1/builds warms one")
    return _record(found)


async def pack(request: Request, door: Door) -> Response:
    """Add a pack of trees to the store."""
    media_type(request, PACK)
    door.scratch.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=door.scratch, prefix=".pack-")
    path = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            async for chunk in chunks(request, door.bounds.pack_bytes, door.bounds.silence_seconds):
                await asyncio.to_thread(file.write, chunk)
        trees = await asyncio.to_thread(door.import_pack, path)
    finally:
        path.unlink(missing_ok=True)
    return Response(Packed(trees=tuple(trees)).model_dump_json().encode(), 201, media_type=JSON)


async def health(_request: Request, _door: Door) -> Response:
    """Say that the process answers."""
    return JSONResponse({"status": "ok"})


async def ready(_request: Request, door: Door) -> Response:
    """Say whether the service can judge: every layer of the sandbox holds, and the backend is up."""
    door.readiness.must_be()
    return JSONResponse({"status": "ready", "toolchain": door.backend.fingerprint, **door.about})


async def metrics(_request: Request, door: Door) -> Response:
    """Return figures for Prometheus."""
    return Response(door.metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})


def _record(record: Record, status: int = 200) -> Response:
    return Response(record.to_json().encode(), status, media_type=JSON)


def _no_evaluation() -> Refused:
    return Refused(
        404, "no such evaluation", "ids are those that evaluations carry; infrastructure errors are not kept"
    )
