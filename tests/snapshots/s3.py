"""An S3 server of our own for tests: moto's, over HTTP on the loopback, with faults on demand."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "team"
ACCESS, SECRET = "AKIATESTONLY", "the-secret-of-the-tests"

Fault = Callable[[str, str], bool]
"""Asked with method and path of each request; ``True`` makes it a 503."""


class S3:
    """A running server: what it was asked, and what it is to refuse."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.fault: Fault = lambda _method, _path: False
        self.reached = threading.Event()
        """Set when a request is held up."""
        self.hold: Fault = lambda _method, _path: False
        self.free = threading.Event()
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs in its environment."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def puts(self) -> list[str]:
        """Return the paths that were written since ``asked`` was cleared."""
        return [path for method, path in self.asked if method == "PUT"]

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.asked.append((method, path))
        if self.hold(method, path):
            self.reached.set()
            self.free.wait(20)
        if self.fault(method, path):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Slow Down", [("Content-Type", "application/xml"), ("Connection", "close")])
            return [f"<Error><Code>SlowDown</Code><AWSAccessKeyId>{ACCESS}</AWSAccessKeyId></Error>".encode()]
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    @contextmanager
    def running(self) -> Iterator["S3"]:
        """Serve while the block runs."""
        self._thread.start()
        try:
            yield self
        finally:
            self.free.set()
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
