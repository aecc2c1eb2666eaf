"""The seam between the door of the service and whatever judges: threads of this process, or actors on many nodes."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from greenloop.records import Evaluation, EvaluationRequest, WarmBuild

ASKER: ContextVar[str] = ContextVar("greenloop.ces.asker", default="")
"""Who asks, as the door knows it. A backend with a queue serves askers in turn, so that none waits behind another's
thousand; one without may ignore it."""


@dataclass(frozen=True)
class Load:
    """What a backend is busy with, for metrics. The last four only ever grow."""

    queued: int = 0
    running: int = 0
    workers: int = 0
    retries: int = 0
    """Judgements begun a second time because the machine had failed."""
    cancellations: int = 0
    """Judgements ended, or never begun, because nobody waited for them any more."""
    coalesced: int = 0
    """Requests that joined an equal one in flight."""
    remembered: int = 0
    """Requests answered from the store."""


class Backend(Protocol):
    """Judges edits. Everything here is called from one event loop."""

    async def start(self) -> None:
        """Make ready: sandbox layers tried, workers started. Raises ``InfrastructureError`` where one is missing."""
        ...

    async def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """Judge one edit. Cancelling the task kills its work.

        Returns an evaluation whatever the code is like; ``Status.INFRA_ERROR`` when the machine failed again
        elsewhere. Raises ``InputError`` when the base is not to be had, ``Overloaded`` when the queue is full.
        """
        ...

    async def warm(self, revision: str) -> WarmBuild:
        """Begin to warm a revision in the background, unless it is there; return what is known of it now.

        Raises ``InputError`` when there is no such revision.
        """
        ...

    def builds(self) -> tuple[WarmBuild, ...]:
        """Return the builds that are held, being made, or that failed, newest use first."""
        ...

    @property
    def fingerprint(self) -> str:
        """The toolchain's fingerprint: 64 hexadecimal digits."""
        ...

    async def close(self) -> None:
        """Kill what is at work, let go of everything. Finished evaluations are kept."""
        ...
