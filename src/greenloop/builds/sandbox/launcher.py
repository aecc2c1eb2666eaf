"""Starting drivers: the owner's side of the fork server, and the drivers that wait in advance for a run.

A driver serves one run and ends with it. One that waits has its namespaces, its control group and at most a bubblewrap
that waits as well, but no tree and no command's process, so nothing can pass from one run to another. See
``forkserver``.
"""

import collections
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from greenloop.builds.sandbox import cgroup, forkserver
from greenloop.records import InfrastructureError

TOOL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where the sandbox's own tools are looked for."""
_ETC = (
    "build:x:1000:1000:build:/tmp/home:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "build:x:1000:\nnogroup:x:65534:\n",
    "127.0.0.1 localhost\n::1 localhost\n",
)
"""``/etc/passwd``, ``group`` and ``hosts`` as every command sees them."""
_PATIENCE = 5.0
"""Seconds in which a driver, or the server, ends by itself before it is killed."""


class Line:
    """The owner's end of one driver: its life line, the reading ends of its outputs, its control group."""

    def __init__(
        self,
        life: socket.socket,
        out: int,
        err: int,
        group: cgroup.Group,
        *,
        entered: bool,
        expected: Mapping[str, object] | None,
    ) -> None:
        """``entered``: it goes to its group by itself. ``expected``: the limits that it has, the command to come."""
        self._entered = entered
        self.expected = expected
        self.life = life
        self.out = out
        self.err = err
        self.group = group
        self.pid = 0
        self._handle: int | None = None

    def dead(self) -> bool:
        """Whether the driver has ended already."""
        poll = select.poll()
        poll.register(self.life, select.POLLRDHUP)
        return bool(poll.poll(0))

    def known(self, pid: int) -> None:
        """Note the driver's process, as it says itself while it waits for us."""
        self.pid = pid
        with contextlib.suppress(ProcessLookupError):  # ended just now, which its silence will tell
            self._handle = os.pidfd_open(pid)
            if not self._entered:
                # Takes milliseconds, the kernel's; meanwhile the driver makes its namespaces and lays the tree.
                self.group.enter(pid)

    def close(self) -> None:
        """End the driver, wait until it and all that it started are gone, and give everything back.

        Raises ``OSError`` when its control group is in use all the same.
        """
        with contextlib.ExitStack() as last:
            last.callback(self.group.remove)
            for fd in (self.out, self.err):
                last.callback(os.close, fd)
            dead = self.dead()
            self.life.close()
            if self._handle is None:
                if not dead:
                    self._await_silence()
                return
            last.callback(os.close, self._handle)
            if not _readable(self._handle, _PATIENCE):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._handle, signal.SIGKILL)
                _readable(self._handle, _PATIENCE)

    def _await_silence(self) -> None:
        """Wait for the end of a driver that we were not told the process of: nobody holds its outputs any more."""
        while _readable(self.out, _PATIENCE) and os.read(self.out, 1 << 16):
            pass


@dataclass
class _Server:
    """The running server of one process of ours, and the drivers that wait."""

    owner: int
    process: "subprocess.Popen[bytes]"
    control: socket.socket
    waiting: "collections.deque[Line]" = field(default_factory=collections.deque)

    def close(self) -> None:
        """End it and what waits; in a fork of its owner just let go of our copies."""
        for line in self.waiting:
            if self.owner == os.getpid():
                line.close()
            else:
                line.life.close()
                os.close(line.out)
                os.close(line.err)
        self.waiting.clear()
        if self.owner == os.getpid():
            with contextlib.suppress(OSError):  # it is gone already
                self.control.send(b"close")
            try:
                self.process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        else:
            self.process.returncode = 0  # not our child: never waited for
        self.control.close()


class Launcher:
    """Hands out drivers. Safe to use from several threads, and after a fork."""

    def __init__(
        self,
        *,
        bwrap: str,
        options: Sequence[str],
        seccomp: bytes,
        groups: tuple[cgroup.Hierarchy, ...],
        spare: int,
    ) -> None:
        """``options``: bubblewrap's, for every command. ``spare``: how many drivers wait in advance."""
        self._settings = {
            "bwrap": bwrap,
            "options": list(options),
            "seccomp": seccomp.hex(),
            "etc": _ETC,
            "groups": [str(group.folder) for group in groups],
        }
        self._groups = groups
        self._spare = spare
        self._latest: Mapping[str, object] | None = None
        self._lock = threading.Lock()
        self._servers: list[_Server] = []  # at most one; a list, so that the finalizer can see it
        weakref.finalize(self, _close, self._servers)

    def take(self, limits: Mapping[str, object]) -> Line:
        """Return a driver that waits and has these limits, or may still take them on; or one that begins just now."""
        with self._lock:
            server = self._server()
            while server.waiting:
                line = server.waiting.popleft()
                fits = line.expected is None or all(line.expected[name] == value for name, value in limits.items())
                if fits and not line.dead():
                    return line
                line.close()
            try:
                return self._start(server)
            except (BrokenPipeError, ConnectionResetError):  # it was killed just now
                _close(self._servers)
                return self._start(self._server())

    def refill(self, latest: Mapping[str, object] | None = None) -> None:
        """Start drivers until as many wait as were asked for.

        ``latest``: the limits and the first command of the latest run. Two runs in a row that are alike let expect
        a third.
        """
        if not self._spare:
            return
        with self._lock:
            server = self._server()
            # Only with groups: by them a bubblewrap that waits is found should the server be killed at a bad moment.
            expected = latest if latest == self._latest and self._groups else None
            self._latest = latest
            while len(server.waiting) < self._spare:
                server.waiting.append(self._start(server, waits=True, expected=expected))

    def close(self) -> None:
        """End the server and all that waits. The next ``take`` starts another."""
        with self._lock:
            _close(self._servers)

    def _server(self) -> _Server:
        """Return the server of this process, started when there is none that lives."""
        if self._servers:
            server = self._servers[0]
            if server.owner == os.getpid() and server.process.poll() is None:
                return server
            _close(self._servers)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        argv = [_python(), "-I", "-S", "-X", "utf8", str(Path(forkserver.__file__))]
        with theirs:
            try:
                process = subprocess.Popen(
                    [*argv, json.dumps({**self._settings, "owner": os.getpid(), "name": cgroup.owner()})],
                    cwd="/",
                    env={"PATH": TOOL_PATH, "LC_ALL": "C"},
                    stdin=theirs.fileno(),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError as error:
                ours.close()
                raise InfrastructureError(f"the sandbox could not start its helper: {error}") from error
        self._servers.append(_Server(os.getpid(), process, ours))
        return self._servers[0]

    def _start(self, server: _Server, *, waits: bool = False, expected: Mapping[str, object] | None = None) -> Line:
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as theirs:
            group = cgroup.Group(self._groups)
            undo.callback(group.remove)
            life, their_life = socket.socketpair()
            undo.callback(life.close)
            theirs.callback(their_life.close)
            fds = [their_life.fileno()]
            reading = []
            for _ in range(2):
                ours, written = os.pipe()
                undo.callback(os.close, ours)
                theirs.callback(os.close, written)
                reading.append(ours)
                fds.append(written)
            request = {"groups": [str(folder) for folder in group.folders if waits], "expected": expected}
            socket.send_fds(server.control, [json.dumps(request).encode()], fds)
            undo.pop_all()
            out, err = reading
            return Line(life, out, err, group, entered=waits, expected=expected)


def _close(servers: list[_Server]) -> None:
    while servers:
        servers.pop().close()


def _python() -> str:
    """The interpreter that runs the server: ours, or the machine's where this user may not start ours."""
    if sys.executable and os.access(sys.executable, os.X_OK):
        return sys.executable
    found = shutil.which("python3", path=TOOL_PATH)
    if found is None:
        raise InfrastructureError("the sandbox needs a Python interpreter that this user may start")
    return found


def _readable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))
