"""``greenloop report``: the team's own build tells how it ended."""

import signal
import subprocess
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from greenloop.builds.diagnostics import ocaml
from greenloop.builds.diagnostics.handed import Parse, read_handed
from greenloop.builds.diagnostics.pattern import DIAGNOSTIC_GROUPS, compile_pattern, parse_diagnostics
from greenloop.cli.app import App
from greenloop.cli.config import Config, ToolchainKind
from greenloop.cli.console import out, tell
from greenloop.cli.desks import demand
from greenloop.cli.moments import FORMS, moment
from greenloop.cli.team_builds import looked_at, team_builds
from greenloop.records import Category, Diagnostic, GreenloopError, InputError, Status, Suite
from greenloop.snapshots.enrolment import Desk
from greenloop.snapshots.team_builds import (
    CHANGED,
    NOT_LOOKED,
    NOT_SEEN,
    PASSED,
    UNKNOWN_START,
    Mark,
    Outcome,
    Told,
)

_SIGNAL = 128
_LOOK = "run `greenloop report --begin` before the build, or let `greenloop report -- COMMAND` run it"
_WAYS_OUT = {
    UNKNOWN_START: "say when with --seconds or --started, or run `greenloop report --begin` before the build",
    NOT_SEEN: _LOOK,
    NOT_LOOKED: _LOOK,
    CHANGED: "leave the files alone until it ends; those that the build itself writes, let version control ignore",
    PASSED: "leave the files alone until the recorder has looked, which takes seconds",
}


class Ended(StrEnum):
    """How a build ended."""

    GREEN = "green"
    RED = "red"


def report(
    context: typer.Context,
    command: Annotated[
        list[str] | None,
        typer.Argument(metavar="COMMAND...", help="Run this build, and report it. Its output and exit status stay."),
    ] = None,
    status: Annotated[Ended | None, typer.Option(help="How the build ended.")] = None,
    diagnostics: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="What it found wrong: JSON as Greenloop writes it, SARIF 2.1.0, or what the tool printed; - is stdin.",
        ),
    ] = "",
    begin: Annotated[
        bool, typer.Option("--begin", help="A build begins now; --status follows when it has ended.")
    ] = False,
    started: Annotated[str, typer.Option(metavar="TIME", help=f"When it began: {FORMS}.")] = "",
    seconds: Annotated[float | None, typer.Option(min=0, help="How long it took, if it ended just now.")] = None,
    tool: Annotated[str, typer.Option(help="What built, as a name for people.")] = "",
    suite: Annotated[Suite | None, typer.Option(help="How far the build went.")] = None,
    folder: Annotated[Path, typer.Option("--in", help="The recorded folder, or one in it.")] = Path(),
) -> None:
    """Tell Greenloop how the team's own build of a recorded folder ended.

    The status belongs to a snapshot only if no file changed while the build ran. So say when it began: run the build by
    `greenloop report -- make`, or `greenloop report --begin` before it, or give --seconds or --started. Otherwise it is
    kept as smeared, and counts for no snapshot.
    """
    app = App.of(context)
    desk = demand(app, folder)
    told = Telling(app, desk, diagnostics, tool, suite)
    if command:
        if status or begin or started or seconds is not None:
            raise InputError("a command that is run here shows when it began and how it ended", "leave those options")
        told.run(command)
    if begin:
        if status or started or seconds is not None:
            raise InputError("--begin says that a build begins, and nothing of its end", "report the end with --status")
        told.begin()
    elif status is None:
        raise InputError("nothing to report", "--status green or red, --begin, or -- and the command that builds")
    else:
        told.end(Status(status.value), _start(started, seconds))


class Telling:
    """One call of the command."""

    def __init__(self, app: App, desk: Desk, diagnostics: str, tool: str, suite: Suite | None) -> None:
        self._app = app
        self._desk = desk
        self._builds = team_builds(app, desk)
        self._diagnostics = diagnostics
        self._tool = tool
        self._suite = suite

    def begin(self) -> None:
        """Keep the tree with which a build begins."""
        if not self._off():
            self._builds.keep(self._builds.begin())

    def end(self, status: Status, start: float | None) -> None:
        """Report a build that ended just now."""
        found = self._found(status)
        if self._off():
            return
        mark = Mark(time=start) if start is not None else self._builds.kept()
        seconds = None if mark is None else max(0.0, time.time() - mark.time)
        outcome = self._builds.finish(self._told(status, seconds, found), mark)
        out.print(_words(status, outcome))

    def run(self, command: list[str]) -> NoReturn:
        """Run a build, report how it ended, and end as it did.

        Nothing that befalls the report changes what the build comes to: it is told on stderr.
        """
        mark = None
        off = not looked_at(self._desk)
        try:
            mark = None if off else self._builds.begin()
        except GreenloopError as error:
            tell(error)
        start = time.monotonic()
        code, interrupted = _run(command)
        seconds = time.monotonic() - start
        # what a signal ended, or Ctrl-C, came to no end of its own
        if mark is not None and code < _SIGNAL and not interrupted:
            status = Status.RED if code else Status.GREEN
            self._tool = self._tool or Path(command[0]).name
            try:
                self._builds.finish(self._told(status, seconds, self._found(status)), mark)
            except GreenloopError as error:
                tell(error)
        sys.exit(code)

    def _off(self) -> bool:
        if looked_at(self._desk):
            return False
        out.print("Not kept: the folder is not being recorded at the moment.")
        return True

    def _told(self, status: Status, seconds: float | None, found: tuple[Diagnostic, ...]) -> Told:
        return Told(status=status, suite=self._suite, tool=self._tool, seconds=seconds, diagnostics=found)

    def _found(self, status: Status) -> tuple[Diagnostic, ...]:
        if not self._diagnostics:
            return ()
        root = Path(self._desk.enrolment.root)
        text = _text(self._diagnostics)
        return read_handed(text, root=root, parse=_parser(self._app.settings(root), root), failed=status is Status.RED)


def _run(command: list[str]) -> tuple[int, bool]:
    """Run a command in this terminal; return its exit status as a shell gives it, and whether Ctrl-C was pressed."""
    pressed: list[int] = []
    # Ctrl-C is for the build, which ends by it or does not; this waits for that. Set before the build can be pressed at
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        code = subprocess.Popen(command).wait()
    except OSError as error:
        raise InputError(f"{command[0]}: {error.strerror}", "name the command that builds after --") from error
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else _SIGNAL - code, bool(pressed)


_LONGEST_BUILD = 31 * 86_400


def _start(started: str, seconds: float | None) -> float | None:
    """Return when the build began, in Unix seconds, where that was said."""
    if started and seconds is not None:
        raise InputError("--started and --seconds say the same", "give one of them")
    if seconds is not None:
        if not seconds <= _LONGEST_BUILD:
            raise InputError(f"--seconds {seconds}: longer than a month", "say when it began with --started")
        return time.time() - seconds
    return moment(started, "--started") if started else None


def _text(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise InputError(f"{name}: {error.strerror}", "name the file with --diagnostics") from error
    return raw.decode("utf-8", "replace")


def _parser(settings: Config, root: Path) -> Parse:
    """Return what reads the output of the folder's tools: its own pattern, else that of OCaml's."""
    command = settings.command
    if command is None or settings.toolchain.kind is not ToolchainKind.COMMAND:
        return lambda text: ocaml.parse(text, root=str(root))
    pattern = compile_pattern(
        command.diagnostic_pattern, groups=DIAGNOSTIC_GROUPS, needs=frozenset({"message"}), what="diagnostic_pattern"
    )
    return lambda text: parse_diagnostics(
        text, pattern, category=Category.TYPE, first_column=command.first_column, root=str(root)
    )


def _words(status: Status, outcome: Outcome) -> str:
    if outcome.smeared:
        return f"{status.value}, of no one tree: {outcome.smeared}. Next time {_WAYS_OUT[outcome.smeared]}."
    if outcome.waiting:
        return f"{status.value}, kept for the snapshot that the recorder is about to take."
    return f"{status.value}, of snapshot {outcome.seq}."
