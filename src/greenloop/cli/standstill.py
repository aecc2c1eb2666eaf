"""Ending the home's recorders while something is done to the store that bears no writer, and starting them again.

Whatever ends the work, those that ran run again afterwards. Only a SIGKILL leaves them ended: a file of each desk,
written before its recorder is told to end, then has the next standstill start them.
"""

import signal
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType
from typing import TypeVar

from greenloop.cli import recording
from greenloop.cli.app import App
from greenloop.cli.console import tell
from greenloop.cli.desks import enrolments
from greenloop.records import Cancelled, GreenloopError
from greenloop.snapshots.enrolment import Desk, Wish
from greenloop.snapshots.purge import unfinished
from greenloop.storage import write_atomically

Result = TypeVar("Result")


def at_standstill(app: App, quiet: Desk | None, work: Callable[[], Result]) -> Result:
    """Do a purge's ``work`` with the home's recorders ended, keep others from starting, and start them again.

    What is wanted of them is not touched, so that one that does not come back is told as dead. ``quiet`` is paused
    before all else, and stays so unless nothing was done to what was recorded of it: it would record at once what was
    just taken back, from the files as they are.

    Raises what ``work`` raises; ``Cancelled`` when a signal ended it (SIGINT, SIGTERM, SIGHUP); ``EnvironmentFault``
    when the disk refuses, or a recorder does not end.
    """
    desks = enrolments(app).desks()
    with _Interrupts() as interrupts:
        # two blocks, since the signal may come between any two steps, also when the inner one has begun to end
        try:
            try:
                return _paused(app, quiet, lambda: _alone(desks, work))
            finally:
                interrupts.over = True
        except KeyboardInterrupt:
            raise _interrupted(app, quiet) from None
        finally:
            failed = [_revive(app, desk) for desk in desks if desk.suspended.exists()]
            # told at the end: where nobody reads any more, to print is to end
            for error in failed:
                if error is not None:
                    tell(error)


def _paused(app: App, quiet: Desk | None, work: Callable[[], Result]) -> Result:
    if quiet is None or not quiet.wish.recording:
        return work()
    before = quiet.wish
    quiet.want(Wish(paused=True))
    try:
        done = work()
    except GreenloopError:
        scope = unfinished(app.home.path)
        if scope is None or scope.workspace != quiet.enrolment.workspace.id:
            quiet.want(before)
        raise
    # somebody may have wanted otherwise meanwhile
    quiet.want(Wish(paused=True))
    return done


def _alone(desks: tuple[Desk, ...], work: Callable[[], Result]) -> Result:
    for desk in desks:
        if desk.running() is not None:
            write_atomically(desk.suspended, b"")
            recording.halt(desk)
    with ExitStack() as stack:
        for desk in desks:
            stack.enter_context(desk.held())
        return work()


def _revive(app: App, desk: Desk) -> GreenloopError | None:
    """Start a recorder again; returns what kept it from that: the other folders are no less wanted."""
    try:
        # it may have been told to end, and not have ended yet
        recording.halt(desk)
        if desk.wish.recording:
            recording.launch(app, desk)
    except GreenloopError as error:
        return error
    return None


def _interrupted(app: App, quiet: Desk | None) -> Cancelled:
    if unfinished(app.home.path) is not None:
        return Cancelled("the purge was interrupted, and is not finished", "run `greenloop record purge` again")
    way_out = "run `greenloop record purge` again"
    if quiet is not None and quiet.wish.paused:
        way_out += f"; {quiet.enrolment.root} is paused, and `greenloop record resume` goes on recording it"
    return Cancelled("the purge was interrupted", way_out)


class _Interrupts:
    """Ctrl-C, SIGTERM and the end of the terminal, as ``KeyboardInterrupt``: the first until ``over``, none later."""

    def __init__(self) -> None:
        self.over = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> "_Interrupts":
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # what `nohup` has ignored stays so
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._raise)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _raise(self, _number: int, _frame: FrameType | None) -> None:
        if not self.over:
            self.over = True
            raise KeyboardInterrupt
