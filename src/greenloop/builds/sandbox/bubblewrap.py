"""The real sandbox: a throw-away overlay, bubblewrap, a system-call filter and limits."""

import copy
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from greenloop.builds import images
from greenloop.builds.sandbox import cgroup, landlock, seccomp
from greenloop.builds.sandbox.advice import advise
from greenloop.builds.sandbox.driver import Driver, Stage
from greenloop.builds.sandbox.launcher import TOOL_PATH, Launcher
from greenloop.builds.sandbox.layout import freshen, hidden
from greenloop.builds.sandbox.policy import (
    ENVIRONMENT,
    WORK,
    Command,
    Completed,
    Limits,
    check_command,
    check_environment,
    refuse_fresh,
)
from greenloop.builds.sandbox.session import DriverSession
from greenloop.builds.stop import Stop
from greenloop.records import InfrastructureError

_POLICY = 2
"""Raised whenever a change here could change a verdict."""
_HOST_PATHS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""What a toolchain is made of. Never all of /etc, and nothing of /var, /home, /root, /opt, /run, /srv or /sys."""
_HOST_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ocamlfind.conf")
"""The loader's cache, Debian's command alternatives, and where findlib looks for OCaml's libraries."""


class Bubblewrap:
    """Runs each command in its own ``bwrap``; see the package's invariants. Safe to use from several threads."""

    sandboxed = True

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        read_only: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        scratch: Path | None = None,  # noqa: ARG002 - see below
        root: Path | None = None,
        spare: int = 0,
    ) -> None:
        """Make a sandbox.

        ``read_only``: further folders or files that commands may read, at the same path as outside, such as a
        virtual environment or an opam switch. ``environment``: added to ``ENVIRONMENT``. ``scratch`` is not
        needed (nothing of a run lies on a disk) and taken so that all sandboxes are made alike. ``root``: a root
        file system, such as a toolchain image, from which ``/usr``, ``/bin``, ``/lib`` and the like are taken
        instead of this machine's. ``spare``: how many drivers wait in advance, each for one run; they cost some
        2 MiB each until ``close``, or until nobody holds the sandbox any more.

        Raises ``InfrastructureError`` where a layer of the sandbox is not to be had at all.
        """
        self._limits = limits or Limits()
        self._read_only = tuple(read_only)
        self._environment = ENVIRONMENT | dict(environment or {})
        check_environment(self._environment)
        self._root = root
        program = seccomp.program()
        if program is None:
            raise InfrastructureError("the sandbox has no system-call filter for this processor")
        self._seccomp = program
        self._landlock = landlock.prefix(root)
        groups = cgroup.find()
        if os.geteuid() == 0 and not groups:
            raise InfrastructureError(
                "the sandbox cannot limit processes of root: no control group for memory and pids can be made here",
                "run Greenloop as a plain user",
            )
        cgroup.sweep(groups)
        self._launcher = Launcher(
            bwrap=_tool("bwrap", "apt-get install bubblewrap"),
            options=tuple(_root_arguments(self._read_only, root, self._environment)),
            seccomp=program,
            groups=groups,
            spare=spare,
        )
        if spare:
            with _faults():
                self._launcher.refill()

    def fingerprint(self) -> str:
        """Hash the policy: limits, environment, further folders, system-call filter."""
        policy = {
            "policy": _POLICY,
            "limits": vars(self._limits),
            "environment": self._environment,
            "read_only": [str(path) for path in self._read_only],
            "root": "" if self._root is None else images.identity(self._root),
            "seccomp": self._seccomp.hex(),
            "landlock": self._landlock,
        }
        text = json.dumps(policy, sort_keys=True)
        return f"bubblewrap-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

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
        """See ``Sandbox.run_over``. The delta and the deletions are read-only layers above ``lower``.

        As layers they never pass through a link that a hostile build left in ``lower``, as a copy could.
        """
        with _faults():
            _demand_own(lower)
            if delta is not None:
                _demand_own(delta)
                freshen(delta)
            gone = ["/".join(parts) for parts in sorted(hidden(lower, delta, deletions))] if deletions else []
            return self._run(Stage(lower, over=True, delta=delta, gone=gone), commands, keep_going, stop)

    def run_in(
        self, folder: Path, commands: Sequence[Command], keep_going: bool = False, stop: Stop | None = None
    ) -> tuple[Completed, ...]:
        """See ``Sandbox.run_in``."""
        refuse_fresh(commands)
        with _faults():
            _demand_own(folder)
            return self._run(Stage(folder, over=False), commands, keep_going, stop)

    def open(self, lower: Path, command: Command) -> DriverSession:
        """See ``Sandbox.open``."""
        command = self._guarded(command)

        @contextmanager
        def driven(stop: Stop) -> Iterator[Driver]:
            with _faults():
                _demand_own(lower)
                with Driver(self._launcher, Stage(lower, over=True), self._limits, stop=stop, ring=True) as driver:
                    yield driver

        return DriverSession(driven, command)

    @property
    def limits(self) -> Limits:
        """What one command may use."""
        return self._limits

    def limited(self, limits: Limits) -> "Bubblewrap":
        """Return the same sandbox with other limits. It shares what waits in advance, and its end."""
        other = copy.copy(self)
        other._limits = limits
        return other

    def close(self) -> None:
        """End the helper process and what waits in advance. May be called again; a later run starts anew."""
        self._launcher.close()

    def _guarded(self, command: Command) -> Command:
        """Return the command as it is run: behind Landlock, where that is to be had.

        Then it is setpriv that looks for the program, and its exit status could be the program's own, so what is
        nowhere to be found is told here.
        """
        check_command(command)
        if not self._landlock:
            return command
        path = (self._environment | dict(command.env))["PATH"]
        if not any(self._may_be_there(name) for name in _places(command.argv[0], path)):
            raise InfrastructureError(
                f"the sandbox could not run {command.argv[0]!r}: no such program", advise("execvp")
            )
        return replace(command, argv=(*self._landlock, *command.argv))

    def _may_be_there(self, path: str) -> bool:
        """Whether a path inside the sandbox exists; what a run brings itself may."""
        if any(path.startswith(f"{top}/") for top in _HOST_PATHS):
            return os.path.lexists((self._root or Path("/")) / path[1:])
        return path.startswith((f"{WORK}/", "/tmp/")) or os.path.lexists(path)  # noqa: S108

    def _run(
        self, stage: Stage, commands: Sequence[Command], keep_going: bool, stop: Stop | None
    ) -> tuple[Completed, ...]:
        commands = [self._guarded(command) for command in commands]
        if stop is not None:
            stop.check()
        results: list[Completed] = []
        with Driver(self._launcher, stage, self._limits, stop=stop) as driver:
            for command in commands:
                results.append(driver.run(command))
                if not (results[-1].ok or keep_going):
                    break
        return tuple(results)


def _places(program: str, path: str) -> Iterator[str]:
    """Yield where a program is looked for."""
    if "/" in program:
        yield program if program.startswith("/") else f"{WORK}/{program}"
    else:
        yield from (f"{folder}/{program}" for folder in path.split(":"))


def _tool(name: str, way_out: str) -> str:
    """Return where a tool of the sandbox is."""
    found = shutil.which(name, path=TOOL_PATH)
    if found is None:
        raise InfrastructureError(f"the sandbox needs {name}, which is not installed", way_out)
    return found


def _demand_own(folder: Path) -> None:
    """Refuse a tree of somebody else: in the sandbox it could not be written, and a build would look red."""
    owner = folder.stat().st_uid
    if owner != os.geteuid():
        raise InfrastructureError(
            f"the tree {folder} belongs to uid {owner}, the sandbox runs as {os.geteuid()}", advise("Value too large")
        )


@contextmanager
def _faults() -> Iterator[None]:
    """What the machine refuses while a run is prepared or cleared away says nothing about the code."""
    try:
        yield
    except OSError as error:
        raise InfrastructureError(f"the sandbox could not do its work: {error}", advise(str(error))) from error


def _root_arguments(read_only: Sequence[Path], root: Path | None, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield bubblewrap's options for all that does not change from command to command.

    Relative paths are those of the driver: what it mounted for the run.
    """
    outer = (root or Path("/")).absolute()
    yield from ("--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL")
    yield from ("--uid", "1000", "--gid", "1000", "--hostname", "greenloop")
    for path in _HOST_PATHS:
        outside = outer / path[1:]
        if outside.is_symlink():
            yield from ("--symlink", str(outside.readlink()), path)
        elif outside.is_dir():
            yield from ("--ro-bind", str(outside), path)
    for path in (f"/etc/{name}" for name in _HOST_ETC):
        outside = outer / path[1:]
        if outside.exists():
            yield from ("--ro-bind", str(outside), path)
    yield from ("--file", "7", "/etc/passwd", "--file", "8", "/etc/group", "--file", "9", "/etc/hosts")
    # All of /proc is made read-only: with the kernel's root behind our uid its /proc/sys would be writable.
    yield from ("--proc", "/proc", "--remount-ro", "/proc")
    yield from ("--dev", "/dev", "--bind", "shm", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108
    yield from ("--bind", "tmp", "/tmp")  # noqa: S108
    for extra in read_only:
        yield from ("--ro-bind", str(extra), str(extra))
    yield from ("--bind", "w", WORK, "--remount-ro", "/", "--chdir", WORK)
    for name in sorted(environment):
        yield from ("--setenv", name, environment[name])
