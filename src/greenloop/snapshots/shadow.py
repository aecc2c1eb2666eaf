"""Shadow checks: whether the newest snapshot's tree builds, found out in Greenloop's own sandbox.

It gives way to the person in every respect: one judgement at a time, the newest tree alone, none while the machine is
busy or the person's own build runs, and at the lowest priority (``builds.priority``). The person's ``_build`` is
neither read nor written. An infrastructure error is no status: nothing is stored, and it is tried again later.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from greenloop.builds.load import Load
from greenloop.records import BuildReport, Cancelled, GreenloopError, Part, Snapshot, Status, TreeId, Verdict
from greenloop.snapshots.clock import Clock, SystemClock
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import write_atomically

BUSY_SECONDS = 5.0
"""How soon it is looked again whether the machine is still busy."""
IDLE_SECONDS = 60.0
"""How long nothing is looked at when there is nothing to do; whoever takes a snapshot wakes the shadow at once."""
_FIRST_PAUSE = 30.0
_LONGEST_PAUSE = 600.0


class Doing(StrEnum):
    """What the shadow does at the moment."""

    IDLE = "idle"
    JUDGING = "judging"
    WAITING = "waiting"
    FAILED = "failed"
    """The last try came to nothing; it is tried again."""


class ShadowState(Part):
    """What the shadow last said of itself. Times in Unix seconds."""

    pid: int
    time: float
    doing: Doing
    why: str = ""
    """Why it waits, or how it failed."""
    seq: int | None = None
    """The snapshot that was judged last."""
    status: Status | None = None
    seconds: float | None = None
    """What that took, as the wall clock has it."""


def read_state(path: Path) -> ShadowState | None:
    """Return what a shadow wrote at ``path``, or ``None`` when there is nothing that can be read."""
    try:
        return ShadowState.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def write_state(path: Path, state: ShadowState) -> None:
    """Replace the state at ``path``."""
    write_atomically(path, state.model_dump_json().encode())


@dataclass(frozen=True, slots=True)
class Manners:
    """When the shadow gives way."""

    load: Load
    most: float = 0.2
    """The share of the time that somebody waits for a processor above which it waits; see ``Load.waiting``."""
    building: Callable[[], bool] = bool
    """Whether the person's own build runs."""

    def why_wait(self) -> str:
        """Return why now is not the time to judge, or ``""``."""
        if self.building():
            return "the developer's own build runs"
        waiting = self.load.waiting()
        # without the share itself, which is another one at every look, and would be written as often
        return f"the machine is busy (more than {self.most:.0%})" if waiting > self.most else ""


class ShadowJudge(Protocol):
    """Who judges for the shadow."""

    def known(self, tree: TreeId) -> Verdict | None:
        """Return a verdict that is stored, at next to no cost."""
        ...

    def judge(self, tree: TreeId) -> Verdict:
        """Judge a tree. Raises ``InfrastructureError``, or ``Cancelled`` when the shadow is to end."""
        ...


class Shadow:
    """Judges the newest snapshot of one workspace, one at a time, whenever ``step`` is called."""

    def __init__(
        self,
        snapshots: SnapshotStore,
        workspace: str,
        judge: ShadowJudge,
        manners: Manners,
        note: Callable[[ShadowState], None],
        *,
        pid: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._workspace = workspace
        self._judge = judge
        self._manners = manners
        self._note = note
        self._clock = clock or SystemClock()
        self._state = ShadowState(pid=pid, time=self._clock.now(), doing=Doing.IDLE)
        self._note(self._state)
        self._settled: int | None = None
        """The newest snapshot of which the status is known, or which was removed meanwhile."""
        self._pause = 0.0
        self._again = 0.0

    def step(self) -> float:
        """Judge the newest snapshot if it is time to; return the seconds after which to look again.

        Snapshots between the last judged one and the newest are passed over. Raises ``Cancelled``.
        """
        now = self._clock.now()
        # the clock of the machine may be set back: no failure may silence the shadow for longer than its pause
        if now < self._again <= now + self._pause:
            return self._again - now
        try:
            snapshot = self._snapshots.last(self._workspace)
            if snapshot is None or snapshot.seq == self._settled or snapshot.reported is not None:
                self._say(Doing.IDLE)
                return IDLE_SECONDS
            known = self._judge.known(snapshot.tree)
            if known is None and (why := self._manners.why_wait()):
                self._say(Doing.WAITING, why)
                return BUSY_SECONDS
            self._settle(snapshot, known)
        except Cancelled:
            raise
        except GreenloopError as error:
            self._pause = min(_LONGEST_PAUSE, 2 * self._pause or _FIRST_PAUSE)
            self._again = self._clock.now() + self._pause
            self._say(Doing.FAILED, str(error))
            return self._pause
        self._pause = self._again = 0.0
        # what came meanwhile is next
        return 0.0

    def _settle(self, snapshot: Snapshot, known: Verdict | None) -> None:
        start = time.perf_counter()
        if known is None:
            self._say(Doing.JUDGING)
        verdict = known or self._judge.judge(snapshot.tree)
        seconds = time.perf_counter() - start
        self._settled = snapshot.seq
        report = BuildReport(
            workspace=self._workspace,
            seq=snapshot.seq,
            time=self._clock.now(),
            source="shadow",
            status=verdict.status,
            suite=verdict.suite,
            tool=verdict.toolchain,
            seconds=None if known else seconds,
            diagnostics=verdict.diagnostics,
        )
        self._snapshots.add_report(report)
        self._state = self._state.model_copy(update={"seq": snapshot.seq, "status": verdict.status, "seconds": seconds})

    def _say(self, doing: Doing, why: str = "") -> None:
        """Keep the state for others to read, whenever it is another one."""
        if (doing, why) == (self._state.doing, self._state.why):
            return
        self._state = self._state.model_copy(update={"doing": doing, "why": why, "time": self._clock.now()})
        self._note(self._state)
