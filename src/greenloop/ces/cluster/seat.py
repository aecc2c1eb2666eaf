"""One node's actor as the head sees it: whether it lives, what it is busy with, and what was shipped to it."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from enum import Enum
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from greenloop.builds.stop import Stop
from greenloop.ces.cluster.actor import Actor
from greenloop.ces.cluster.bench import MakeBench
from greenloop.ces.cluster.messages import Answer, Job, Opened, Trouble
from greenloop.records import Cancelled, InfrastructureError, TreeId, WarmBuild

_TICK_SECONDS = 0.02
"""How soon a thread that waits for an actor notices that nobody wants the answer any more."""
_KILL_SECONDS = 20.0
"""How long an actor may take to end a cancelled job before it is ended itself."""
_CONTROL_THREADS = 4
_tickets = itertools.count(1)


class Lost(InfrastructureError):  # noqa: N818 - a fault of the world
    """An actor or its node died, or cannot be reached: what it was judging is judged elsewhere."""


class Phase(Enum):
    """Where an actor stands."""

    OPENING = "opening"
    LIVE = "live"
    DOWN = "down"
    """It died, and will be started again."""
    REFUSED = "refused"
    """It cannot judge, or must not: the reason is kept."""


class Seat:
    """The actor of one node. Counts and phases are guarded by the fleet's lock; calls block."""

    def __init__(self, name: str, node: str, make: MakeBench, folder: str, *, slots: int, cpus: float) -> None:
        """``name`` is the node's, stable over its restarts; ``slots``: requests judged at a time."""
        self.name = name
        self.node = node
        self.slots = slots
        self.phase = Phase.OPENING
        self.reason = ""
        self.busy = 0
        self.failures = 0
        """Deaths since it last answered."""
        self.not_before = 0.0
        """By ``time.monotonic``: when it may be started again."""
        self.builds: tuple[WarmBuild, ...] = ()
        self.opened: Future[Any] | None = None
        self.asked: Future[Any] | None = None
        """The state that was asked for and has not come yet, and since when."""
        self.asked_at = 0.0
        self._make, self._folder, self._cpus = make, folder, cpus
        self._known: set[TreeId] = set()
        self._shipping = threading.Lock()
        self._handle: Any = None

    def launch(self) -> None:
        """Start a process on the node and have it made ready; ``opened`` tells how that went."""
        groups = {"judge": self.slots, "control": _CONTROL_THREADS}
        # Ray itself never repeats a call and never restarts: who judges again, and where, is decided here alone
        options = {
            "num_cpus": self._cpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "scheduling_strategy": NodeAffinitySchedulingStrategy(self.node, soft=False),
        }
        self.phase, self._known, self.asked, self.builds = Phase.OPENING, set(), None, ()
        remote = ray.remote(concurrency_groups=groups)(Actor)  # type: ignore[call-overload]  # Ray's stubs lack it
        self._handle = remote.options(**options).remote(self._make, self._folder)
        self.opened = self._call("open")

    def ask(self) -> None:
        """Ask for its state, to be found in ``asked``."""
        self.asked, self.asked_at = self._call("state"), time.monotonic()

    def holds(self, tree: TreeId) -> bool:
        """Whether it was last seen with a green build of ``tree``."""
        return any(build.state == "green" for build in self.builds if build.tree == tree)

    @property
    def making(self) -> bool:
        """Whether it was last seen making a build."""
        return any(build.state in ("queued", "warming") for build in self.builds)

    def ship(self, trees: tuple[TreeId, ...], pack: Callable[[tuple[TreeId, ...]], bytes]) -> None:
        """See to it that the node's store holds ``trees``. Raises ``Lost``, ``EnvironmentFault``."""
        if self._known.issuperset(trees):
            return
        # one at a time: whoever waited finds that the other shipped it
        with self._shipping:
            unsure = tuple(tree for tree in trees if tree not in self._known)
            lacking = self._wait(self._call("lacks", unsure)) if unsure else ()
            if lacking:
                trouble = self._wait(self._call("take", pack(lacking)))
                if isinstance(trouble, Trouble):
                    raise trouble.error()
            self._known.update(unsure)

    def warm(self, revision: str) -> WarmBuild:
        """Begin to warm, unless it is. Raises ``Lost``, and what the pool raises."""
        said = self._wait(self._call("warm", revision))
        if isinstance(said, Trouble):
            raise said.error()
        build = WarmBuild.from_json(said)
        self.builds = (build, *(other for other in self.builds if other.tree != build.tree))
        return build

    def evaluate(self, job: Job, stop: Stop) -> Answer:
        """Judge. Raises ``Cancelled`` once the work is dead, ``Lost``, and what the worker raises."""
        work = self._call("evaluate", job, group="judge")
        while not work.done() and not stop.requested:
            _pause(work)
        if not work.done():
            self._cancel(job.ticket, work)
        said = self._wait(work)
        if isinstance(said, Trouble):
            raise said.error()
        assert isinstance(said, Answer)
        return said

    def close(self) -> Future[Any]:
        """Have it let go of everything."""
        return self._call("close")

    def kill(self) -> None:
        """End the process, whatever it does; its sandboxes die with it."""
        if self._handle is not None:
            ray.kill(self._handle, no_restart=True)

    def _cancel(self, ticket: str, work: "Future[Any]") -> None:
        """Have a job end. Raises ``Cancelled`` at once when it had not begun: it never will."""
        told = self._call("cancel", ticket)
        deadline = time.monotonic() + _KILL_SECONDS
        while not work.done():
            if told.done() and self._wait(told) is False:
                raise Cancelled("the work was cancelled before it began")
            if time.monotonic() > deadline:
                self.kill()
                raise Cancelled(f"the work was cancelled, and the actor on {self.name} with it: it did not end in time")
            _pause(work)

    def _call(self, method: str, *given: object, group: str = "control") -> "Future[Any]":
        called = getattr(self._handle, method).options(concurrency_group=group).remote(*given)
        future: Future[Any] = called.future()
        return future

    def _wait(self, work: "Future[Any]") -> Any:
        try:
            return work.result()
        except RayError as error:
            # of what an actor's methods raise, all that is not a dead actor or node is a fault of the program
            if isinstance(error, ray.exceptions.RayTaskError):
                raise
            raise Lost(f"the actor on {self.name} was lost: {str(error).splitlines()[0]}") from error


def opened(future: "Future[Any]") -> Opened | Trouble:
    """Return how an actor opened, or what its state is; one that died is trouble of the kind ``Died``."""
    try:
        said = future.result()
    except RayError as error:
        return Trouble("Died", str(error).strip().splitlines()[0])
    assert isinstance(said, Opened | Trouble)
    return said


def ticket() -> str:
    """Return a name for a job that this head never gave before."""
    return str(next(_tickets))


def _pause(work: "Future[Any]") -> None:
    with suppress(TimeoutError):
        work.exception(timeout=_TICK_SECONDS)


__all__ = ["Lost", "Phase", "Seat", "opened", "ticket"]
