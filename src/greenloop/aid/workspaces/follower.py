"""Whether a workspace is green, followed: the newest tree is checked, and a check of an older one is given up."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from greenloop.aid.protocol.session import BuildState
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, Diagnostic, GreenloopError, Status, TreeId, Verdict

_GATHER = 0.03
"""Seconds in which the saves of one command of an editor come together."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a workspace as it lies on the disk."""

    state: BuildState
    tree: TreeId = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    """While ``state`` is ``checking``, those of the tree before."""
    since: float = 0.0
    note: str = ""
    told_of: TreeId = ""
    """The tree that ``diagnostics`` are about."""

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics that are errors."""
        return tuple(one for one in self.diagnostics if one.severity == "error")


Check = Callable[[TreeId, Stop], Verdict | None]
"""Judges a tree; ``None`` where it may not be, because the workspace is not trusted."""


class Follower:
    """Calls ``tell`` with each new standing, in its own thread. ``poke`` says that the tree may be another one."""

    def __init__(self, tree: Callable[[], TreeId], check: Check, tell: Callable[[Standing], None], name: str) -> None:
        self._tree = tree
        self._check = check
        self._tell = tell
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._checking: tuple[TreeId, Stop] | None = None
        self._standing = Standing(BuildState.UNKNOWN, since=time.time())
        self._thread = threading.Thread(target=self._run, name=f"greenloop-status-{name}", daemon=True)
        self._thread.start()

    @property
    def standing(self) -> Standing:
        """What is known by now."""
        return self._standing

    def poke(self, *, anew: bool = False) -> None:
        """Look at the tree; ``anew`` also where it is the same, because what may be done with it has changed."""
        try:
            tree = self._tree()
        except GreenloopError:
            tree = ""  # the thread will meet the same, and tell
        with self._lock:
            if self._checking is not None and (anew or self._checking[0] != tree):
                self._checking[1].request()
            if anew:
                self._standing = Standing(BuildState.UNKNOWN, since=time.time())
        self._wake.set()

    def close(self) -> None:
        """End it, and the check that runs."""
        with self._lock:
            self._closed = True
            if self._checking is not None:
                self._checking[1].request()
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            time.sleep(_GATHER)
            self._wake.clear()
            # looked at after the clearing, which may have cleared the call of `close`
            if self._closed:
                return
            try:
                self._look()
            except Cancelled:
                self._wake.set()
            except GreenloopError as error:
                self._publish(Standing(BuildState.FAULT, note=str(error)))

    def _look(self) -> None:
        tree = self._tree()
        before = self._standing
        if before.tree == tree and before.state in {BuildState.GREEN, BuildState.RED, BuildState.UNTRUSTED}:
            return
        with Stop() as stop:
            with self._lock:
                if self._closed:
                    return
                self._checking = (tree, stop)
            try:
                if before.state is not BuildState.UNTRUSTED:
                    self._publish(Standing(BuildState.CHECKING, tree, before.diagnostics, told_of=before.told_of))
                verdict = self._check(tree, stop)
            finally:
                with self._lock:
                    self._checking = None
        self._publish(standing_of(tree, verdict))

    def _publish(self, standing: Standing) -> None:
        known = self._standing
        same = (known.state, known.tree, known.diagnostics, known.note)
        if same == (standing.state, standing.tree, standing.diagnostics, standing.note):
            return
        self._standing = Standing(
            standing.state, standing.tree, standing.diagnostics, time.time(), standing.note, standing.told_of
        )
        self._tell(self._standing)


def standing_of(tree: TreeId, verdict: Verdict | None) -> Standing:
    """Return what a verdict says of a workspace; ``None``: it is not trusted."""
    if verdict is None:
        return Standing(BuildState.UNTRUSTED, tree, note="the workspace is not trusted, so it is not built")
    states = {Status.GREEN: BuildState.GREEN, Status.RED: BuildState.RED}
    state = states.get(verdict.status, BuildState.FAULT)
    note = verdict.note or ("" if state is not BuildState.FAULT else f"the check ended in {verdict.status.value}")
    return Standing(state, tree, verdict.diagnostics, note=note, told_of=tree)
