"""The real sandbox: a throw-away overlay, bubblewrap, a system-call filter and limits."""

import copy
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from greenloop.builds import images
from greenloop.builds.sandbox import cgroup, seccomp
from greenloop.builds.sandbox.advice import advise
from greenloop.builds.sandbox.driver import TOOL_PATH, Driver
from greenloop.builds.sandbox.layout import freshen, write_whiteouts
from greenloop.builds.sandbox.policy import ENVIRONMENT, WORK, Command, Completed, Limits
from greenloop.builds.sandbox.session import DriverSession
from greenloop.builds.stop import Stop
from greenloop.records import InfrastructureError

_POLICY = 1
"""Raised whenever a change here could change a verdict."""
_HOST_PATHS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""What a toolchain is made of. Never all of /etc, and nothing of /var, /home, /root, /opt, /run, /srv or /sys."""
_HOST_ETC = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ocamlfind.conf")
"""The loader's cache, Debian's command alternatives, and where findlib looks for OCaml's libraries."""


_RUN = "greenloop-run-"
"""How the folders of runs begin; the number of the process that made it follows."""


class Bubblewrap:
    """Runs each command in its own ``bwrap``; see the package's invariants. Safe to use from several threads."""

    sandboxed = True

    def __init__(
        self,
        *,
        limits: Limits | None = None,
        read_only: Sequence[Path] = (),
        environment: Mapping[str, str] | None = None,
        scratch: Path | None = None,
        root: Path | None = None,
        spare: int = 0,
    ) -> None:
        """Make a sandbox.

        ``read_only``: further folders or files that commands may read, at the same path as outside, such as a
        virtual environment or an opam switch. ``environment``: added to ``ENVIRONMENT``. ``scratch``: where the
        folder of each run is made (some KiB, mount points mostly); the system's own place by default. ``root``: a
        root file system, such as a toolchain image, from which ``/usr``, ``/bin``, ``/lib`` and the like are taken
        instead of this machine's. ``spare``: how many runs are prepared in advance.

        Raises ``InfrastructureError`` where a layer of the sandbox is not to be had at all.
        """
        self._limits = limits or Limits()
        self._read_only = tuple(read_only)
        self._environment = ENVIRONMENT | dict(environment or {})
        self._scratch = scratch
        self._root = root
        self._spare = spare
        self._bwrap = _tool("bwrap", "apt-get install bubblewrap")
        for tool in ("unshare", "setpriv", "mount"):
            _tool(tool, "apt-get install util-linux mount")
        program = seccomp.program()
        if program is None:
            raise InfrastructureError("the sandbox has no system-call filter for this processor")
        self._seccomp = program
        self._groups = cgroup.find()
        if os.geteuid() == 0 and not self._groups:
            raise InfrastructureError(
                "the sandbox cannot limit processes of root: no control group for memory and pids can be made here",
                "run Greenloop as a plain user",
            )
        cgroup.sweep(self._groups)
        _sweep(Path(scratch or tempfile.gettempdir()))
        self._arguments = tuple(_root_arguments(self._read_only, root))

    def fingerprint(self) -> str:
        """Hash the policy: limits, environment, further folders, system-call filter."""
        policy = {
            "policy": _POLICY,
            "limits": vars(self._limits),
            "environment": self._environment,
            "read_only": [str(path) for path in self._read_only],
            "root": "" if self._root is None else images.identity(self._root),
            "seccomp": self._seccomp.hex(),
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
        with _faults(), self._run_folder() as folder:
            (folder / "lower").symlink_to(lower.absolute())
            _demand_own(lower)
            layers = ["lower"]
            if deletions:
                (folder / "gone").mkdir()
                if write_whiteouts(folder / "gone", lower, delta, deletions):
                    layers.insert(0, "gone")
            if delta is not None:
                _demand_own(delta)
                freshen(delta)
                (folder / "delta").symlink_to(delta.absolute())
                layers.insert(0, "delta")
            return self._run(folder, ":".join(layers), commands, keep_going, stop)

    def run_in(
        self, folder: Path, commands: Sequence[Command], keep_going: bool = False, stop: Stop | None = None
    ) -> tuple[Completed, ...]:
        """See ``Sandbox.run_in``."""
        with _faults(), self._run_folder() as run_folder:
            (run_folder / "lower").symlink_to(folder.absolute())
            _demand_own(folder)
            return self._run(run_folder, "", commands, keep_going, stop)

    def open(self, lower: Path, command: Command) -> DriverSession:
        """See ``Sandbox.open``."""

        @contextmanager
        def driven(stop: Stop) -> Iterator[Driver]:
            with _faults(), self._run_folder() as folder:
                (folder / "lower").symlink_to(lower.absolute())
                _demand_own(lower)
                with self._driver(folder, "lower", (command,), stop, ring=True) as driver:
                    yield driver

        return DriverSession(driven, command)

    @property
    def limits(self) -> Limits:
        """What one command may use."""
        return self._limits

    def limited(self, limits: Limits) -> "Bubblewrap":
        """Return the same sandbox with other limits."""
        other = copy.copy(self)
        other._limits = limits
        return other

    def close(self) -> None:
        """End what was prepared in advance. May be called again."""

    @contextmanager
    def _run_folder(self) -> Iterator[Path]:
        """A folder for one run: mount points and files to hand over. What is mounted in it is never seen here."""
        folder = Path(tempfile.mkdtemp(prefix=f"{_RUN}{os.getpid()}-", dir=self._scratch))
        try:
            for name in ("t", "w"):
                (folder / name).mkdir()
            (folder / "seccomp").write_bytes(self._seccomp)
            yield folder
        finally:
            shutil.rmtree(folder)

    def _run(
        self, folder: Path, layers: str, commands: Sequence[Command], keep_going: bool, stop: Stop | None
    ) -> tuple[Completed, ...]:
        if any(command.fresh is not None for command in commands):
            raise ValueError("a fresh command is not to be had yet")
        if stop is not None:
            stop.check()
        results: list[Completed] = []
        with self._driver(folder, layers, commands, stop) as driver:
            for number, command in enumerate(commands):
                results.append(driver.run(number, command))
                if not (results[-1].ok or keep_going):
                    break
        return tuple(results)

    @contextmanager
    def _driver(
        self, folder: Path, layers: str, commands: Sequence[Command], stop: Stop | None, *, ring: bool = False
    ) -> Iterator[Driver]:
        for number, command in enumerate(commands):
            _write_arguments(folder / f"args.{number}", self._arguments, self._environment | dict(command.env))
        memory = (self._limits.memory_mib + self._limits.scratch_mib) << 20
        # Besides the commands' own processes a group holds the driver, bubblewrap and its two helpers.
        with (
            cgroup.group(self._groups, memory_bytes=memory, processes=self._limits.processes + 4) as groups,
            Driver(
                folder,
                layers=layers,
                bwrap=self._bwrap,
                argvs=[command.argv for command in commands],
                limits=self._limits,
                place=lambda pid: cgroup.enter(groups, pid),
                stop=stop,
                ring=ring,
            ) as driver,
        ):
            yield driver


def _tool(name: str, way_out: str) -> str:
    """Return where a tool of the sandbox is."""
    found = shutil.which(name, path=TOOL_PATH)
    if found is None:
        raise InfrastructureError(f"the sandbox needs {name}, which is not installed", way_out)
    return found


def _sweep(scratch: Path) -> None:
    """Remove the run folders that a killed Greenloop of this user left behind."""
    for folder in scratch.glob(f"{_RUN}*-*"):
        pid = folder.name.removeprefix(_RUN).split("-")[0]
        with suppress(FileNotFoundError):  # swept by another one just now
            if not Path("/proc", pid).exists() and folder.stat().st_uid == os.geteuid():
                shutil.rmtree(folder)


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


def _root_arguments(read_only: Sequence[Path], root: Path | None) -> Iterator[str]:
    """Yield bubblewrap's options for all that does not change from command to command."""
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
    yield from ("--dev", "/dev", "--bind", "t/shm", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108
    yield from ("--bind", "t/tmp", "/tmp")  # noqa: S108
    for extra in read_only:
        yield from ("--ro-bind", str(extra), str(extra))
    yield from ("--bind", "w", WORK, "--remount-ro", "/", "--chdir", WORK)


def _write_arguments(path: Path, root: Sequence[str], environment: Mapping[str, str]) -> None:
    """Write options for ``bwrap --args``: separated by NUL, so that no other byte means anything."""
    for name, value in environment.items():
        if "\0" in name + value or "=" in name or not name:
            raise ValueError(f"not an environment variable: {name!r}")
    variables = [word for name in sorted(environment) for word in ("--setenv", name, environment[name])]
    path.write_bytes(b"".join(os.fsencode(word) + b"\0" for word in (*root, *variables)))
