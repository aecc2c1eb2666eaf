"""The funnel for Prometheus: a registry of its own, text on demand, and a page on the loopback if one is configured."""

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, make_wsgi_app

from greenloop.aid.loopback import loopback
from greenloop.aid.metrics.sink import Sink
from greenloop.records import EnvironmentFault, InputError
from greenloop.records.funnel import FunnelEvent, Step

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class PrometheusSink(Sink):
    """Counts events. Labels are closed words: no id, no tree, and of models and arms what ``Label`` lets through."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._steps = Counter("greenloop_aid_steps", "Steps of the funnel.", ("step", "kind"), registry=registry)
        self._hunks = Counter("greenloop_aid_hunks", "Hunks shown, accepted, refused.", ("step",), registry=registry)
        self._ended = Counter("greenloop_aid_turns", "Turns that ended.", ("outcome", "fault"), registry=registry)
        self._rungs = Counter("greenloop_aid_applied", "Applied, by rung.", ("rung",), registry=registry)
        self._badges = Counter("greenloop_aid_verified", "Verified, by badge.", ("badge",), registry=registry)
        self._tokens = Counter("greenloop_aid_tokens", "Tokens.", ("model", "direction"), registry=registry)
        self._until = Histogram(
            "greenloop_aid_seconds", "From the request on; `outcome` is how the turn ended.", ("until", "outcome"),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip

    def note(self, event: FunnelEvent) -> None:
        self._steps.labels(event.step.value, event.kind).inc()
        if event.step in {Step.SHOWN, Step.ACCEPTED, Step.REFUSED, Step.UNDONE}:
            self._hunks.labels(event.step.value).inc(event.hunks)
        if event.step is Step.APPLIED and event.rung is not None:
            self._rungs.labels(str(event.rung)).inc()
        if event.step is Step.VERIFIED:
            self._badges.labels(event.badge).inc()
        if event.step is Step.ENDED:
            self._ended.labels(event.outcome, event.fault).inc()
            self._tokens.labels(event.model, "prompt").inc(event.prompt_tokens)
            self._tokens.labels(event.model, "reply").inc(event.reply_tokens)
            for until in ("first_token", "first_diff", "verified", "total"):
                milliseconds = getattr(event, f"{until}_ms")
                if milliseconds is not None:
                    self._until.labels(until, event.outcome).observe(milliseconds / 1000)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)

    def page(self) -> Callable[..., Iterable[bytes]]:
        """Return it as a WSGI application, which answers to the names of the loopback alone.

        So no page that somebody visits can read it under a name of its own (DNS rebinding).
        """
        inner: Callable[..., Iterable[bytes]] = make_wsgi_app(self._registry)

        def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            if loopback(urlsplit(f"//{environ.get('HTTP_HOST', '')}").hostname or ""):
                return inner(environ, start)
            start("421 Misdirected Request", [("Content-Type", "text/plain")])
            return [b"greenloop's metrics are this machine's alone\n"]

        return application


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that the base class gives
        """Say nothing of requests."""


class Exporter:
    """Serves a sink's page at ``HOST:PORT`` of the loopback (port 0: any) until it is closed; ``port`` says which.

    Raises ``InputError`` for an address that is none, or not the loopback's; ``EnvironmentFault`` when it is taken.
    """

    def __init__(self, sink: PrometheusSink, address: str) -> None:
        host, _, port = address.rpartition(":")
        if not port.isdigit() or not loopback(host):
            raise InputError(
                f"metrics.prometheus: {address!r} is no address of the loopback", 'write it like "127.0.0.1:9464"'
            )
        try:
            self._server = make_server(host.strip("[]"), int(port), sink.page(), _Server, _Quiet)
        except (OSError, OverflowError) as error:
            raise EnvironmentFault(f"metrics.prometheus: {address}: {error}", "choose another port") from error
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
