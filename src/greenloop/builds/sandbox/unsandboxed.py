"""The explicit choice for code that one trusts: no sandbox, but the same throw-away semantics."""

import contextlib
import math
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from greenloop.builds.sandbox.layout import below, is_there
from greenloop.builds.sandbox.policy import ENVIRONMENT, Command, Completed, Limits, check_command, refuse_fresh
from greenloop.builds.sandbox.streams import Ring, Stream
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, InfrastructureError


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

    @property
    def limits(self) -> Limits:
        """What was asked for; only the wall clock and the output cap hold."""
        return self._limits

    def limited(self, limits: Limits) -> "Unsandboxed":
        """Return the same with other limits."""
        return Unsandboxed(limits=limits, environment=self._environment, scratch=self._scratch)

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
        stop: Stop | None = None,
    ) -> tuple[Completed, ...]:
        """See ``Sandbox.run_over``; ``lower`` is copied with its mtimes, by reflink where the file system can."""
        begun = time.monotonic()
        results: list[Completed] = []
        with contextlib.ExitStack() as open_:
            copy = open_.enter_context(self._copy(lower, delta, deletions))
            home = open_.enter_context(self._home())
            for command in commands:
                check_command(command)
                if command.fresh is not None:
                    before, copy = copy, open_.enter_context(self._copy(lower, delta, deletions))
                    _take_products(command.fresh, before, copy)
                    home = open_.enter_context(self._home())
                results.append(self._run(copy, command, home, stop, begun))
                if not (results[-1].ok or keep_going):
                    break
                begun = time.monotonic()
        return tuple(results)

    def run_in(
        self, folder: Path, commands: Sequence[Command], keep_going: bool = False, stop: Stop | None = None
    ) -> tuple[Completed, ...]:
        """See ``Sandbox.run_in``."""
        refuse_fresh(commands)
        results: list[Completed] = []
        with self._home() as home:
            for command in commands:
                results.append(self._run(folder, command, home, stop, time.monotonic()))
                if not (results[-1].ok or keep_going):
                    break
        return tuple(results)

    def open(self, lower: Path, command: Command) -> "TrustedSession":
        """See ``Sandbox.open``."""
        with contextlib.ExitStack() as opened:
            copy = opened.enter_context(self._copy(lower, None, ()))
            home = opened.enter_context(self._home())
            process = self._start(copy, command, home, together=True)
            return TrustedSession(process, copy, self._limits.output_kib << 10, opened.pop_all())

    @contextlib.contextmanager
    def _copy(self, lower: Path, delta: Path | None, deletions: Sequence[str]) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="greenloop-run-", dir=self._scratch) as scratch:
            copy = Path(scratch, "w")
            _copy_tree(lower, copy)
            for deletion in deletions:
                parts = below(deletion)
                if is_there(copy, parts):
                    _remove(copy.joinpath(*parts))
            if delta is not None:
                _lay_over(delta, copy)
            yield copy

    def _home(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory(prefix="greenloop-home-", dir=self._scratch)

    def _start(self, folder: Path, command: Command, home: str, *, together: bool = False) -> "subprocess.Popen[bytes]":
        environment = self._environment | {"HOME": home, "TMPDIR": home} | dict(command.env)
        program = shutil.which(command.argv[0], path=environment["PATH"]) or command.argv[0]
        try:
            return subprocess.Popen(
                command.argv,
                executable=program,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if together else subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise InfrastructureError(f"could not run {command.argv[0]!r}: {error}") from error

    def _run(self, folder: Path, command: Command, home: str, stop: Stop | None, begun: float) -> Completed:
        if stop is not None:
            stop.check()
        start = time.monotonic()
        with self._start(folder, command, home) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            cap = self._limits.output_kib << 10
            out, err = Stream(process.stdout.fileno(), cap), Stream(process.stderr.fileno(), cap)
            seconds = self._limits.wall_seconds if command.seconds is None else command.seconds
            try:
                timed_out = not _ended(process.pid, (out, err), start + seconds, stop)
            finally:
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
            started=start - begun,
        )


class TrustedSession:
    """See ``Session``: a process of the caller's own in a copy of the tree."""

    def __init__(self, process: "subprocess.Popen[bytes]", work: Path, cap: int, opened: contextlib.ExitStack) -> None:
        """``opened`` is closed at the end: the folders."""
        assert process.stdout is not None
        self.work = work
        self._process = process
        self._ring = Ring(process.stdout.fileno(), cap)
        self._opened = opened
        self._stop = Stop()
        self._thread = threading.Thread(target=self._watch, name="greenloop-session", daemon=True)
        self._thread.start()

    def __enter__(self) -> "TrustedSession":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def alive(self) -> bool:
        """See ``Session.alive``."""
        # the thread ends when the process has ended and its last output was read
        return self._thread.is_alive()

    def output(self) -> bytes:
        """See ``Session.output``."""
        return self._ring.look()

    def close(self) -> None:
        """End it and remove its copy."""
        self._stop.request()
        self._thread.join()
        self._opened.close()

    def _watch(self) -> None:
        with contextlib.suppress(Cancelled), self._process:
            try:
                _ended(self._process.pid, (self._ring,), math.inf, self._stop)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                self._ring.read_rest()


def _ended(pid: int, streams: Sequence[Stream], deadline: float, stop: Stop | None = None) -> bool:
    """Read the outputs until the process ends by itself; ``False`` when the deadline came first."""
    ended = os.pidfd_open(pid)
    by_fd = {stream.fd: stream for stream in streams}
    try:
        with selectors.DefaultSelector() as selector:
            for fd in (ended, *by_fd, *([stop.fileno()] if stop is not None else [])):
                selector.register(fd, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(None if left == math.inf else left):
                    if key.fd == ended:
                        return True
                    if stop is not None and key.fd == stop.fileno():
                        stop.check()
                    by_fd[key.fd].read_available()
                    if by_fd[key.fd].ended:
                        selector.unregister(key.fd)
        return False
    finally:
        os.close(ended)


def _take_products(products: Sequence[str], before: Path, copy: Path) -> None:
    """Move what the commands so far left under these names into the copy for a fresh command."""
    for product in products:
        _remove(copy / product)
        if os.path.lexists(before / product):
            (before / product).rename(copy / product)


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
