"""Reading what a client sends, and noticing that it has gone."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import Request

from greenloop.ces.server.problems import Refused
from greenloop.records import Cancelled

Result = TypeVar("Result")


def media_type(request: Request, *allowed: str) -> str:
    """Return the request's media type. Raises ``Refused`` (415) when it is none of ``allowed``."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in allowed:
        named = " or ".join(allowed)
        raise Refused(415, f"the content type is {given!r}" if given else "no content type", f"send {named}")
    return given


async def chunks(request: Request, largest: int, silence_seconds: float) -> AsyncIterator[bytes]:
    """Yield the body as it comes.

    Raises ``Refused``: 413 above ``largest`` bytes, before they are read where the client announced them; 408 when
    nothing comes for ``silence_seconds``. Raises ``Cancelled`` when the client goes.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > largest:
        raise _too_large(largest)
    size = 0
    while True:
        try:
            message = await asyncio.wait_for(request.receive(), silence_seconds)
        except TimeoutError as error:
            raise Refused(408, f"nothing came for {silence_seconds:g} s in the middle of the body") from error
        if message["type"] == "http.disconnect":
            raise Cancelled("the client went away before its request was complete")
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > largest:
            raise _too_large(largest)
        yield chunk
        if not message.get("more_body", False):
            return


async def whole(request: Request, largest: int, silence_seconds: float) -> bytes:
    """Return the whole body; errors as ``chunks``."""
    return b"".join([chunk async for chunk in chunks(request, largest, silence_seconds)])


async def while_there(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Return what ``work`` returns, and cancel it as soon as the client goes; ``Cancelled`` is raised then.

    The body must have been read whole: what comes next from the client can only be its end.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Cancelled("the client went away")
        return task.result()
    finally:
        for one in (task, gone):
            if not one.done():
                one.cancel()
                with suppress(asyncio.CancelledError):
                    await one


def _too_large(largest: int) -> Refused:
    return Refused(413, f"the body is larger than {largest} bytes", "send less at a time")
