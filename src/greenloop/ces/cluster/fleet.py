"""All actors of a cluster: which one judges a request, what happens when one dies, and who watches over them."""

import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from greenloop.builds.stop import Stop
from greenloop.ces.cluster.bench import MakeBench, told
from greenloop.ces.cluster.messages import Job
from greenloop.ces.cluster.placement import ranked
from greenloop.ces.cluster.seat import Lost, Phase, Seat, ticket
from greenloop.ces.cluster.terms import Tally, Terms
from greenloop.ces.cluster.watch import Watch
from greenloop.ces.quarantine import Quarantine
from greenloop.ces.revisions import Found, tree_project
from greenloop.ces.seams import Asked
from greenloop.records import (
    Cancelled,
    Evaluation,
    EvaluationRequest,
    InfrastructureError,
    Overloaded,
    TreeId,
    WarmBuild,
)
from greenloop.workspace.store import TreeStore

_TRIES = 3
"""Actors that may be lost over one request before it counts as the request's own doing."""
_TICK_SECONDS = 0.1
_ORDER = ("green", "warming", "queued", "red", "failed", "evicted")
"""Of the states in which several actors have one build, the first is told."""


class Resolves(Protocol):
    """``ces.revisions.Revisions``, as far as the head needs it."""

    def find(self, text: str) -> Found:
        """Return a revision, its tree in the head's store. Raises ``InputError``."""
        ...


@dataclass(frozen=True)
class Judged:
    """An evaluation that an actor made, and what its tools printed."""

    evaluation: Evaluation
    log: str


class Fleet:
    """Judges by the actors of the cluster that this process has joined. Blocking, for several threads."""

    def __init__(
        self,
        make: MakeBench,
        *,
        fingerprint: str,
        store: TreeStore,
        revisions: Resolves,
        quarantine: Quarantine,
        key: Callable[[EvaluationRequest], str],
        terms: Terms,
    ) -> None:
        """``make`` is called on every node. ``fingerprint`` is the toolchain's that every one must have; ``key`` gives
        a request's id (``Worker.ask``); ``store`` and ``revisions`` are the head's."""
        self._fingerprint, self._store, self._revisions = fingerprint, store, revisions
        self._quarantine, self._key, self._terms = quarantine, key, terms
        self._changed = threading.Condition()
        self._seats: dict[str, Seat] = {}
        self._names: dict[TreeId, str] = {}
        """What the revision of a tree was last called."""
        self.tally = Tally()
        self._watch = Watch(make, self._seats, self._changed, self.tally, fingerprint=fingerprint, terms=terms)

    def start(self) -> None:
        """Start an actor on every node and wait until at least one can judge, the others having had their chance.

        Raises ``InfrastructureError`` with the first actor's reason when none can.
        """
        self._watch.start()
        deadline = time.monotonic() + self._terms.patience
        with self._changed:
            while not self._seats or any(seat.phase is Phase.OPENING for seat in self._seats.values()):
                if time.monotonic() > deadline:
                    break
                self._changed.wait(_TICK_SECONDS)
            if any(seat.phase is Phase.LIVE for seat in self._seats.values()):
                return
            reasons = [f"{seat.name}: {seat.reason or seat.phase.value}" for seat in self._seats.values()]
            reasons.sort()
        self.close()
        raise InfrastructureError(
            f"no node of the cluster can judge: {'; '.join(reasons) or 'it has none with a processor'}",
            "install greenloop and the tools on the nodes, or start nodes that have them",
        )

    @property
    def slots(self) -> int:
        """Requests that all living actors together judge at a time."""
        with self._changed:
            return sum(seat.slots for seat in self._seats.values() if seat.phase is Phase.LIVE)

    def nodes(self) -> Mapping[str, str]:
        """Return each node's name → how its actor stands, with the reason where it cannot judge."""
        with self._changed:
            return {
                seat.name: f"{seat.phase.value}: {seat.reason}" if seat.reason else seat.phase.value
                for seat in self._seats.values()
            }

    def ask(self, request: EvaluationRequest) -> Asked:
        """See ``seams.Judges.ask``. Judging raises ``Overloaded`` when both choices of its revision are full."""
        expected = self._key(request)
        return Asked(expected, lambda stop: self._judge(request, expected, stop))

    def _judge(self, request: EvaluationRequest, expected: str, stop: Stop) -> Judged:
        home, project, sent, trees = self._addressed(request)
        kept = tuple(sorted(self._quarantine.quarantine(self._fingerprint, project)))
        job = Job(ticket(), sent.to_json(), self._fingerprint, project, kept)
        tried: set[Seat] = set()
        fault: InfrastructureError | None = None
        for _ in range(_TRIES):
            seat = self._board(home, sent, tried, stop)
            try:
                seat.ship(trees, self._pack)
                answer = seat.evaluate(job, stop)
            except Lost as lost:
                self._bury(seat, lost)
                fault = lost
            except (Cancelled, Overloaded):
                raise
            except InfrastructureError as error:
                # that machine, not the code: another one may do
                fault = error
                if not self._others(home, {*tried, seat}):
                    raise
            else:
                for found in answer.found:
                    self._quarantine.add_quarantine(found.toolchain, found.project, found.tests, found.note)
                evaluation, log = answer.open()
                if evaluation.id == expected:
                    with self._changed:
                        self.tally.judged += 1
                    return Judged(evaluation, log)
                # it was asked another question: what it protects, or its version, is not the head's
                self._watch.refuse(seat, "its settings are not the head's: give all nodes the same")
                fault = InfrastructureError(
                    f"{seat.name} answered another question", "give all nodes the same settings"
                )
            finally:
                self._leave(seat)
            tried.add(seat)
            stop.check()
        assert fault is not None
        raise fault

    def warm_later(self, revision: str) -> WarmBuild:
        """See ``desk.Builds.warm_later``: at the revision's first choice; waits where no actor lives."""
        found = self._named(revision)
        tree = found.tree
        fault: Lost | None = None
        for _ in range(_TRIES):
            seat = self._first(tree)
            # it is asked for every request: what is known of it need not be asked of the node
            known = next((build for build in seat.builds if build.tree == tree and build.state == "green"), None)
            if known is not None:
                return known.model_copy(update={"revision": revision})
            try:
                seat.ship((tree,), self._pack)
                return seat.warm(told(found)).model_copy(update={"revision": revision})
            except Lost as lost:
                self._bury(seat, lost)
                fault = lost
        assert fault is not None
        raise fault

    def builds(self) -> tuple[WarmBuild, ...]:
        """See ``desk.Builds.builds``: as the actors last told, each tree once."""
        with self._changed:
            held = [(seat.name, build) for seat in self._seats.values() for build in seat.builds]
            names = dict(self._names)
        by_tree: dict[TreeId, list[tuple[str, WarmBuild]]] = {}
        for name, build in held:
            by_tree.setdefault(build.tree, []).append((name, build))
        return tuple(_merged(found, names.get(tree)) for tree, found in by_tree.items())

    def close(self) -> None:
        """Kill what is at work everywhere, and end the actors."""
        self._watch.close()
        with self._changed:
            seats = list(self._seats.values())
            self._seats.clear()
            self._changed.notify_all()
        closing = [seat.close() for seat in seats if seat.phase is Phase.LIVE]
        deadline = time.monotonic() + 10
        while any(not one.done() for one in closing) and time.monotonic() < deadline:
            time.sleep(_TICK_SECONDS)
        for seat in seats:
            seat.kill()

    def _named(self, revision: str) -> Found:
        found = self._revisions.find(revision)
        with self._changed:
            self._names[found.tree] = revision
        return found

    def _addressed(self, request: EvaluationRequest) -> tuple[TreeId, str, EvaluationRequest, tuple[TreeId, ...]]:
        """Return where a request belongs, its project, the request as an actor is told it, and the trees it takes."""
        if request.revision is None:
            assert request.base_tree is not None  # a request names one of them
            return request.base_tree, tree_project(request.base_tree), request, (request.base_tree,)
        found = self._named(request.revision)
        tree = found.tree
        sent = request.model_copy(update={"revision": told(found)})
        return (
            tree,
            found.project,
            sent,
            tuple(dict.fromkeys((tree, *([request.base_tree] if request.base_tree else [])))),
        )

    def _pack(self, trees: tuple[TreeId, ...]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trees.pack"
            self._store.export_pack(trees, path)
            with self._changed:
                self.tally.shipped += 1
            return path.read_bytes()

    def _living(self, home: str, tried: Iterable[Seat]) -> list[Seat]:
        """Return the living actors in the order of a revision's choice. The lock is held."""
        living = {s.name: s for s in self._seats.values() if s.phase is Phase.LIVE and s not in set(tried)}
        return [living[name] for name in ranked(home, living)]

    def _first(self, home: str) -> Seat:
        deadline = time.monotonic() + self._terms.patience
        with self._changed:
            while not (seats := self._living(home, ())):
                if time.monotonic() > deadline:
                    raise _nobody()
                self._changed.wait(_TICK_SECONDS)
        return seats[0]

    def _others(self, home: str, tried: set[Seat]) -> bool:
        with self._changed:
            return bool(self._living(home, tried))

    def _board(self, home: str, request: EvaluationRequest, tried: set[Seat], stop: Stop) -> Seat:
        """Return the actor that judges a request, with a place taken.

        Raises ``Overloaded`` when there is no room; but a request that was taken in once, and whose actor failed it,
        waits for room, since it was not refused while it could be.
        """
        deadline = time.monotonic() + self._terms.patience
        with self._changed:
            while True:
                # those that failed it are asked again rather than nobody
                seats = self._living(home, tried) or self._living(home, ())
                seat = self._choose(home, seats)
                if seat is not None:
                    break
                stop.check()
                if seats and not tried:
                    raise _full(seats)
                if not seats and time.monotonic() > deadline:
                    raise _nobody()
                self._changed.wait(_TICK_SECONDS)
            seat.busy += 1
            self.tally.spilled += seat is not seats[0]
            second = seats[1] if len(seats) > 1 else None
            half_full = seat is seats[0] and seat.busy > seat.slots + self._terms.queue // 2
        if half_full and second is not None and not second.holds(home) and request.revision is not None:
            self._prepare(second, home, request.revision)
        return seat

    def _choose(self, home: str, seats: list[Seat]) -> Seat | None:
        """Return the first choice if it has room; the second; then any that holds the build. The lock is held."""
        for place, seat in enumerate(seats):
            if seat.busy < seat.slots + self._terms.queue and (place < 2 or seat.holds(home)):
                return seat
        return None

    def _prepare(self, seat: Seat, tree: TreeId, revision: str) -> None:
        """Begin to warm a revision, told as to actors, at its second choice, before anything has to go there cold."""
        try:
            seat.ship((tree,), self._pack)
            seat.warm(revision)
        except Lost as lost:
            self._bury(seat, lost)
        except Overloaded:
            # it has enough to warm already; the request that came here waits at its first choice
            return

    def _bury(self, seat: Seat, lost: Lost) -> None:
        """An actor is gone: nothing more goes there until another stands in its place."""
        with self._changed:
            self.tally.lost += 1
        self._watch.lose(seat, str(lost))

    def _leave(self, seat: Seat) -> None:
        with self._changed:
            seat.busy -= 1
            self._changed.notify_all()


def _nobody() -> InfrastructureError:
    return InfrastructureError("no node of the cluster can judge", "is the cluster up?")


def _full(seats: list[Seat]) -> Overloaded:
    return Overloaded(
        f"{seats[0].busy} requests are with {seats[0].name}, and the next choice is as full",
        "come back later",
        retry_after=1.0,
    )


def _merged(found: list[tuple[str, WarmBuild]], revision: str | None) -> WarmBuild:
    """Return one build for those that several actors have of one tree."""
    found = sorted(found, key=lambda one: _ORDER.index(one[1].state))
    best = found[0][1]
    where = f"on {', '.join(name for name, build in found if build.state == best.state)}"
    return best.model_copy(
        update={
            "revision": revision or best.revision,
            "bytes": sum(build.bytes for _, build in found),
            "uses": sum(build.uses for _, build in found),
            "note": f"{best.note}; {where}" if best.note else where,
        }
    )
