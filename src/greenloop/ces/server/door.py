"""What every endpoint is handed: the backend, the books, and how much a client may bring."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from greenloop.ces.backend import Backend, Load
from greenloop.ces.server.metrics import Metrics
from greenloop.ces.tokens import Tokens
from greenloop.records import InfrastructureError, TreeId


class Shelf(Protocol):
    """Where finished evaluations are found again: ``ces.ledger.Ledger``. Called from threads."""

    def stored(self, evaluation_id: str) -> str | None:
        """Return an evaluation as it was stored, or ``None``."""
        ...

    def log(self, evaluation_id: str) -> str | None:
        """Return what the tools printed, or ``None``."""
        ...


@dataclass(frozen=True)
class Bounds:
    """How much a client may bring, and how slowly."""

    body_bytes: int = 8 << 20
    """One evaluation's request."""
    batch_bytes: int = 256 << 20
    """All of a batch."""
    batch_items: int = 20_000
    """Requests of a batch."""
    pack_bytes: int = 256 << 20
    """A pack of trees."""
    silence_seconds: float = 20.0
    """How long a client may say nothing in the middle of its headers or its body."""
    batch_window: int = 32
    """Items of one batch that wait or are judged at a time; the others are not yet in the queue."""


class Readiness:
    """Whether the service can judge: its backend is up, and what it said of itself on the way."""

    def __init__(self) -> None:
        self.ready = False
        self.fault: InfrastructureError | None = None

    def must_be(self) -> None:
        """Raise ``InfrastructureError`` unless the backend is up."""
        if not self.ready:
            raise self.fault or InfrastructureError("the service is starting", "ask again in a moment")


@dataclass(frozen=True)
class Door:
    """Everything between HTTP and the backend."""

    backend: Backend
    shelf: Shelf
    import_pack: Callable[[Path], Sequence[TreeId]]
    """Takes a pack of trees and returns their ids. Called in a thread; raises ``InputError``."""
    scratch: Path
    """A folder of the service's own, for packs while they arrive."""
    load: Callable[[], Load] = Load
    """What the backend is busy with."""
    tokens: Tokens | None = None
    """Who may come in; ``None``: whoever reaches the socket."""
    bounds: Bounds = Bounds()
    about: Mapping[str, object] = field(default_factory=dict)
    """What ``/readyz`` tells beside: layers of the sandbox, repositories."""
    metrics: Metrics = field(default_factory=Metrics)
    readiness: Readiness = field(default_factory=Readiness)
