"""What a sandbox is asked and what it answers: the seam between builds and the machine that runs them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from greenloop.builds.stop import Stop

WORK = "/w"
"""Where the tree lies inside every sandbox; compilers print paths below it."""
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp/home",  # noqa: S108 - inside the sandbox, where /tmp is private
    "USER": "build",
    "LOGNAME": "build",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "TERM": "dumb",
    "TMPDIR": "/tmp",  # noqa: S108
}
"""All that a command finds in its environment, unless it brings more itself."""


@dataclass(frozen=True)
class Limits:
    """What one command may use; a run of several commands shares the scratch space."""

    wall_seconds: float = 60.0
    """Wall clock of each command, in seconds, unless the command names its own."""
    memory_mib: int = 4096
    """Address space of each process, in MiB; where cgroups hold, of all processes together as well."""
    output_kib: int = 4096
    """How much of standard output, and of standard error, is kept, in KiB; the rest is read and dropped."""
    scratch_mib: int = 2048
    """All that a run writes, in MiB: changed files, ``/tmp`` and ``/dev/shm``; also the largest single file."""
    processes: int = 512
    """Processes and threads at one time."""


@dataclass(frozen=True)
class Command:
    """One program to run in ``/w``. ``argv[0]`` is looked up on the sandbox's ``PATH``."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the sandbox's own environment, which holds nothing of the caller's."""
    seconds: float | None = None
    """Wall clock of this command; ``None`` takes the limit's."""
    fresh: tuple[str, ...] | None = None
    """``None``: it goes on where the commands before it stopped. Otherwise it starts with an empty ``/tmp`` and
    ``/dev/shm`` and sees the tree as it was laid out, with only these top-level products, such as ``("_build",)``,
    as the commands before it left them."""
    closed: tuple[str, ...] = ()
    """Folders to which a fresh command is not to add anything: see ``Completed.rewritten``."""


@dataclass(frozen=True)
class Completed:
    """How one command ended. None of it can be written by the command, but for its output."""

    exit_status: int | None
    """0 to 255, 128 + n after signal n, ``None`` after a time-out."""
    stdout: bytes
    stderr: bytes
    seconds: float
    """Wall clock, the start of its sandbox included."""
    timed_out: bool
    truncated: bool
    """Some output was dropped: it exceeded ``Limits.output_kib``."""
    started: float = 0.0
    """Seconds of setting up before the command could begin; in the first command of a run, the run's as well."""
    rewritten: tuple[str, ...] = ()
    """Of a fresh command in a real sandbox: the paths that it found and has written or removed, what it has put back
    included, and what it has added to closed folders. Where they are too many the last is an ellipsis."""

    @property
    def ok(self) -> bool:
        """Whether the command ended by itself with exit status 0."""
        return self.exit_status == 0


@dataclass(frozen=True)
class LayerReport:
    """One layer of the sandbox, really tried. ``way_out`` says how to get it where ``ok`` is false.

    A further layer that is not to be had on this machine, and without which the sandbox holds, is ``ok`` but not
    ``present``.
    """

    name: str
    ok: bool
    detail: str
    way_out: str = ""
    present: bool = True


class Session(Protocol):
    """One long-lived command over a throw-away tree, until it is closed; a context manager."""

    @property
    def work(self) -> Path:
        """How the caller reaches the command's ``/w``: to write files, to connect to a socket in it.

        The command owns what lies there: a link in it may lead anywhere on this machine. Follow none.
        """

    def alive(self) -> bool:
        """Whether the command still runs; once it does not, ``output`` is whole."""

    def output(self) -> bytes:
        """The last of what it printed so far, both outputs together, at most ``Limits.output_kib``."""

    def close(self) -> None:
        """End it and leave nothing behind. May be called again."""

    def __enter__(self) -> "Session": ...

    def __exit__(self, *exception: object) -> None: ...


class Sandbox(Protocol):
    """Runs commands over a tree without letting them change it, or anything else."""

    @property
    def sandboxed(self) -> bool:
        """Whether untrusted code may run here; goes into every verdict."""

    def fingerprint(self) -> str:
        """What of this sandbox can change a verdict, as a short stable text; holds no path of this run."""

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
        """Run the commands one after another over ``lower`` as changed by ``delta`` and ``deletions``.

        They see ``lower`` at ``/w``, with the files below ``delta`` laid over it and the relative paths
        ``deletions`` gone; what they write there is seen by the later ones and then thrown away. ``lower``
        must not change meanwhile. The files of ``delta`` belong to the sandbox: their mtimes are set to now,
        so that a build system sees them as changed. A path in both is kept.

        Returns one ``Completed`` for each command that ran; stops after the first that does not exit with 0,
        unless ``keep_going``. Raises ``InfrastructureError`` when the sandbox itself failed, ``Cancelled`` when
        ``stop`` asked for the end: all is killed and cleared away by then.
        """

    def run_in(
        self, folder: Path, commands: Sequence[Command], keep_going: bool = False, stop: Stop | None = None
    ) -> tuple[Completed, ...]:
        """The same with ``folder`` itself at ``/w``, written for good: only for Greenloop's own copies.

        No command may be ``fresh`` here: ``ValueError``.
        """

    def open(self, lower: Path, command: Command) -> Session:
        """Start ``command`` over ``lower`` and leave it running; its wall clock is not limited.

        ``lower`` must not change until the session is closed. Raises ``InfrastructureError`` when it cannot start.
        """


def refuse_fresh(commands: Sequence[Command]) -> None:
    """Raise ``ValueError`` for a fresh command where there is no layer to put away."""
    if any(command.fresh is not None for command in commands):
        raise ValueError("a fresh command needs a tree that is laid out over another")


def check_command(command: Command) -> None:
    """Raise ``ValueError`` for words that no program can be given, and for products that are no names."""
    if not command.argv or any("\0" in word for word in command.argv):
        raise ValueError(f"not a command: {command.argv!r}")
    check_environment(command.env)
    for product in command.fresh or ():
        if product in {"", ".", ".."} or "/" in product or "\0" in product:
            raise ValueError(f"not the name of a product: {product!r}")


def check_environment(environment: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for what is no environment variable, such as a smuggled option."""
    for name, value in environment.items():
        if "\0" in name + value or "=" in name or not name:
            raise ValueError(f"not an environment variable: {name!r}")
