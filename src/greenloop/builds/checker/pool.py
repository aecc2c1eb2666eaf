"""The persistent checkers of a process: who answers which edit, when one is started, replaced and ended."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field

from greenloop.builds.checker.project import Project, read_project
from greenloop.builds.checker.watch import NoWatchModeError, WatchChecker
from greenloop.builds.sandbox.policy import Command, Completed, Sandbox
from greenloop.builds.stop import Stop
from greenloop.builds.warm import Warm
from greenloop.records import EnvironmentFault, InfrastructureError, TreeId
from greenloop.workspace.store import TreeStore

_PATIENCE = 0.25
"""Seconds that an edit waits for a checker to be free before the runner gets it."""
_MAX_CHECKS = 500
"""Edits after which a checker is replaced, so that nothing in it grows for ever."""
_MAX_FAILURES = 3
"""Starts that may fail one after another for a base before the runner keeps it for good."""
_MAX_PROJECTS = 64
_MAX_BASES = 256

Holding = Callable[[], AbstractContextManager[Warm]]
"""Holds the warm tree of a base against removal, for as long as the context lasts."""


@dataclass(eq=False)
class _Base:
    """The checkers of one base. ``idle`` wait for an edit; ``starting`` and ``working`` count the others."""

    tree: TreeId
    holding: Holding
    command: Command
    idle: list[WatchChecker] = field(default_factory=list)
    starting: int = 0
    working: int = 0
    failures: int = 0
    used: float = 0.0
    dropped: bool = False

    @property
    def alive(self) -> int:
        return len(self.idle) + self.starting + self.working


class Checkers:
    """At most ``keep`` checkers at a time, of the bases that are asked about. Safe to use from many threads.

    Two serve one caller best: while one goes back to green, the other takes the next edit.
    """

    def __init__(self, sandbox: Sandbox, store: TreeStore, *, keep: int = 2, rest_seconds: float = 5.0) -> None:
        """Make an empty pool.

        ``sandbox`` holds every checker; its limits are theirs, but for the wall clock, which an edit brings. A base
        keeps its checkers from other bases for ``rest_seconds`` after its last edit.
        """
        self._sandbox = sandbox
        self._store = store
        self._keep = max(1, keep)
        self._rest_seconds = rest_seconds
        self._changed = threading.Condition()
        self._bases: OrderedDict[tuple[str, ...], _Base] = OrderedDict()
        self._projects: OrderedDict[TreeId, Project] = OrderedDict()
        self._background = ThreadPoolExecutor(max_workers=2 * self._keep, thread_name_prefix="greenloop-checker")
        self._closed = False
        self._refused = False
        """This dune has no watch mode; none is tried any more."""

    @property
    def sandbox(self) -> Sandbox:
        """Where the checkers run."""
        return self._sandbox

    @property
    def alive(self) -> int:
        """How many checkers run or are being started."""
        with self._changed:
            return self._alive()

    def project(self, tree: TreeId) -> Project:
        """Return what may change in a base, read once."""
        with self._changed:
            known = self._projects.get(tree)
        if known is None:
            known = read_project(self._store, tree)
            with self._changed:
                self._projects[tree] = known
                while len(self._projects) > _MAX_PROJECTS:
                    self._projects.popitem(last=False)
        return known

    def check(
        self, base: Warm, tree: TreeId, command: Command, holding: Holding, *, seconds: float, stop: Stop | None = None
    ) -> Completed | None:
        """Return what ``dune build @check`` says of ``tree``, or ``None`` when the runner has to say it.

        ``base`` is held by the caller; ``holding`` holds it again, for the checkers. ``command`` starts dune in
        passive watch mode. An edit gets an answer within ``seconds`` or none. Raises ``Cancelled``.
        """
        if not base.built:
            return None
        changes = self._store.changes(base.tree, tree)
        if not self.project(base.tree).safe(changes):
            return None
        entry, checker = self._take(base, command, holding, _PATIENCE)
        if checker is None:
            return None
        try:
            return checker.check(changes, seconds, stop)
        except (EnvironmentFault, OSError):
            # it broke down, which says nothing about the edit: the runner judges that, and this one is replaced
            return None
        finally:
            self._in_background(lambda: self._settle(entry, checker), otherwise=lambda: self._end(entry, checker))

    def warm(self, base: Warm, command: Command, holding: Holding, *, seconds: float = 120.0) -> bool:
        """Have a checker of a base ready, waiting for its start at most ``seconds``; say whether there is one."""
        if not base.built or self.project(base.tree).refusal:
            return False
        entry, checker = self._take(base, command, holding, seconds, starting=True)
        if checker is not None:
            self._give_back(entry, checker)
        return checker is not None

    def drop(self, tree: TreeId) -> None:
        """End the checkers of a base and wait for that: then its warm tree is no longer held by them."""
        with self._changed:
            doomed = [base for base in self._bases.values() if base.tree == tree]
            idle = [checker for base in doomed for checker in self._retire(base)]
        for checker in idle:
            checker.close()
        with self._changed:
            self._changed.wait_for(lambda: not any(base.alive for base in doomed))

    def close(self) -> None:
        """End all checkers and wait until nothing of them is left. May be called again."""
        with self._changed:
            self._closed = True
            idle = [checker for base in list(self._bases.values()) for checker in self._retire(base)]
        for checker in idle:
            checker.close()
        self._background.shutdown(wait=True)

    def _alive(self) -> int:
        return sum(base.alive for base in self._bases.values())

    def _take(
        self, base: Warm, command: Command, holding: Holding, patience: float, *, starting: bool = False
    ) -> tuple[_Base, WatchChecker | None]:
        """Return a free checker of a base, which works from now on; more are started where all are busy."""
        key = (base.tree, str(base.folder), *command.argv)
        deadline = time.monotonic() + patience
        with self._changed:
            entry = self._bases.setdefault(key, _Base(base.tree, holding, command))
            self._bases.move_to_end(key)
            entry.used = time.monotonic()
            if not entry.idle:
                self._grow(entry)
            while not entry.idle:
                left = deadline - time.monotonic()
                coming = entry.working + (entry.starting if starting else 0)
                if left <= 0 or not coming or entry.dropped:
                    return entry, None
                self._changed.wait(left)
            entry.working += 1
            return entry, entry.idle.pop()

    def _grow(self, entry: _Base) -> None:
        """Begin to start one more checker of a base where there may be one more. Called with the lock held."""
        if self._closed or self._refused or entry.starting or entry.failures >= _MAX_FAILURES:
            return
        if self._alive() >= self._keep:
            rested = time.monotonic() - self._rest_seconds
            old = next((base for base in self._bases.values() if base.idle and base.used < rested), None)
            if old is None:
                return
            old.working += 1
            self._background.submit(self._end, old, old.idle.pop()).add_done_callback(_tell)
        for key, base in list(self._bases.items())[: max(0, len(self._bases) - _MAX_BASES)]:
            if not base.alive:
                del self._bases[key]
        entry.starting += 1
        self._background.submit(self._start, entry).add_done_callback(_tell)

    def _start(self, entry: _Base) -> None:
        """Start a checker; where that fails the runner does the work, and a later edit tries again."""
        checker: WatchChecker | None = None
        never = False
        with ExitStack() as held:
            try:
                warm = held.enter_context(entry.holding())
                if warm.tree != entry.tree or not warm.built:
                    raise InfrastructureError("the base of a persistent checker is no longer there")
                checker = WatchChecker(self._sandbox.open(warm.folder, entry.command), self._store, held.pop_all())
            except (EnvironmentFault, OSError) as error:
                never = isinstance(error, NoWatchModeError)
        with self._changed:
            self._refused |= never
            entry.starting -= 1
            entry.failures = 0 if checker is not None else entry.failures + 1
            entry.working += checker is not None
            self._changed.notify_all()
        if checker is not None:
            self._give_back(entry, checker)

    def _settle(self, entry: _Base, checker: WatchChecker) -> None:
        """Make a checker ready for the next edit, or end it."""
        try:
            checker.settle()
        except (EnvironmentFault, OSError):
            self._end(entry, checker)
            return
        if checker.fit and checker.checks < _MAX_CHECKS:
            self._give_back(entry, checker)
        else:
            self._end(entry, checker)

    def _give_back(self, entry: _Base, checker: WatchChecker) -> None:
        with self._changed:
            if not entry.dropped:
                entry.working -= 1
                entry.idle.append(checker)
                entry.used = time.monotonic()
                self._changed.notify_all()
                return
        self._end(entry, checker)

    def _end(self, entry: _Base, checker: WatchChecker) -> None:
        try:
            checker.close()
        finally:
            with self._changed:
                entry.working -= 1
                self._changed.notify_all()

    def _retire(self, entry: _Base) -> list[WatchChecker]:
        """Give a base up; returns what the caller must close. Called with the lock held."""
        for key, base in list(self._bases.items()):
            if base is entry:
                del self._bases[key]
        entry.dropped = True
        idle, entry.idle = entry.idle, []
        self._changed.notify_all()
        return idle

    def _in_background(self, work: Callable[[], None], *, otherwise: Callable[[], None]) -> None:
        with self._changed:
            if not self._closed:
                self._background.submit(work).add_done_callback(_tell)
                return
        otherwise()


def _tell(done: "Future[None]") -> None:
    """Have what nobody expected told by the pool of threads, which logs what a callback raises."""
    done.result()
