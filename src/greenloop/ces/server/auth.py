"""Who may come in: bearer tokens, each with the name of whom it was given to."""

import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from greenloop.ces.server.problems import respond
from greenloop.ces.wire import ASKER_HEADER, TITLES, Problem
from greenloop.records import InputError

_OPEN = frozenset({"/healthz", "/readyz"})
"""Asked by what watches over the service and holds no token; they tell nothing of anybody's code."""
_SHORTEST = 16
_LONGEST_NAME = 64


class Tokens:
    """Named tokens. They are never printed: not by ``repr``, not in an error."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        """``tokens``: name → token. Raises ``InputError`` for one that is short, or not ASCII without blanks."""
        for name, token in tokens.items():
            if len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
                raise InputError(
                    f"the token {name!r} is not {_SHORTEST} or more printable ASCII characters without blanks",
                    "make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
                )
        self._tokens = {name: token.encode() for name, token in tokens.items()}

    def __repr__(self) -> str:
        return f"Tokens({', '.join(sorted(self._tokens))})"

    def owner(self, authorization: str) -> str | None:
        """Return the name of the token in an ``Authorization`` header, or ``None``.

        Takes the same time for every wrong token: all are compared, each in constant time.
        """
        scheme, _, given = authorization.partition(" ")
        offered = given.strip().encode("utf-8", "surrogateescape")
        found: str | None = None
        for name, token in self._tokens.items():
            if hmac.compare_digest(token, offered):
                found = name
        return found if scheme.lower() == "bearer" else None

    @classmethod
    def parse(cls, text: str, source: str) -> "Tokens":
        """Read lines ``NAME TOKEN`` or ``TOKEN``; empty lines and ``#`` lines are skipped.

        Raises ``InputError`` that names ``source`` and the line, never what stands in it.
        """
        found: dict[str, str] = {}
        for number, line in enumerate(text.splitlines(), 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            name, token = (words[0], words[1]) if len(words) == 2 else (f"token-{number}", words[0])
            if len(words) > 2 or name in found:
                raise InputError(f"{source}: line {number}: not `NAME TOKEN`, or the name stands twice")
            found[name] = token
        if not found:
            raise InputError(f"{source}: holds no token", "one line for each: NAME TOKEN")
        return cls(found)


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
