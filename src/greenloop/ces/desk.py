"""The desk: judges on this machine. A bounded queue before a few threads, behind the seam of ``ces.backend``.

Whoever asks what was answered before gets the stored answer; whoever asks what somebody else is waiting for waits
with them. Work is killed when the last one who waits is gone. All that the desk knows of what is in flight is touched
by the event loop only; threads see one request and its ``Stop``.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from greenloop.builds.stop import Stop
from greenloop.ces.backend import ASKER, Load
from greenloop.ces.lanes import Lanes
from greenloop.ces.seams import Asked, Books, Builds, Judges
from greenloop.records import (
    Cancelled,
    Conflict,
    EnvironmentFault,
    Evaluation,
    EvaluationRequest,
    InfrastructureError,
    Overloaded,
    Status,
    Timings,
    WarmBuild,
)

Result = TypeVar("Result")

_TRIES = 2
"""A machine that failed is given one more chance before the answer is ``infra_error``."""
_LOOKERS = 8
"""Threads that look requests up. They wait for the disk, and for git where a branch may have moved."""
_LANDED = 64
"""Answers that are remembered for those who looked for them a moment too early."""
_WEIGHT = 0.2
"""Of the newest judgement in the running mean of service times."""
_MAKING = frozenset({"queued", "warming"})
_LOOK_SECONDS = 0.05
"""How often a request that waits for its base to be warmed looks whether it is."""
_FIRST_GUESS = 0.5
"""Seconds that a judgement is thought to take before one was measured."""


@dataclass(frozen=True)
class _Landed:
    """An answer that came while others may have been looking for it."""

    at: float
    evaluation: Evaluation
    keys: Mapping[str, str]


@dataclass(frozen=True)
class _New:
    """What nobody has answered yet."""

    asked: Asked
    base: WarmBuild | None
    """Of a request that names a revision."""


@dataclass(eq=False)
class _Flight:
    """One judgement, queued or at work, and those who wait for it."""

    asked: Asked
    request: EvaluationRequest
    lane: str
    done: "asyncio.Future[Evaluation]"
    arrived: float = field(default_factory=time.perf_counter)
    waiters: int = 0
    queued: bool = False
    """It waits for a thread; before, it waits for its base, and then it is at work."""
    stop: Stop | None = None
    """There is one while it is at work."""
    keys: dict[str, str] = field(default_factory=dict)
    """Idempotency keys of those who wait → digests of their requests."""

    @property
    def id(self) -> str:
        """Of the answer."""
        return self.asked.id

    @property
    def name(self) -> tuple[str, bool]:
        """What makes two requests equal."""
        return self.id, self.request.fresh


class Desk:
    """The ``Backend`` of one machine: ``workers`` threads, and ``queue`` requests that may wait for them."""

    def __init__(
        self,
        judge: Judges,
        books: Books,
        builds: Builds,
        *,
        fingerprint: str,
        workers: int = 2,
        queue: int = 256,
        ready: Callable[[], None] = lambda: None,
        sandboxed: bool = True,
    ) -> None:
        """``ready`` is called once before anything is judged: it raises ``InfrastructureError`` where this machine
        lacks what judging takes, and brings back what an earlier life left. ``sandboxed`` is what an answer says that
        comes from no judge: whether judging happens in a sandbox."""
        self._judge = judge
        self._books = books
        self._builds = builds
        self._fingerprint = fingerprint
        self._sandboxed = sandboxed
        self._workers = max(1, workers)
        self._places = max(1, queue)
        self._ready = ready
        self._crew = ThreadPoolExecutor(self._workers, thread_name_prefix="ces-worker")
        self._lookers = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="ces-front")
        self._queue: Lanes[_Flight] = Lanes()
        self._flights: dict[tuple[str, bool], _Flight] = {}
        self._running: set[_Flight] = set()
        self._landed: OrderedDict[str, _Landed] = OrderedDict()
        self._seconds = _FIRST_GUESS
        self._closed = False
        self._load = Load(workers=self._workers)

    @property
    def fingerprint(self) -> str:
        """See ``Backend.fingerprint``."""
        return self._fingerprint

    def load(self) -> Load:
        """Return what the desk is busy with."""
        return replace(self._load, queued=self._waiting, running=len(self._running))

    async def start(self) -> None:
        """See ``Backend.start``."""
        await self._aside(self._ready)

    async def warm(self, revision: str) -> WarmBuild:
        """See ``Backend.warm``."""
        return await self._aside(lambda: self._builds.warm_later(revision))

    def builds(self) -> tuple[WarmBuild, ...]:
        """See ``Backend.builds``."""
        return self._builds.builds()

    async def evaluate(self, request: EvaluationRequest) -> Evaluation:
        """See ``Backend.evaluate``. Raises ``Conflict`` when the idempotency key names another request."""
        arrived = time.perf_counter()
        digest = _digest(request) if request.idempotency_key is not None else ""
        looked = await self._aside(lambda: self._look_up(request, digest))
        if isinstance(looked, _New):
            looked = self._just_landed(looked.asked, request, digest, arrived) or looked
        if isinstance(looked, Evaluation):
            self._count(remembered=1)
            took = _ms(arrived)
            # nothing was applied or judged for this answer; its stages still tell what the tools once took
            timings = Timings(store_ms=took, total_ms=took)
            return looked.model_copy(update={"seen_before": True, "timings": timings})
        flight = self._join(looked, request, digest)
        flight.waiters += 1
        try:
            evaluation = await asyncio.shield(flight.done)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.done.done():
                self._abandon(flight)
        timings = evaluation.timings.model_copy(update={"total_ms": _ms(arrived)})
        return evaluation.model_copy(update={"timings": timings})

    async def close(self) -> None:
        """See ``Backend.close``."""
        self._closed = True
        while len(self._queue):
            self._queue.pop()
        for flight in tuple(self._flights.values()):
            if flight not in self._running:
                self._forget(flight)
                flight.done.set_exception(_going_down())
        for flight in self._running:
            if flight.stop is not None:
                flight.stop.request()
        # the threads are waited for by a thread of nobody's: the loop goes on answering
        await asyncio.to_thread(self._crew.shutdown)
        await asyncio.to_thread(self._lookers.shutdown)

    async def _aside(self, work: Callable[[], Result]) -> Result:
        if self._closed:
            raise _going_down()
        return await asyncio.get_running_loop().run_in_executor(self._lookers, work)

    def _look_up(self, request: EvaluationRequest, digest: str) -> Evaluation | _New:
        """Return the answer when it is known, else what is to be judged. In a thread."""
        if request.idempotency_key is not None:
            kept = self._books.by_key(request.idempotency_key)
            if kept is not None:
                if kept[0] != digest:
                    raise _conflict(request.idempotency_key)
                known = self._books.get(kept[1])
                if known is not None:
                    return known
        asked = self._judge.ask(request)
        known = None if request.fresh else self._books.get(asked.id)
        if known is not None:
            return known
        return _New(asked, None if request.revision is None else self._builds.warm_later(request.revision))

    def _just_landed(self, asked: Asked, request: EvaluationRequest, digest: str, arrived: float) -> Evaluation | None:
        """Return the answer that was stored between looking for it and now, when nobody flies any more."""
        landed = self._landed.get(asked.id)
        if landed is None or landed.at < arrived:
            return None
        asked_before = request.idempotency_key is not None and landed.keys.get(request.idempotency_key) == digest
        return landed.evaluation if asked_before or not request.fresh else None

    def _join(self, new: _New, request: EvaluationRequest, digest: str) -> _Flight:
        """Return the flight of an equal request, or a new one that waits for its base, then for a thread."""
        if self._closed:
            raise _going_down()
        key = request.idempotency_key
        if key is not None and any(other.keys.get(key, digest) != digest for other in self._flights.values()):
            raise _conflict(key)
        flight = self._flights.get((new.asked.id, request.fresh))
        if flight is not None:
            self._count(coalesced=1)
            if key is not None:
                flight.keys[key] = digest
            return flight
        if self._waiting >= self._places:
            raise Overloaded(
                f"{self._waiting} requests are waiting, as many as this service lets wait",
                "come back later",
                retry_after=self._until_room(),
            )
        done = asyncio.get_running_loop().create_future()
        flight = _Flight(new.asked, request, ASKER.get(), done)
        self._flights[flight.name] = flight
        if key is not None:
            flight.keys[key] = digest
        if new.base is not None and new.base.state in _MAKING:
            # a thread that waited for the base would be missing to those whose base is ready
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look_again, flight, new.base)
        else:
            self._line_up(flight)
        return flight

    def _look_again(self, flight: _Flight, base: WarmBuild) -> None:
        """Let a flight line up once its base is made, or will not be."""
        if self._flights.get(flight.name) is not flight:
            return
        if any(build.tree == base.tree and build.state in _MAKING for build in self._builds.builds()):
            asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look_again, flight, base)
        else:
            self._line_up(flight)

    def _line_up(self, flight: _Flight) -> None:
        flight.queued = True
        self._queue.push(flight.lane, flight)
        self._dispatch()

    @property
    def _waiting(self) -> int:
        """How many wait, for a thread or for their base."""
        return len(self._flights) - sum(flight in self._running for flight in self._flights.values())

    def _until_room(self) -> float:
        """Return in how many seconds an eighth of the queue will have gone: one place alone is fought over."""
        places = max(1, math.ceil(self._places / 8))
        return min(60.0, max(0.05, places * self._seconds / self._workers))

    def _dispatch(self) -> None:
        """Give waiting requests to idle threads."""
        loop = asyncio.get_running_loop()
        while len(self._queue) and len(self._running) < self._workers:
            flight = self._queue.pop()
            flight.queued = False
            self._running.add(flight)
            flight.stop = Stop()
            work = loop.run_in_executor(self._crew, self._fly, flight, flight.stop, _ms(flight.arrived))
            work.add_done_callback(lambda done, flight=flight: self._land(flight, done))  # type: ignore[misc]

    def _fly(self, flight: _Flight, stop: Stop, queued_ms: float) -> tuple[Evaluation, int, float]:
        """Judge and store; returns (evaluation, tries beyond the first, seconds). In a thread."""
        began = time.perf_counter()
        fault = InfrastructureError("")
        for extra in range(_TRIES):
            stop.check()
            try:
                judged = flight.asked.judge(stop)
                timings = judged.evaluation.timings.model_copy(update={"queued_ms": queued_ms})
                evaluation = judged.evaluation.model_copy(update={"timings": timings})
                if evaluation.status is not Status.INFRA_ERROR:
                    # stored before it is told: whoever heard of it finds it again, whatever happens to this process
                    self._keep(evaluation, judged.log, dict(flight.keys))
                    return evaluation, extra, time.perf_counter() - began
                fault = InfrastructureError(evaluation.note)
            except Overloaded:
                raise
            except EnvironmentFault as error:
                fault = InfrastructureError(error.message, error.way_out)
        note = f"tried {_TRIES} times, the last: {fault}"
        failed = Evaluation(
            id=flight.id,
            status=Status.INFRA_ERROR,
            reason="infrastructure",
            note=note,
            suite=flight.request.suite,
            toolchain=self._fingerprint,
            flags=() if self._sandboxed else ("unsandboxed",),
            sandboxed=self._sandboxed,
        )
        return failed, _TRIES - 1, time.perf_counter() - began

    def _keep(self, evaluation: Evaluation, log: str, keys: Mapping[str, str]) -> None:
        """Store, with the idempotency keys of all who wait."""
        first, *others = keys.items() or ((None, ""),)
        self._books.put(evaluation, log, key=first[0], request=first[1])
        for key, digest in others:
            if key is not None:
                self._books.bind(key, digest, evaluation.id)

    def _land(self, flight: _Flight, work: "asyncio.Future[tuple[Evaluation, int, float]]") -> None:
        """Tell those who wait how it ended, and let the next one begin."""
        self._running.discard(flight)
        self._forget(flight)
        if flight.stop is not None:
            flight.stop.close()
            flight.stop = None
        error = work.exception()
        if error is None:
            evaluation, retries, seconds = work.result()
            self._count(retries=retries)
            self._seconds += _WEIGHT * (seconds - self._seconds)
            if evaluation.status is not Status.INFRA_ERROR:
                self._landed[flight.id] = _Landed(time.perf_counter(), evaluation, flight.keys)
                if len(self._landed) > _LANDED:
                    self._landed.popitem(last=False)
            if not flight.done.done():
                flight.done.set_result(evaluation)
        elif not flight.done.done():
            flight.done.set_exception(_going_down() if self._closed and isinstance(error, Cancelled) else error)
        if not self._closed:
            self._dispatch()

    def _abandon(self, flight: _Flight) -> None:
        """Nobody waits any more: end the work, or never begin it."""
        self._count(cancellations=1)
        self._forget(flight)
        flight.done.cancel()
        if flight.stop is not None:
            flight.stop.request()
        elif flight.queued:
            self._queue.remove(flight.lane, flight)

    def _forget(self, flight: _Flight) -> None:
        """From now on an equal request is a new one."""
        if self._flights.get(flight.name) is flight:
            del self._flights[flight.name]

    def _count(self, **grown: int) -> None:
        self._load = replace(self._load, **{name: getattr(self._load, name) + more for name, more in grown.items()})


def _digest(request: EvaluationRequest) -> str:
    """Return what tells two requests under one idempotency key apart."""
    return hashlib.sha256(request.model_copy(update={"idempotency_key": None}).to_json().encode()).hexdigest()


def _ms(since: float) -> float:
    return 1000 * (time.perf_counter() - since)


def _conflict(key: str) -> Conflict:
    return Conflict(f"idempotency key {key!r}: it was used for another request", "use a new key for a new request")


def _going_down() -> InfrastructureError:
    return InfrastructureError("the service is going down", "ask again when it is back: what was finished is kept")
