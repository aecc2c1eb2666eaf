"""The sandbox that runs nothing: it answers by script, for tests of what stands above."""

from collections.abc import Callable, Sequence
from pathlib import Path

from greenloop.builds.sandbox.policy import Command, Completed


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
    ) -> tuple[Completed, ...]:
        """Answer by script, with the same rule for stopping as the real ones."""
        return self.run_in(lower, commands, keep_going)

    def run_in(self, folder: Path, commands: Sequence[Command], keep_going: bool = False) -> tuple[Completed, ...]:
        """Answer by script."""
        results: list[Completed] = []
        for command in commands:
            self.asked.append(command)
            results.append(self._script(folder, command))
            if not (results[-1].ok or keep_going):
                break
        return tuple(results)
