"""Who may come in: whoever has a token, where tokens are asked for."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from greenloop.ces.server.problems import respond
from greenloop.ces.tokens import Tokens
from greenloop.ces.wire import ASKER_HEADER, TITLES, Problem

_OPEN = frozenset({"/healthz", "/readyz"})
"""Asked by what watches over the service and holds no token; they tell nothing of anybody's code."""
_LONGEST_NAME = 64


class Porter:
    """ASGI middleware that lets in who has a token, and notes who asks in ``scope["state"]["asker"]``."""

    def __init__(self, app: ASGIApp, tokens: Tokens | None) -> None:
        self._app = app
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        name = ""
        if self._tokens is not None and scope["path"] not in _OPEN:
            owner = self._tokens.owner(headers.get("authorization", ""))
            if owner is None:
                refused = respond(
                    Problem(
                        title=TITLES[401],
                        status=401,
                        reason="unauthorized",
                        detail="a bearer token is needed, and this one is not known"
                        if "authorization" in headers
                        else "a bearer token is needed",
                        way_out="send `Authorization: Bearer TOKEN`",
                    )
                )
                await refused(scope, receive, send)
                return
            name = owner
        own = headers.get(ASKER_HEADER, "")[:_LONGEST_NAME]
        scope.setdefault("state", {})["owner"] = name
        scope["state"]["asker"] = f"{name}/{own}"
        await self._app(scope, receive, send)
