"""The endpoints: one for a chat completion, streamed or not, and one that lists what may be named as a model."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from greenloop.aid.openai_door.answer import written
from greenloop.aid.openai_door.asked import MODEL, WORKSPACE_HEADER, Asked, asked, body_of
from greenloop.aid.openai_door.errors import HANDLERS, HEADERS
from greenloop.aid.openai_door.errors import body_of as error_body
from greenloop.aid.openai_door.guard import Guard
from greenloop.aid.openai_door.threads import Threads
from greenloop.aid.openai_door.turns import Limits, Run, Turns
from greenloop.aid.protocol.turns import TurnEnded
from greenloop.records import Cancelled, GreenloopError

_WRITE_SECONDS = 30.0
"""So long may a client not read what it is sent."""


class Chat:
    """The handlers. ``trusted`` returns the roots of the workspaces that may be built."""

    def __init__(self, turns: Turns, limits: Limits, trusted: Callable[[], Sequence[str]]) -> None:
        self._turns = turns
        self._limits = limits
        self._trusted = trusted
        self._threads = Threads()
        self._began = int(time.time())

    async def models(self, _request: Request) -> Response:
        """List what may be named: ``greenloop``, and it with each trusted workspace."""
        names = [MODEL, *(f"{MODEL}:{root}" for root in self._trusted())]
        listed = [{"id": one, "object": "model", "created": self._began, "owned_by": "greenloop"} for one in names]
        return JSONResponse({"object": "list", "data": listed}, headers=HEADERS)

    async def complete(self, request: Request) -> Response:
        """Make a turn, and answer with what came of it."""
        wanted = asked(await body_of(request, self._limits.body_bytes), request.headers.get(WORKSPACE_HEADER))
        run = await self._turns.begin(wanted, self._threads.find(wanted.path, wanted.said))
        run.watch(request.receive, self._limits.seconds)
        if wanted.stream:
            return _Streamed(run, wanted, self._finished)
        try:
            text = ""
            async for news in run.news():
                if isinstance(news, TurnEnded):
                    text = self._finished(run, wanted, news)
        finally:
            await run.end()
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
        body = _about(run, wanted, "chat.completion") | {"choices": [choice]}
        return JSONResponse(body, headers=HEADERS, background=BackgroundTask(run.shown))

    def _finished(self, run: Run, wanted: Asked, ended: TurnEnded) -> str:
        """Return the answer, and remember what was said by now."""
        text = written(ended, run.best)
        said = (*wanted.said, ("user", wanted.prompt), ("assistant", text))
        self._threads.remember(wanted.path, said, run.started.conversation)
        return text


class _Streamed(Response):
    """An answer as server-sent events.

    What the turn does comes at once, as ``reasoning_content``; the answer in one piece at the end, when it is known
    which suggestion is the best one, and its badge.
    """

    def __init__(self, run: Run, wanted: Asked, finished: Callable[[Run, Asked, TurnEnded], str]) -> None:
        super().__init__()
        self._run = run
        self._wanted = wanted
        self._finished = finished

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - the seam's
        """Send it. The status was sent when an error comes, so the error is an event."""

        async def tell(body: bytes, *, more: bool = True) -> None:
            try:
                message = {"type": "http.response.body", "body": body, "more_body": more}
                await asyncio.wait_for(send(message), _WRITE_SECONDS)
            except TimeoutError as error:
                raise Cancelled("the client does not read what it is sent") from error

        try:
            headers = HEADERS | {"content-type": "text/event-stream; charset=utf-8"}
            raw = [(name.encode(), value.encode()) for name, value in headers.items()]
            await send({"type": "http.response.start", "status": 200, "headers": raw})
            try:
                await tell(self._chunk({"role": "assistant", "content": ""}))
                async for news in self._run.news():
                    if isinstance(news, TurnEnded):
                        await tell(self._chunk({"content": self._finished(self._run, self._wanted, news)}))
                    else:
                        await tell(self._chunk({"reasoning_content": f"{news.text}\n"}))
                await tell(self._chunk({}, "stop"))
            except GreenloopError as error:
                await tell(_event(error_body(error)), more=False)
                return
            await tell(b"data: [DONE]\n\n", more=False)
            await self._run.shown()
        finally:
            await self._run.end()

    def _chunk(self, delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _event(_about(self._run, self._wanted, "chat.completion.chunk") | {"choices": [choice]})


def _about(run: Run, wanted: Asked, kind: str) -> dict[str, Any]:
    name = f"chatcmpl-{run.started.turn}"
    return {"id": name, "object": kind, "created": int(time.time()), "model": wanted.model}


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def application(chat: Chat, port: int, token: str) -> Starlette:
    """Return the endpoint as an ASGI application for a server that listens at ``port`` of the loopback."""
    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat.complete, methods=["POST"]),
            Route("/v1/models", chat.models, methods=["GET"]),
        ],
        middleware=[Middleware(Guard, port=port, token=token)],
        exception_handlers=HANDLERS,
    )
