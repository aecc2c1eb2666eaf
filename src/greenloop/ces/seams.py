"""The seams of the desk: what judges, where answers are kept, who holds the builds. Their fakes: ``ces.scripted``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from greenloop.builds.stop import Stop
from greenloop.records import Evaluation, EvaluationRequest, WarmBuild


class Judged(Protocol):
    """An evaluation and what the tools printed on the way to it."""

    @property
    def evaluation(self) -> Evaluation:
        """The answer, timings but for the waiting included."""
        ...

    @property
    def log(self) -> str:
        """What the tools printed, stage by stage."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was understood: its base is found and its edit applied."""

    id: str
    """Of the evaluation that answers it."""
    judge: Callable[[Stop], Judged]
    """Judge it, blocking. Raises ``Cancelled`` soon after the stop, ``InputError``, ``InfrastructureError``."""


class Judges(Protocol):
    """What answers requests: ``ces.worker.Worker``. Called from several threads."""

    def ask(self, request: EvaluationRequest) -> Asked:
        """Understand a request; runs no tool. Raises ``InputError`` when there is no such base."""
        ...


class Books(Protocol):
    """Where answers are kept: ``ces.ledger.Ledger``. Called from several threads."""

    def get(self, evaluation_id: str) -> Evaluation | None:
        """Return a stored evaluation."""
        ...

    def put(self, evaluation: Evaluation, log: str = "", *, key: str | None = None, request: str = "") -> None:
        """Store one whole or not at all; bound to an idempotency ``key`` too, with the digest of its ``request``."""
        ...

    def bind(self, key: str, request: str, evaluation_id: str) -> None:
        """Bind an idempotency key to the digest of a request and its answer."""
        ...

    def by_key(self, key: str) -> tuple[str, str] | None:
        """Return (digest of the request, id of the evaluation) of an idempotency key."""
        ...

    def log(self, evaluation_id: str) -> str | None:
        """Return what the tools printed."""
        ...


class Builds(Protocol):
    """Who holds the warm builds: ``ces.pool.Pool``. ``builds`` is called from the event loop and must not wait."""

    def warm_later(self, revision: str) -> WarmBuild:
        """Begin to warm unless it is there or being made; return what is known now."""
        ...

    def builds(self) -> tuple[WarmBuild, ...]:
        """Return all that is known, newest use first."""
        ...
