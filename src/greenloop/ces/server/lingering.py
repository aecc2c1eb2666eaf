"""Letting a client finish its sentence before it is refused.

A server that closes a connection while bytes of the request still arrive resets it, and the client sees a broken
connection in the place of the refusal (RFC 9112, 9.6). So what is left of a refused body is read and thrown away,
within bounds, before the refusal ends.
"""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_BYTES = 64 << 20
_MOST_SECONDS = 5.0


class Lingering:
    """ASGI middleware that drains the body of a request which was answered before it was read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and drain before the last message of the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # a client that waits for a "100 Continue" sends nothing when it is refused instead
        unread = "expect" not in Headers(scope=scope)

        async def reading() -> Message:
            nonlocal unread
            message = await receive()
            if not message.get("more_body", False):
                unread = False
            return message

        async def sending(message: Message) -> None:
            nonlocal unread
            if message.get("status") == 408:
                # it has just shown that nothing more is coming
                unread = False
            if unread and message["type"] == "http.response.body" and not message.get("more_body", False):
                unread = False
                await send({**message, "more_body": True})
                with suppress(TimeoutError):
                    await asyncio.wait_for(_drain(receive), _MOST_SECONDS)
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, reading, sending)


async def _drain(receive: Receive) -> None:
    size = 0
    while size < _MOST_BYTES:
        message = await receive()
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return
