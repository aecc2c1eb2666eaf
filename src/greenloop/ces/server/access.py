"""One line in the log for every request, and its place in the metrics. No header, query or body is ever written."""

import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greenloop.ces.server.metrics import Metrics

_log = logging.getLogger("greenloop.ces.access")
_LONGEST = 200
_GONE = 499


class AccessLog:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and write down how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = _GONE

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            state = scope.get("state", {})
            self._metrics.request(state.get("route", "other"), status)
            _log.info(
                "%s %s %d %.1f ms%s",
                scope["method"],
                # a client makes paths up: they must not look like lines of ours
                ascii(scope["path"][:_LONGEST])[1:-1],
                status,
                1000 * (time.perf_counter() - began),
                f" {state['owner']}" if state.get("owner") else "",
            )
