"""What the service tells Prometheus about itself."""

from collections.abc import Callable, Iterable
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from greenloop.ces.backend import Load
from greenloop.records import Evaluation, WarmBuild

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_STATES = ("queued", "warming", "green", "red", "failed", "evicted")


class Watched(Protocol):
    """The part of a backend that is looked at when metrics are asked for."""

    def builds(self) -> tuple[WarmBuild, ...]:
        """Return the warm builds."""
        ...


class Metrics:
    """Counts what passes the door. One registry of its own, so that several services live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "greenloop_ces_requests", "HTTP requests answered.", ("route", "status"), registry=self._registry
        )
        self._evaluations = Counter(
            "greenloop_ces_evaluations", "Evaluations told, by status.", ("status", "seen_before"),
            registry=self._registry,
        )  # fmt: skip
        self._wait = Histogram(
            "greenloop_ces_wait_seconds", "Waiting for a worker.", buckets=_SECONDS, registry=self._registry
        )
        self._total = Histogram(
            "greenloop_ces_evaluation_seconds", "From request to answer.", ("seen_before",), buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self._stages = Histogram(
            "greenloop_ces_stage_seconds", "Wall clock of a stage.", ("stage",), buckets=_SECONDS,
            registry=self._registry,
        )  # fmt: skip

    def watch(self, backend: Watched, load: Callable[[], Load]) -> None:
        """Show the backend's own figures as well."""
        self._registry.register(_Backend(backend, load))

    def request(self, route: str, status: int) -> None:
        """Count an answered request. ``route`` is the pattern, never a path that a client made up."""
        self._requests.labels(route, str(status)).inc()

    def evaluation(self, told: Evaluation) -> None:
        """Count an evaluation that was told to somebody."""
        seen = "yes" if told.seen_before else "no"
        self._evaluations.labels(told.status.value, seen).inc()
        self._total.labels(seen).observe(told.timings.total_ms / 1000)
        if not told.seen_before:
            self._wait.observe(told.timings.queued_ms / 1000)
            for stage in told.stages:
                self._stages.labels(stage.stage.value).observe(stage.seconds)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Backend(Collector):
    """Reads the backend when it is asked: nothing has to be kept in step."""

    def __init__(self, backend: Watched, load: Callable[[], Load]) -> None:
        self._backend = backend
        self._load = load

    def collect(self) -> Iterable[Metric]:
        load = self._load()
        yield GaugeMetricFamily("greenloop_ces_queue_depth", "Requests that wait for a worker.", load.queued)
        yield GaugeMetricFamily("greenloop_ces_running", "Requests at work.", load.running)
        yield GaugeMetricFamily("greenloop_ces_workers", "Workers.", load.workers)
        yield CounterMetricFamily("greenloop_ces_retries", "Tried again after a fault of the machine.", load.retries)
        yield CounterMetricFamily("greenloop_ces_cancellations", "Nobody waited any more.", load.cancellations)
        yield CounterMetricFamily("greenloop_ces_coalesced", "Joined an equal request in flight.", load.coalesced)
        yield CounterMetricFamily("greenloop_ces_remembered", "Answered from the store.", load.remembered)
        builds = self._backend.builds()
        family = GaugeMetricFamily("greenloop_ces_warm_builds", "Warm builds, by state.", labels=("state",))
        for state in _STATES:
            family.add_metric((state,), sum(build.state == state for build in builds))
        yield family
        size = sum(build.bytes for build in builds)
        yield GaugeMetricFamily("greenloop_ces_warm_bytes", "Disk that warm builds take.", size)
