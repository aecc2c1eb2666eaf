"""Many evaluations in one request: NDJSON out, a line for each as it is known."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from itertools import islice

from pydantic import ValidationError
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from greenloop.ces.server.bodies import media_type, while_there, whole
from greenloop.ces.server.door import Door
from greenloop.ces.server.problems import Refused, explain
from greenloop.ces.wire import JSON, NDJSON, evaluation_line, parse, problem_line, request_of
from greenloop.records import Cancelled, GreenloopError, Overloaded, RecordError

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 1.0


async def read_items(request: Request, door: Door) -> list[object]:
    """Return a batch's items: parsed values of a JSON array, or the bytes of NDJSON's lines.

    Raises ``Refused`` and, for an array that is none, ``RecordError``.
    """
    kind = media_type(request, JSON, NDJSON)
    body = await whole(request, door.bounds.batch_bytes, door.bounds.silence_seconds)
    items: object = [line for line in body.split(b"\n") if line.strip()] if kind == NDJSON else parse(body)
    if not isinstance(items, list):
        raise RecordError("a batch is a JSON array of requests")
    if len(items) > door.bounds.batch_items:
        raise Refused(
            413, f"{len(items)} requests in one batch, at most {door.bounds.batch_items}", "send several batches"
        )
    return items


class BatchResponse:
    """Streams the answers of a batch for as long as its client is there."""

    def __init__(self, request: Request, door: Door, items: Sequence[object]) -> None:
        self._request = request
        self._door = door
        self._items = items

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        """Send all lines; the client's end ends the work."""
        headers = [(b"content-type", NDJSON.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await while_there(self._request, self._send_lines(send))
        except Cancelled:
            return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_lines(self, send: Send) -> None:
        async for lines in self._lines():
            # waits while the client does not read; meanwhile nothing new of this batch is begun
            await send({"type": "http.response.body", "body": lines, "more_body": True})

    async def _lines(self) -> AsyncIterator[bytes]:
        """Yield whole lines in the order of completion; at most a window of items is in flight."""
        waiting = iter(enumerate(self._items))
        running: set[asyncio.Task[bytes]] = set()
        indexes: dict[asyncio.Task[bytes], int] = {}
        try:
            while True:
                for index, item in islice(waiting, self._door.bounds.batch_window - len(running)):
                    task = asyncio.create_task(self._line(index, item))
                    running.add(task)
                    indexes[task] = index
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                yield b"".join(_told(task, indexes.pop(task)) for task in done)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _line(self, index: int, item: object) -> bytes:
        """Return the line of one item, which waits outside of a queue that is full."""
        try:
            request = request_of(parse(item) if isinstance(item, bytes) else item)
            while True:
                try:
                    evaluation = await self._door.backend.evaluate(request)
                    break
                except Overloaded as full:
                    await asyncio.sleep(min(_LONGEST_PAUSE, full.retry_after))
        except (GreenloopError, ValidationError) as error:
            return problem_line(index, explain(error))
        self._door.metrics.evaluation(evaluation)
        return evaluation_line(index, evaluation)


def _told(task: "asyncio.Task[bytes]", index: int) -> bytes:
    """Return an item's line; a mistake of the service befalls its own item only."""
    error = task.exception()
    if error is None:
        return task.result()
    _log.error("item %d of a batch", index, exc_info=error)
    return problem_line(index, explain(error if isinstance(error, Exception) else RuntimeError()))
