"""The sandbox that runs nothing: it answers by script, for tests of what stands above."""

from collections.abc import Callable, Sequence
from pathlib import Path

from greenloop.builds.sandbox.policy import Command, Completed
from greenloop.builds.stop import Stop


class ScriptedSandbox:
    """Answers each command by ``script``; remembers what it was asked in ``asked``.

    ``script`` gets the folder that lies at ``/w`` (without delta and deletions) and the command.
    """

    sandboxed = False

    def __init__(self, script: Callable[[Path, Command], Completed]) -> None:
        self._script = script
        self.asked: list[Command] = []

    def fingerprint(self) -> str:
        """Say that nothing was run."""
        return "scripted"

    def run_over(
        self,
        lower: Path,
        *,
        delta: Path | None,  # noqa: ARG002 - the script knows what it was set up for
        deletions: Sequence[str],  # noqa: ARG002
        commands: Sequence[Command],
        keep_going: bool = False,
        stop: Stop | None = None,
    ) -> tuple[Completed, ...]:
        """Answer by script, with the same rule for stopping as the real ones."""
        return self.run_in(lower, commands, keep_going, stop)

    def run_in(
        self, folder: Path, commands: Sequence[Command], keep_going: bool = False, stop: Stop | None = None
    ) -> tuple[Completed, ...]:
        """Answer by script."""
        results: list[Completed] = []
        for command in commands:
            if stop is not None:
                stop.check()
            self.asked.append(command)
            results.append(self._script(folder, command))
            if not (results[-1].ok or keep_going):
                break
        return tuple(results)

    def open(self, lower: Path, command: Command) -> "ScriptedSession":
        """Open a session that has printed what the script answered and runs until it is closed."""
        self.asked.append(command)
        done = self._script(lower, command)
        return ScriptedSession(lower, done.stdout + done.stderr)


class ScriptedSession:
    """See ``Session``: nothing runs, ``work`` is the lower tree itself."""

    def __init__(self, work: Path, output: bytes) -> None:
        self.work = work
        self._output = output
        self._alive = True

    def __enter__(self) -> "ScriptedSession":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def alive(self) -> bool:
        """Whether it was not closed yet."""
        return self._alive

    def output(self) -> bytes:
        """What the script answered."""
        return self._output

    def close(self) -> None:
        """End it."""
        self._alive = False
