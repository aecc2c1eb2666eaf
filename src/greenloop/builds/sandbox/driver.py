"""One run seen from its owner: the layers and limits that its driver is given, the commands, what they print.

The driver (see ``forkserver``) is a process in namespaces of its own, out of the commands' reach. One socket is its
life line: when it closes, the driver kills what runs, waits until all of it is gone, and ends.
"""

import contextlib
import json
import math
import selectors
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop.builds.sandbox import forkserver
from greenloop.builds.sandbox.advice import advise
from greenloop.builds.sandbox.launcher import Launcher
from greenloop.builds.sandbox.policy import Command, Completed, Limits
from greenloop.builds.sandbox.streams import Ring, Stream
from greenloop.builds.stop import Stop
from greenloop.records import InfrastructureError

_GRACE = 20.0
"""Seconds that setting up or tearing down may take beyond a command's own time before it counts as broken."""
_RESPITE = 0.02
"""Seconds in which the others die whose server was killed."""
_TRIES = 5
"""How often a run takes another driver for one that ended before it knew of its command."""
_CHUNK = 1 << 16
_REWRITTEN = "rewritten "
"""How the driver's line on a fresh command begins."""


class _KilledError(InfrastructureError):
    """A driver ended without a word."""


@dataclass(frozen=True)
class Stage:
    """What lies at ``/w``."""

    lower: Path
    over: bool
    """Whether changes go to a layer that is thrown away, or into ``lower`` itself."""
    delta: Path | None = None
    """Files laid over ``lower``."""
    gone: Sequence[str] = ()
    """Paths of ``lower`` that are hidden, none of them below another."""


class Driver:
    """A context manager around the driver of one run; ``run`` starts a command and waits for its end."""

    def __init__(
        self, launcher: Launcher, stage: Stage, limits: Limits, *, stop: Stop | None = None, ring: bool = False
    ) -> None:
        """``ring`` keeps the last of the outputs together, not the first of each."""
        self._launcher = launcher
        self._stage = stage
        self._limits = limits
        self._stop = stop
        self._ring = ring
        self._begun: float | None = time.monotonic()
        self._first: Mapping[str, object] | None = None
        self._lines: list[str] = []
        self._partial = b""
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Driver":
        """Take a driver, put it under its limits, and wait until the stage is set."""
        for _ in range(_TRIES):
            try:
                return self._begin()
            except _KilledError as error:  # while it waited, or just now: nothing of the run has begun
                killed = error
                time.sleep(_RESPITE)
        raise killed

    def _begin(self) -> "Driver":
        limits = self._limits
        with contextlib.ExitStack() as opened:
            self._line = self._launcher.take(self._limit_words())
            opened.callback(self._line.close)
            self._partial = b""
            # Besides the commands' own processes a group holds the driver, bubblewrap and its two helpers.
            self._line.group.limit(
                memory_bytes=(limits.memory_mib + limits.scratch_mib) << 20, processes=limits.processes + 4
            )
            self._watch(opened)
            self._send(self._stage_words())
            deadline = time.monotonic() + _GRACE
            self._line.known(int(self._await_line("pid ", deadline).removeprefix("pid ")))
            self._await_line("ready", deadline)
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """End the driver (its commands, their namespaces and mounts go with it) and give all files back.

        The next driver is made ready only now: while a command runs it would take a core from it.
        """
        self._open.close()
        if self._first is not None:
            self._launcher.refill({**self._limit_words(), "command": self._first})

    @property
    def pid(self) -> int:
        """The driver's process; its current folder holds the tree at ``w``."""
        return self._line.pid

    def look(self) -> bytes:
        """What the ring holds now."""
        assert isinstance(self._out, Ring)
        return self._out.look()

    def run(self, command: Command, *, endless: bool = False, tell: Callable[[], None] = lambda: None) -> Completed:
        """Run a command and wait until no process of it is left.

        ``endless``: without wall clock. ``tell`` is called once it is on its way.
        """
        start = time.monotonic()
        options = [word for name in sorted(command.env) for word in ("--setenv", name, command.env[name])]
        words = {
            "argv": list(command.argv),
            "options": options,
            "fresh": None if command.fresh is None else list(command.fresh),
            "closed": list(command.closed),
        }
        self._send(words)
        if endless:
            self._launcher.refill()
        elif self._begun is not None:
            self._first = words
        self._await_line("{", start + _GRACE)
        started = time.monotonic() - (start if self._begun is None else self._begun)
        self._begun = None
        tell()
        seconds = self._limits.wall_seconds if command.seconds is None else command.seconds
        deadline = math.inf if endless else start + seconds
        timed_out = False
        exit_status: int | None = None
        rewritten: tuple[str, ...] = ()
        while (line := self._next_line(deadline)) != "end":
            if line is not None and line.startswith(_REWRITTEN):
                rewritten = tuple(json.loads(line.removeprefix(_REWRITTEN)))
            elif line is not None:
                exit_status = int(json.loads(line)["exit-code"])
            elif timed_out:
                raise InfrastructureError("the sandbox did not end after its time-out")
            else:
                timed_out, deadline = True, time.monotonic() + _GRACE
                self._line.life.sendall(forkserver.KILL + b"\n")
        elapsed = time.monotonic() - start
        for stream in self._streams.values():
            stream.read_rest()
        (stdout, out_dropped), (stderr, err_dropped) = self._out.take(), self._err.take()
        if exit_status is None and not timed_out:
            raise _failure(command, self.look() if self._ring else stderr)
        return Completed(
            exit_status=None if timed_out else exit_status,
            stdout=stdout,
            stderr=stderr,
            seconds=elapsed,
            timed_out=timed_out,
            truncated=out_dropped or err_dropped,
            started=started,
            rewritten=rewritten,
        )

    def _stage_words(self) -> Mapping[str, object]:
        stage = self._stage
        return {
            "lower": str(stage.lower.absolute()),
            "over": stage.over,
            "delta": None if stage.delta is None else str(stage.delta.absolute()),
            "gone": list(stage.gone),
            **self._limit_words(),
        }

    def _limit_words(self) -> Mapping[str, object]:
        limits = self._limits
        scratch = limits.scratch_mib << 20
        return {
            "bytes": scratch,
            "limits": {
                "RLIMIT_AS": limits.memory_mib << 20,
                "RLIMIT_FSIZE": scratch,
                "RLIMIT_CORE": 0,
                "RLIMIT_NOFILE": 4096,
                "RLIMIT_NPROC": limits.processes,
            },
        }

    def _watch(self, opened: contextlib.ExitStack) -> None:
        """Watch the life line, the outputs, and whoever may ask for the end."""
        line, cap = self._line, self._limits.output_kib << 10
        self._out: Stream = Ring(line.out, cap) if self._ring else Stream(line.out, cap)
        self._err = self._out.beside(line.err) if isinstance(self._out, Ring) else Stream(line.err, cap)
        self._streams = {stream.fd: stream for stream in (self._out, self._err)}
        self._selector = opened.enter_context(selectors.DefaultSelector())
        for fd in (line.life.fileno(), *self._streams):
            self._selector.register(fd, selectors.EVENT_READ)
        if self._stop is not None:
            self._selector.register(self._stop.fileno(), selectors.EVENT_READ)

    def _send(self, words: Mapping[str, object]) -> None:
        """Tell the driver something; where it has ended, what it says in the end is read and raised."""
        try:
            self._line.life.sendall(json.dumps(words).encode("ascii") + b"\n")
        except (BrokenPipeError, ConnectionResetError):
            self._lines.clear()
            while True:
                self._read_life()

    def _next_line(self, deadline: float) -> str | None:
        """Return the next line of the life line, reading the outputs meanwhile; ``None`` at the deadline."""
        while not self._lines:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            for key, _ in self._selector.select(None if left == math.inf else left):
                if key.fd in self._streams:
                    self._read_output(key.fd)
                elif key.fd == self._line.life.fileno():
                    self._read_life()
                elif self._stop is not None:
                    self._stop.check()
        return self._lines.pop(0)

    def _read_life(self) -> None:
        """Split what the driver and bubblewrap say into lines; their silence is a failure of the sandbox."""
        try:
            data = self._line.life.recv(_CHUNK)
        except ConnectionResetError:  # it ended without having read what we sent
            data = b""
        if not data:
            self._err.read_rest()
            said = self._err.tail()
            if not said:
                raise _KilledError("the sandbox could not be set up: its driver ended", advise(said))
            raise InfrastructureError(f"the sandbox could not be set up: {said}", advise(said))
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._lines += [line.decode("ascii").strip() for line in lines]

    def _await_line(self, start: str, deadline: float) -> str:
        """Return the next line, which must begin with ``start``."""
        line = self._next_line(deadline)
        if line is None or not line.startswith(start):
            self._err.read_rest()
            said = self._err.tail()
            raise InfrastructureError(f"the sandbox did not start: {said or line or 'no answer'}", advise(said))
        return line

    def _read_output(self, fd: int) -> None:
        stream = self._streams[fd]
        stream.read_available()
        if stream.ended:
            self._selector.unregister(fd)


def _failure(command: Command, stderr: bytes) -> InfrastructureError:
    """Say why bubblewrap ended without having run the command."""
    said = stderr[-2000:].decode("utf-8", "replace").strip()
    return InfrastructureError(
        f"the sandbox could not run {command.argv[0]!r}: {said or 'no reason given'}", advise(said)
    )
