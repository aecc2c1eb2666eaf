"""What the sidecar serves: its parts, put together from settings and home."""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from greenloop.aid.metrics.recording import Recording
from greenloop.aid.metrics.settings import MetricsSettings
from greenloop.aid.metrics.sink import Sink
from greenloop.aid.service import Combined, Handlers, Peer, Service
from greenloop.aid.tools.service import ToolService
from greenloop.aid.trust import Trust
from greenloop.aid.turns.service import TurnService
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.cli.aid_place import own_settings
from greenloop.cli.app import App
from greenloop.cli.equipment import HomeEquipment
from greenloop.cli.home import Home
from greenloop.cli.toolboxes import HomeTools
from greenloop.records import EnvironmentFault
from greenloop.records.funnel import FunnelEvent

if TYPE_CHECKING:
    from greenloop.aid.metrics.spans import Spans
    from greenloop.feedback.funnel import Funnel


def parts(app: App) -> tuple[Service, ...]:
    """Return the parts of the sidecar, a line each. A method that no part serves is refused by name."""
    trust = Trust(app.home.aid / "trusted.json")
    equipment = HomeEquipment(app, trust)
    workspaces = WorkspaceService(equipment, trust, app.home.aid, checks=own_settings(app).aid.checks)
    counting, exporters = _exporters(own_settings(app).metrics)
    recording = Recording(app.home.feedback, _LateFunnel(app.home), counting)
    tools = HomeTools(app, trust)
    tool_service = ToolService(workspaces, tools.open, tools.key)
    spans = _spans(own_settings(app).metrics)
    turns = TurnService(equipment, workspaces, recording, app.home.aid, tool_service.box, spans)
    # the last one is closed first
    return (
        _Closing((equipment, tools, *exporters, *((spans,) if spans is not None else ()))),
        workspaces,
        tool_service,
        turns,
        *_openai_endpoint(app, Combined((workspaces, turns)), trust),
    )


def _exporters(settings: MetricsSettings) -> tuple[tuple[Sink, ...], tuple["_Closeable", ...]]:
    """Return who counts beside the funnel, and what serves that until it is closed: nothing unless it is configured."""
    if not settings.prometheus:
        return (), ()
    # a package that nobody else should wait for
    from greenloop.aid.metrics.prometheus import Exporter, PrometheusSink

    sink = PrometheusSink()
    return (sink,), (Exporter(sink, settings.prometheus),)


def _spans(settings: MetricsSettings) -> "Spans | None":
    if not settings.otlp:
        return None
    # as above
    from greenloop.aid.metrics.spans import exporting_to

    return exporting_to(settings.otlp)


def _openai_endpoint(app: App, service: Service, trust: Trust) -> tuple[Service, ...]:
    """Return the endpoint for clients of OpenAI's interface, where it is switched on."""
    if not own_settings(app).aid.openai_endpoint:
        return ()
    try:
        # its HTTP server is an extra, and costs a start of the sidecar that nobody else should pay
        from greenloop.aid.openai_door.place import EndpointPlace
        from greenloop.aid.openai_door.server import Endpoint
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            f"[aid] openai_endpoint: the package {error.name} is not installed",
            "pip install 'greenloop[ces]', or set `openai_endpoint = false`",
        ) from error
    return (Endpoint(service, EndpointPlace(app.home.aid), trust.roots),)


class _LateFunnel:
    """The funnel, opened with its first event: SQLAlchemy costs a fifth of the time in which the sidecar starts."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def add(self, event: FunnelEvent) -> None:
        """See ``Funnel.add``."""
        self._funnel.add(event)

    @cached_property
    def _funnel(self) -> "Funnel":
        return self._home.funnel


class _Closeable(Protocol):
    def close(self) -> None: ...


class _Closing:
    """Serves nothing, and closes what the other parts stand on when these have ended."""

    def __init__(self, held: Sequence[_Closeable]) -> None:
        self._held = held

    def handlers(self) -> Handlers:
        """Nothing."""
        return Handlers()

    def left(self, peer: Peer) -> None:
        """Nothing is kept for clients."""

    def busy(self) -> bool:
        """It has nothing to do."""
        return False

    def close(self) -> None:
        """Close it all."""
        for one in self._held:
            one.close()
