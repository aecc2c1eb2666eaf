"""What a running recorder says of itself, and what that means to whoever asks how it fares."""

import errno
import time
from enum import StrEnum
from pathlib import Path

from pydantic import Field

from greenloop.records import EnvironmentFault, Part, TreeId
from greenloop.snapshots.enrolment import Desk
from greenloop.storage import named_io_errors, write_atomically

LISTED = 500
"""So many left-out files are named; the count is of all."""
_FULL = {errno.ENOSPC, errno.EDQUOT}
_MISSED_BEATS = 3
_SLACK_SECONDS = 60.0
"""A first look at a large folder, or a machine that was asleep, may make a beat late."""


class LeftOut(Part):
    """A file that is not recorded, and why."""

    path: str
    reason: str


class Heartbeat(Part):
    """What the recorder was doing when it wrote this, at every look. Times in Unix seconds."""

    pid: int
    started: float
    beat: float
    every: float
    """Seconds between two looks."""
    watching: str = ""
    """``events``, ``polling``, or empty before the first look."""
    seq: int | None = None
    """The newest snapshot, if there is any."""
    tree: TreeId | None = None
    taken: int = Field(default=0, ge=0)
    """Snapshots since it started."""
    skipped: int = Field(default=0, ge=0)
    left_out: tuple[LeftOut, ...] = ()
    halted: str = ""
    """Why nothing is stored at the moment although it is wanted; empty if all is well."""
    trouble: str = ""
    """What is wrong beside the recording itself: the store could not be put in order."""
    builds: str = ""
    """How the build status is known: ``shadow``, ``reported``, ``none``, or why it is not."""


class State(StrEnum):
    """How a recording fares."""

    RECORDING = "recording"
    PAUSED = "paused"
    STOPPED = "stopped"
    """By a person."""
    HALTED = "halted"
    """It runs and stores nothing, and says why."""
    DEAD = "dead"
    """It should run and does not."""
    STUCK = "stuck"
    """It runs, and has not looked for too long."""

    @property
    def well(self) -> bool:
        """Whether things are as the person wants them."""
        return self in {State.RECORDING, State.PAUSED, State.STOPPED}


def write(path: Path, beat: Heartbeat) -> None:
    """Replace the heartbeat at ``path``. Raises ``EnvironmentFault`` when the disk refuses.

    On a full disk it is written over the one before, which takes no room: whoever asks is told why nothing is stored.
    """
    content = beat.model_dump_json().encode()
    try:
        write_atomically(path, content)
    except EnvironmentFault as error:
        cause = error.__cause__
        if not (isinstance(cause, OSError) and cause.errno in _FULL and path.exists()):
            raise
        with named_io_errors(path), path.open("r+b", buffering=0) as file:
            # in one write, and no shorter than what was there: JSON may end in spaces, and no reader sees a torn end
            file.write(content.ljust(path.stat().st_size))


def read(path: Path) -> Heartbeat | None:
    """Return the last heartbeat, or ``None`` when there is none that can be read."""
    try:
        return Heartbeat.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None


def state(desk: Desk, now: float | None = None) -> State:
    """Return how the recording of an enrolled folder fares at ``now`` (Unix seconds)."""
    now = time.time() if now is None else now
    wish, beat, pid = desk.wish, read(desk.heartbeat), desk.running()
    if wish.damaged:
        return State.DEAD
    if not wish.recording:
        return State.STOPPED
    if pid is None:
        return State.DEAD
    if beat is not None and beat.pid != pid:
        beat = None  # of the one before; the first look at a large folder takes its time
    if beat is not None and abs(now - beat.beat) > max(_MISSED_BEATS * beat.every, _SLACK_SECONDS):
        return State.STUCK
    if beat is not None and beat.halted:
        return State.HALTED
    return State.PAUSED if wish.paused_at(now) else State.RECORDING
