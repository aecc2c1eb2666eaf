"""The explicit choice for code that one trusts: no sandbox, but the same throw-away semantics."""

import contextlib
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from greenloop.builds.sandbox.layout import below, is_there, replaced
from greenloop.builds.sandbox.policy import ENVIRONMENT, Command, Completed, Limits
from greenloop.builds.sandbox.streams import Stream
from greenloop.records import InfrastructureError


class Unsandboxed:
    """Runs commands as the caller, in a copy of the tree: for trusted code, where no sandbox can be had.

    A command that wants to can read and change all that its user can, and leave processes behind. Wall clock and
    output are limited, memory, processes and files are not.
    """

    sandboxed = False

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        scratch: Path | None = None,
    ) -> None:
        """``environment`` is added to ``ENVIRONMENT``; copies are made below ``scratch``, or the system's place."""
        self._limits = limits or Limits()
        self._environment = ENVIRONMENT | dict(environment or {})
        self._scratch = scratch

    def fingerprint(self) -> str:
        """Name the wall clock and the output cap, the two limits that hold."""
        return f"unsandboxed-{self._limits.wall_seconds:g}s-{self._limits.output_kib}k"

    def run_over(
        self,
        lower: Path,
        *,
        delta: Path | None,
        deletions: Sequence[str],
        commands: Sequence[Command],
        keep_going: bool = False,
    ) -> tuple[Completed, ...]:
        """See ``Sandbox.run_over``; ``lower`` is copied with its mtimes, by reflink where the file system can."""
        with tempfile.TemporaryDirectory(prefix="greenloop-run-", dir=self._scratch) as scratch:
            copy = Path(scratch, "w")
            _copy_tree(lower, copy)
            for deletion in deletions:
                parts = below(deletion)
                if is_there(copy, parts) and not (delta is not None and replaced(delta, parts)):
                    _remove(copy.joinpath(*parts))
            if delta is not None:
                _lay_over(delta, copy)
            return self.run_in(copy, commands, keep_going)

    def run_in(self, folder: Path, commands: Sequence[Command], keep_going: bool = False) -> tuple[Completed, ...]:
        """See ``Sandbox.run_in``."""
        results: list[Completed] = []
        with tempfile.TemporaryDirectory(prefix="greenloop-home-", dir=self._scratch) as home:
            for command in commands:
                results.append(self._run(folder, command, home))
                if not (results[-1].ok or keep_going):
                    break
        return tuple(results)

    def _run(self, folder: Path, command: Command, home: str) -> Completed:
        environment = self._environment | {"HOME": home, "TMPDIR": home} | dict(command.env)
        program = shutil.which(command.argv[0], path=environment["PATH"]) or command.argv[0]
        start = time.monotonic()
        try:
            process = subprocess.Popen(
                command.argv,
                executable=program,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise InfrastructureError(f"could not run {command.argv[0]!r}: {error}") from error
        with process:
            assert process.stdout is not None
            assert process.stderr is not None
            cap = self._limits.output_kib << 10
            out, err = Stream(process.stdout.fileno(), cap), Stream(process.stderr.fileno(), cap)
            seconds = self._limits.wall_seconds if command.seconds is None else command.seconds
            timed_out = not _ended(process.pid, (out, err), start + seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            for stream in (out, err):
                stream.read_rest()
        (stdout, out_dropped), (stderr, err_dropped) = out.take(), err.take()
        return Completed(
            exit_status=None if timed_out else status if status >= 0 else 128 - status,
            stdout=stdout,
            stderr=stderr,
            seconds=time.monotonic() - start,
            timed_out=timed_out,
            truncated=out_dropped or err_dropped,
        )


def _ended(pid: int, streams: Sequence[Stream], deadline: float) -> bool:
    """Read the outputs until the process ends by itself; ``False`` when the deadline came first."""
    ended = os.pidfd_open(pid)
    by_fd = {stream.fd: stream for stream in streams}
    try:
        with selectors.DefaultSelector() as selector:
            for fd in (ended, *by_fd):
                selector.register(fd, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if key.fd == ended:
                        return True
                    by_fd[key.fd].read_available()
                    if by_fd[key.fd].ended:
                        selector.unregister(key.fd)
        return False
    finally:
        os.close(ended)


def _copy_tree(source: Path, target: Path) -> None:
    """Copy with links and mtimes as they are; coreutils knows reflinks and sparse files."""
    done = subprocess.run(
        ["cp", "-a", "--reflink=auto", "--", str(source), str(target)], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise InfrastructureError(f"could not copy the tree: {done.stderr[-500:].decode('utf-8', 'replace').strip()}")


def _lay_over(delta: Path, target: Path) -> None:
    """Copy the files below ``delta`` over ``target`` with mtimes of now, never through a link."""
    for entry in os.scandir(delta):
        at = target / entry.name
        if entry.is_dir(follow_symlinks=False):
            if at.is_symlink() or not at.is_dir():
                _remove(at)
                at.mkdir()
            _lay_over(Path(entry.path), at)
        else:
            _remove(at)
            shutil.copyfile(entry.path, at, follow_symlinks=False)
            if not entry.is_symlink():
                shutil.copymode(entry.path, at)


def _remove(path: Path) -> None:
    """Remove whatever is there, if anything is."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
