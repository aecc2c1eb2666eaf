"""A fake of what stands behind the seam: a real HTTP server on loopback that streams chat completions from a script.

For tests and measurements of what lies between an editor and a model: delays are the script's, and so are faults.
"""

import json
import select
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self

from greenloop.models.seam import ToolUse

Body = dict[str, Any]
GATE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Served:
    """What is answered: ``pieces`` after ``first_seconds``, ``piece_seconds`` apart, and how it ends.

    ``end``: as it should. ``hang``: nothing more comes until the client goes. ``cut``: the connection is closed though
    more was announced.
    """

    pieces: Sequence[bytes]
    status: int = 200
    content_type: str = "text/event-stream"
    first_seconds: float = 0.0
    piece_seconds: float = 0.0
    then: Literal["end", "hang", "cut"] = "end"
    headers: tuple[tuple[str, str], ...] = ()
    gates: Mapping[int, Callable[[], bool]] = field(default_factory=dict)
    """Number of a piece → what has to be true before it is sent; asked every ``GATE_SECONDS``."""


def event(delta: Body, *, index: int = 0, reason: str | None = None) -> bytes:
    """Return a server-sent event with one piece of a reply."""
    choice = {"index": index, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({"object": "chat.completion.chunk", "choices": [choice]}).encode() + b"\n\n"


def streamed(
    *texts: str, thought: str = "", characters: int = 16, first_seconds: float = 0.0, piece_seconds: float = 0.0
) -> Served:
    """Return a well-formed stream of these replies, one after another, each after the same ``thought``."""
    pieces: list[bytes] = []
    for index, text in enumerate(texts):
        for start in range(0, len(thought), characters):
            pieces.append(event({"reasoning_content": thought[start : start + characters]}, index=index))
        for start in range(0, len(text), characters):
            pieces.append(event({"content": text[start : start + characters]}, index=index))
        pieces.append(event({}, index=index, reason="stop"))
    usage = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": sum(len(t.split()) for t in texts)}}
    pieces += [b"data: " + json.dumps(usage).encode() + b"\n\n", b"data: [DONE]\n\n"]
    return Served(pieces, first_seconds=first_seconds, piece_seconds=piece_seconds)


def calling(*uses: ToolUse, text: str = "", characters: int = 16) -> Served:
    """Return a well-formed stream of a reply that asks for these calls, their arguments in pieces."""
    pieces = [event({"content": text})] if text else []
    for index, use in enumerate(uses):
        head = {"index": index, "id": use.id, "type": "function", "function": {"name": use.name, "arguments": ""}}
        pieces.append(event({"tool_calls": [head]}))
        for start in range(0, len(use.arguments), characters):
            part = {"index": index, "function": {"arguments": use.arguments[start : start + characters]}}
            pieces.append(event({"tool_calls": [part]}))
    pieces += [event({}, reason="tool_calls"), b"data: [DONE]\n\n"]
    return Served(pieces)


class ScriptedServer:
    """Answers each request by ``script``; a context manager that ends the server with all its connections.

    ``requests`` are the bodies that came, ``url`` is for ``OpenAIModel``. ``dropped`` is set when a client has gone
    before its answer was complete.
    """

    def __init__(self, script: Callable[[Body], Served]) -> None:
        self.requests: list[Body] = []
        self.dropped = threading.Event()
        self._script = script
        self._over, self._ending = socket.socketpair()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it, and every answer that is under way."""
        self._ending.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._over.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(body)
                try:
                    outer._answer(self, outer._script(body))
                except OSError:
                    outer.dropped.set()
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        return Handler

    def _answer(self, to: BaseHTTPRequestHandler, served: Served) -> None:
        self._wait(to, served.first_seconds)
        to.send_response(served.status)
        for name, value in (("Content-Type", served.content_type), ("Transfer-Encoding", "chunked"), *served.headers):
            to.send_header(name, value)
        to.end_headers()
        for number, piece in enumerate(served.pieces):
            if number:
                self._wait(to, served.piece_seconds)
            while (gate := served.gates.get(number)) is not None and not gate():
                self._wait(to, GATE_SECONDS)
            to.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            to.wfile.flush()
        if served.then == "hang":
            self._wait(to, None)
        if served.then == "cut":
            to.close_connection = True
            return
        to.wfile.write(b"0\r\n\r\n")

    def _wait(self, to: BaseHTTPRequestHandler, seconds: float | None) -> None:
        """Wait; raise ``OSError`` when the client goes, or the server ends, meanwhile."""
        ready, _, _ = select.select([to.connection, self._over], [], [], seconds)
        if ready:
            raise ConnectionResetError("the client has gone")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes is what many a script is about."""
