"""A sandbox that grants less than its owner set it up for: what one request asks for, never more than there is."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from greenloop.builds.sandbox.policy import Command, Completed, Limits, Sandbox, Session
from greenloop.builds.stop import Stop
from greenloop.records import EvaluationLimits, InputError


@runtime_checkable
class Limitable(Sandbox, Protocol):
    """A sandbox that knows its limits, and that exists with other ones too."""

    @property
    def limits(self) -> Limits:
        """What one command may use."""
        ...

    def limited(self, limits: Limits) -> Sandbox:
        """Return the same sandbox with other limits."""
        ...


def tighten(sandbox: Sandbox, limits: EvaluationLimits) -> Sandbox:
    """Return ``sandbox`` with what ``limits`` grants where that is less; the very same one where nothing is.

    Seconds bind each command, those that name a wall clock of their own included, so any number of seconds gives a
    sandbox of its own. Raises ``InputError`` when this kind of sandbox has no limits to tighten.
    """
    if limits == EvaluationLimits():
        return sandbox
    if not isinstance(sandbox, Limitable):
        raise InputError("this sandbox has no limits that a request could tighten", "leave `limits` away")
    have = sandbox.limits
    wanted = replace(
        have,
        wall_seconds=min(have.wall_seconds, limits.seconds or have.wall_seconds),
        memory_mib=min(have.memory_mib, limits.memory_mib or have.memory_mib),
        output_kib=min(have.output_kib, limits.output_kib or have.output_kib),
    )
    inner: Sandbox = sandbox if wanted == have else sandbox.limited(wanted)
    return inner if limits.seconds is None else Hurried(inner, limits.seconds)


def seconds_of(sandbox: Sandbox) -> float | None:
    """Return the wall clock that no command of a hurried sandbox exceeds, in seconds; ``None`` for any other."""
    return sandbox.seconds if isinstance(sandbox, Hurried) else None


def alike(one: Sandbox, other: Sandbox) -> bool:
    """Whether two sandboxes differ in nothing that code can meet in them, but for the wall clock."""
    one, other = (each.inner if isinstance(each, Hurried) else each for each in (one, other))
    if isinstance(one, Limitable) and isinstance(other, Limitable):
        one = one.limited(replace(one.limits, wall_seconds=other.limits.wall_seconds))
    return one.fingerprint() == other.fingerprint()


class Hurried:
    """A sandbox in which no command of a run has more than ``seconds`` of wall clock, whatever it says itself."""

    def __init__(self, inner: Sandbox, seconds: float) -> None:
        self._inner = inner
        self._seconds = seconds

    @property
    def inner(self) -> Sandbox:
        """The sandbox that is hurried."""
        return self._inner

    @property
    def seconds(self) -> float:
        """The wall clock that no command exceeds, in seconds."""
        return self._seconds

    @property
    def sandboxed(self) -> bool:
        """Whether untrusted code may run here."""
        return self._inner.sandboxed

    def fingerprint(self) -> str:
        """Name the inner sandbox and the seconds."""
        return f"{self._inner.fingerprint()}, at most {self._seconds!r} s"

    def run_over(
        self,
        lower: Path,
        *,
        delta: Path | None,
        deletions: Sequence[str],
        commands: Sequence[Command],
        keep_going: bool = False,
        stop: Stop | None = None,
    ) -> tuple[Completed, ...]:
        """See ``Sandbox.run_over``."""
        return self._inner.run_over(
            lower,
            delta=delta,
            deletions=deletions,
            commands=self._hurried(commands),
            keep_going=keep_going,
            stop=stop,
        )

    def run_in(
        self, folder: Path, commands: Sequence[Command], keep_going: bool = False, stop: Stop | None = None
    ) -> tuple[Completed, ...]:
        """See ``Sandbox.run_in``."""
        return self._inner.run_in(folder, self._hurried(commands), keep_going, stop)

    def open(self, lower: Path, command: Command) -> Session:
        """See ``Sandbox.open``: it has no wall clock."""
        return self._inner.open(lower, command)

    def _hurried(self, commands: Sequence[Command]) -> tuple[Command, ...]:
        return tuple(
            command if command.seconds is None else replace(command, seconds=min(command.seconds, self._seconds))
            for command in commands
        )
