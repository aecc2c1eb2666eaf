"""The seam between the door of the service and whatever judges: threads of this process, or actors on many nodes."""

from typing import Protocol

from greenloop.records import Evaluation, EvaluationRequest, WarmBuild


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
