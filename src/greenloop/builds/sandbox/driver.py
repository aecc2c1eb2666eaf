"""One run of the driver: the small shell script that sets the stage outside the commands' reach, and its watcher.

The driver lives in user and mount namespaces of its own (``unshare -Urm``), mounts a size-limited tmpfs and the
overlay, and starts each command in its own bubblewrap when told to. It is handed numbers and flags only: all
names that a caller chose reach it as links in the run's folder, as bubblewrap's argument files, or as positional
parameters that are never read as shell text. One socket, unseen by the commands, is its life line: the driver says
``ready`` and ``end``, bubblewrap writes its status documents to it, and we say which command comes next.
"""

import contextlib
import json
import math
import os
import resource
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from greenloop.builds.sandbox.advice import advise
from greenloop.builds.sandbox.policy import Command, Completed, Limits
from greenloop.builds.sandbox.streams import Ring, Stream
from greenloop.builds.stop import Stop
from greenloop.records import InfrastructureError

TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the driver's own tools are looked for."""

_ETC = (
    "build:x:1000:1000:build:/tmp/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "build:x:1000:\nnogroup:x:65534:\n",
    "127.0.0.1 localhost\n::1 localhost\n",
)
"""``/etc/passwd``, ``group`` and ``hosts`` as every command sees them."""
_START = ("unshare", "-Urm", "--", "setpriv", "--pdeathsig", "KILL")
"""Root of namespaces of its own; dies with the thread that waits for it, should Greenloop be killed."""
_SCRIPT = r"""
set -eu
umask 022
exec 3<&0 </dev/null
options=$1 layers=$2 bwrap=$3
passwd=$4 group=$5 hosts=$6
shift 6
mount -t tmpfs -o "$options" tmpfs t
mkdir t/up t/work t/tmp t/tmp/home t/shm
printf %s "$passwd" >t/passwd
printf %s "$group" >t/group
printf %s "$hosts" >t/hosts
if [ -n "$layers" ]; then
  mount -t overlay -o "userxattr,lowerdir=$layers,upperdir=t/up,workdir=t/work" overlay w
else
  mount --bind lower w
fi
echo ready >&3
while read -r number first last <&3; do
  words=
  while [ "$first" -le "$last" ]; do
    words="$words \"\${$first}\""
    first=$((first + 1))
  done
  eval "\"\$bwrap\" --args 5 --seccomp 6 --json-status-fd 3 -- $words" 5<"args.$number" \
    6<seccomp 7<t/passwd 8<t/group 9<t/hosts || :
  echo end >&3
done
"""

_GRACE = 20.0
"""Seconds that setting up or tearing down may take beyond a command's own time before it counts as broken."""
_STACK = 8 << 20
"""Bytes of stack that a process starts with, whatever the caller's own: an overflow must not depend on it."""
_CHUNK = 1 << 16


class Driver:
    """A context manager around one driver process; ``run`` starts one of its commands and waits for its end."""

    def __init__(
        self,
        folder: Path,
        *,
        layers: str,
        bwrap: str,
        argvs: Sequence[Sequence[str]],
        limits: Limits,
        place: Callable[[int], None],
        stop: Stop | None = None,
        ring: bool = False,
    ) -> None:
        """Start the driver in ``folder``, which holds ``t``, ``w``, the layers' links, ``args.N`` and ``seccomp``.

        ``place`` puts a process under the run's control groups. ``ring`` keeps the last of the outputs together,
        not the first of each.
        """
        self._stop = stop
        self._ring = ring
        self._begun = time.monotonic()
        self._limits = limits
        self._argvs = argvs
        self._place = place
        scratch = limits.scratch_mib << 20
        options = f"size={scratch},nr_inodes={max(1024, scratch >> 12)},mode=0755,nosuid,nodev"
        words = [word for argv in argvs for word in argv]
        self._argv = [*_START, "/bin/sh", "-c", _SCRIPT, "greenloop-sandbox", options, layers, bwrap, *_ETC, *words]
        self._folder = folder
        self._lines: list[str] = []
        self._partial = b""
        self._open = contextlib.ExitStack()

    def __enter__(self) -> "Driver":
        """Start it, put it under its limits, and wait until the stage is set."""
        with contextlib.ExitStack() as opened:
            self._start(opened)
            with contextlib.suppress(ProcessLookupError):  # it failed at once: we are told why below
                self._place(self._process.pid)  # early, since moving takes milliseconds, in which the driver sets up
            self._await_line("ready", time.monotonic() + _GRACE)
            self._bound()
            self._open = opened.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """End the driver (its commands, their namespaces and mounts go with it) and give all files back."""
        self._open.close()

    def _start(self, opened: contextlib.ExitStack) -> None:
        """Start the driver's process; what is ``opened`` is closed in the opposite order, the process early."""
        with contextlib.ExitStack() as theirs:
            ends = []
            for _ in range(2):
                reading, writing = os.pipe()
                opened.callback(os.close, reading)
                theirs.callback(os.close, writing)
                ends.append((reading, writing))
            cap = self._limits.output_kib << 10
            self.ring = Ring(ends[0][0], cap)
            self._out = self.ring if self._ring else Stream(ends[0][0], cap)
            self._err = Stream(ends[1][0], cap)
            self._socket, their_socket = socket.socketpair()
            opened.enter_context(self._socket)
            theirs.enter_context(their_socket)
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._folder,
                env={"PATH": TOOL_PATH, "LC_ALL": "C"},
                stdin=their_socket.fileno(),
                stdout=ends[0][1],
                stderr=ends[int(not self._ring)][1],
                start_new_session=True,
            )
        opened.callback(self._end)
        self._socket.setblocking(False)
        self._selector = opened.enter_context(selectors.DefaultSelector())
        for fd in (self._socket.fileno(), self._out.fd, self._err.fd):
            self._selector.register(fd, selectors.EVENT_READ)
        if self._stop is not None:
            self._selector.register(self._stop.fileno(), selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        """The driver's process; its current folder is the run's, with the tree at ``w``."""
        return self._process.pid

    def _end(self) -> None:
        """Close the life line, upon which the driver ends by itself; or else by force."""
        self._socket.close()
        try:
            self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def run(
        self, number: int, command: Command, *, endless: bool = False, tell: Callable[[], None] = lambda: None
    ) -> Completed:
        """Run command ``number`` of those given at the start and wait until no process of it is left.

        ``endless``: without wall clock. ``tell`` is called once it is on its way.
        """
        start = time.monotonic()
        first = 1 + sum(len(argv) for argv in self._argvs[:number])
        last = first + len(self._argvs[number]) - 1
        self._socket.sendall(f"{number} {first} {last}\n".encode())
        status = json.loads(self._await_line("{", start + _GRACE))
        pid = int(status["child-pid"])
        seconds = self._limits.wall_seconds if command.seconds is None else command.seconds
        started = time.monotonic() - (start if number else self._begun)
        tell()
        timed_out = False
        exit_status: int | None = None
        with _process(pid) as handle:
            deadline = math.inf if endless else start + seconds
            while True:
                line = self._next_line(deadline)
                if line is None:
                    if timed_out:
                        raise InfrastructureError("the sandbox did not end after its time-out")
                    timed_out, deadline = True, time.monotonic() + _GRACE
                    handle.kill()
                elif line == "end":
                    break
                else:
                    exit_status = int(json.loads(line)["exit-code"])
            handle.wait_until_gone(time.monotonic() + _GRACE)
        elapsed = time.monotonic() - start
        for stream in (self._out, self._err):
            stream.read_rest()
        (stdout, out_dropped), (stderr, err_dropped) = self._out.take(), self._err.take()
        if exit_status is None and not timed_out:
            raise _failure(command, stderr)
        return Completed(
            exit_status=None if timed_out else exit_status,
            stdout=stdout,
            stderr=stderr,
            seconds=elapsed,
            timed_out=timed_out,
            truncated=out_dropped or err_dropped,
            started=started,
        )

    def _bound(self) -> None:
        """Limit the driver and so all that it starts. Not before it is in its namespace: see RLIMIT_NPROC there."""
        limits, pid = self._limits, self._process.pid
        for kind, value in (
            (resource.RLIMIT_AS, limits.memory_mib << 20),
            (resource.RLIMIT_FSIZE, limits.scratch_mib << 20),
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_NOFILE, 4096),
            (resource.RLIMIT_NPROC, limits.processes),
        ):
            _, hard = resource.prlimit(pid, kind)
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.prlimit(pid, kind, (bound, bound))
        _, hard = resource.prlimit(pid, resource.RLIMIT_STACK)
        stack = _STACK if hard == resource.RLIM_INFINITY else min(_STACK, hard)
        resource.prlimit(pid, resource.RLIMIT_STACK, (stack, hard))  # may be raised, as some OCaml tests do

    def _next_line(self, deadline: float) -> str | None:
        """Return the next line of the control socket, reading the outputs meanwhile; ``None`` at the deadline."""
        while not self._lines:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            for key, _ in self._selector.select(None if left == math.inf else left):
                if self._stop is not None and key.fd == self._stop.fileno():
                    self._stop.check()
                elif key.fd == self._socket.fileno():
                    self._read_control()
                else:
                    self._read_output(key.fd)
        return self._lines.pop(0)

    def _read_control(self) -> None:
        """Split what the driver and bubblewrap say into lines; their silence is a failure of the sandbox."""
        data = self._socket.recv(_CHUNK)
        if not data:
            self._err.read_rest()
            said = self._err.tail()
            raise InfrastructureError(f"the sandbox could not be set up: {said or 'its driver ended'}", advise(said))
        *lines, self._partial = (self._partial + data).split(b"\n")
        self._lines += [line.decode("ascii").strip() for line in lines]

    def _await_line(self, start: str, deadline: float) -> str:
        """Return the next line, which must begin with ``start``."""
        line = self._next_line(deadline)
        if line is None or not line.startswith(start):
            said = self._err.tail()
            raise InfrastructureError(f"the sandbox did not start: {said or line or 'no answer'}", advise(said))
        return line

    def _read_output(self, fd: int) -> None:
        stream = self._out if fd == self._out.fd else self._err
        stream.read_available()
        if stream.ended:
            self._selector.unregister(fd)


class _process:  # noqa: N801 - used as a function
    """A handle on the first process of a command's pid namespace, which takes all others with it."""

    def __init__(self, pid: int) -> None:
        try:
            self._fd: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._fd = None  # it is gone already

    def __enter__(self) -> "_process":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Leave nothing running behind, should the caller have been interrupted."""
        if self._fd is None:
            return
        try:
            if kind is not None:
                self.kill()
                self.wait_until_gone(time.monotonic() + _GRACE)
        finally:
            os.close(self._fd)

    def kill(self) -> None:
        """End the whole namespace."""
        if self._fd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._fd, signal.SIGKILL)

    def wait_until_gone(self, deadline: float) -> None:
        """Wait for the end of the namespace: the kernel tells of its first process when all others are gone."""
        if self._fd is None:
            return
        with selectors.DefaultSelector() as selector:
            selector.register(self._fd, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise InfrastructureError("processes of a sandboxed command did not end")


def _failure(command: Command, stderr: bytes) -> InfrastructureError:
    """Say why bubblewrap ended without having run the command."""
    said = stderr[-2000:].decode("utf-8", "replace").strip()
    return InfrastructureError(
        f"the sandbox could not run {command.argv[0]!r}: {said or 'no reason given'}", advise(said)
    )
