"""Who may come in: a program of this machine's user that knows the token, and no page in a browser.

A page that somebody visits can send requests to the loopback, under a name of its own too (DNS rebinding). Browsers
say where a request comes from, and which name they were given: so every ``Origin`` is refused, and every foreign
``Host``.
"""

import asyncio
import hmac
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from greenloop.aid.openai_door.errors import FOREIGN_HOST, FOREIGN_ORIGIN, UNAUTHORIZED, respond
from greenloop.records import Refused

_DRAINED_BYTES = 64 << 20
_DRAIN_SECONDS = 5.0


class Guard:
    """ASGI middleware. ``port`` is where the server listens."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        refused = self._refusal(Headers(scope=scope))
        if refused is None:
            await self._app(scope, receive, send)
        else:
            await drain(receive)
            await respond(refused)(scope, receive, send)

    def _refusal(self, headers: Headers) -> Refused | None:
        host = headers.getlist("host")
        if len(host) != 1 or host[0].lower() not in self._hosts:
            return Refused(FOREIGN_HOST, "`Host` is not this endpoint's", "use the address of `greenloop aid endpoint`")
        if "origin" in headers:
            return Refused(FOREIGN_ORIGIN, "a request with `Origin` comes from a web page", "no page may use this")
        scheme, _, given = headers.get("authorization", "").partition(" ")
        offered = given.strip().encode("utf-8", "surrogateescape")
        if not (hmac.compare_digest(self._token, offered) and scheme.lower() == "bearer"):
            return Refused(
                UNAUTHORIZED,
                "a bearer token is needed, and this one is not known" if given else "a bearer token is needed",
                "`greenloop aid endpoint` says where it lies; each start of the sidecar makes another one",
            )
        return None


async def drain(receive: Receive) -> None:
    """Read and throw away what is left of a body, within bounds.

    A server that closes while bytes still come resets the connection, and the client sees that in the place of the
    refusal (RFC 9112, 9.6).
    """
    size, more = 0, True
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while more and size < _DRAINED_BYTES:
                message = await receive()
                size += len(message.get("body", b""))
                more = message.get("more_body", False)
