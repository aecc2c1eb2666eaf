"""The ``Backend`` of a cluster: a desk at the head, before a fleet of actors."""

import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

from greenloop.ces.backend import Load
from greenloop.ces.cluster.bench import MakeBench
from greenloop.ces.cluster.connect import join, leave
from greenloop.ces.cluster.fleet import Fleet, Resolves
from greenloop.ces.cluster.terms import Terms
from greenloop.ces.desk import Desk
from greenloop.ces.quarantine import Quarantine
from greenloop.ces.seams import Books
from greenloop.records import Evaluation, EvaluationRequest, WarmBuild
from greenloop.workspace.store import TreeStore


class RayBackend:
    """Judges on the nodes of the Ray cluster at ``address``. Coalescing, memory and the books are the head's desk's."""

    def __init__(
        self,
        make: MakeBench,
        *,
        address: str,
        fingerprint: str,
        store: TreeStore,
        revisions: Resolves,
        key: Callable[[EvaluationRequest], str],
        books: Books,
        quarantine: Quarantine,
        terms: Terms,
        in_flight: int = 64,
        queue: int = 256,
        warm: Sequence[str] = (),
        sandboxed: bool = True,
    ) -> None:
        """``address``: HOST:PORT of the cluster's head. ``in_flight``: requests that are with actors at a time, each
        a thread here; ``queue``: requests that wait for one of those; ``warm``: revisions to warm at the start. For the
        rest see ``Fleet`` and ``Desk``."""
        self._warm = tuple(warm)
        self._address = address
        self.fleet = Fleet(
            make,
            fingerprint=fingerprint,
            store=store,
            revisions=revisions,
            quarantine=quarantine,
            key=key,
            terms=terms,
        )
        self._desk = Desk(
            self.fleet,
            books,
            self.fleet,
            fingerprint=fingerprint,
            workers=in_flight,
            queue=queue,
            ready=self._ready,
            sandboxed=sandboxed,
        )

    @property
    def fingerprint(self) -> str:
        """See ``Backend.fingerprint``."""
        return self._desk.fingerprint

    def load(self) -> Load:
        """Return what the cluster is busy with."""
        load = self._desk.load()
        return replace(load, workers=self.fleet.slots, retries=load.retries + self.fleet.tally.lost)

    async def start(self) -> None:
        """See ``Backend.start``. Raises ``InfrastructureError`` when there is no such cluster, or no node can judge."""
        await self._desk.start()
        if threading.current_thread() is threading.main_thread():
            # Ray puts itself before whoever handles the signal, to print a stack; what was there comes first again
            signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
            signal.siginterrupt(signal.SIGTERM, False)

    async def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """See ``Backend.evaluate``."""
        return await self._desk.evaluate(request)

    async def warm(self, revision: str) -> WarmBuild:
        """See ``Backend.warm``."""
        return await self._desk.warm(revision)

    def builds(self) -> tuple[WarmBuild, ...]:
        """See ``Backend.builds``."""
        return self._desk.builds()

    async def close(self) -> None:
        """See ``Backend.close``."""
        await self._desk.close()
        self.fleet.close()
        leave()

    def _ready(self) -> None:
        join(self._address)
        self.fleet.start()
        for revision in self._warm:
            self.fleet.warm_later(revision)
