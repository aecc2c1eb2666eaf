"""The fork server: a small process of its own from which the driver of every run is forked. Started by its path.

A driver lives in user and mount namespaces of its own. It mounts a size-limited tmpfs and the layers of the run, and
starts each command in its own bubblewrap when told to; it ends with its run. Forking it costs a tenth of starting
programs that do the same. It is handed data only: nothing is ever read as shell text.

Each driver has one socket, unseen by the commands, as its life line: it says ``pid``, ``ready`` and ``end``, bubblewrap
writes its status documents to it, and the owner says which layers to lay and which command comes next. A driver that
waits in advance may be told what to expect: then it has its limits, and a bubblewrap that has done all but start the
command; where something else is asked for, that one is killed. At its end the driver kills what runs and waits until
all of it is gone. Should the owner die, the server ends every driver, removes the control groups of the owner and ends
as well; should the server die, its drivers die with it.

Uses the standard library only and is one file, though a long one, since it is run without the packages of this one.
"""

import contextlib
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import stat
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

_STAGE = "/sys"
"""Where a driver mounts its tmpfs, unseen by all others: a folder that every machine has and no run needs."""
_CLONE_NEWNS, _CLONE_NEWUSER = 0x20000, 0x10000000
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE, _MS_SHARED = 0x2, 0x4, 0x1000, 0x4000, 0x40000, 0x100000
_MNT_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_STACK = 8 << 20
"""Bytes of stack that a process starts with, whatever the caller's own: an overflow must not depend on it."""
KILL = b"kill"
"""The owner's word for: end the command that runs."""
_CHUNK = 1 << 16
_PATIENCE_MS = 2000
_MOST_TOLD = 5_000
"""Names of rewritten files that are told."""
MORE = "\N{HORIZONTAL ELLIPSIS}"
"""Stands for all the others."""
_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Serve until the owner says ``close``, or is gone. Standard input is the socket of the owner's requests."""
    settings = json.loads(sys.argv[1])
    control = socket.socket(fileno=0)
    parent = settings["owner"]
    try:
        owner = os.pidfd_open(parent)
    except ProcessLookupError:
        owner = -1
    if os.getppid() != parent:  # it was killed while we started
        _sweep(settings)
        return
    gc.disable()
    gc.freeze()  # so that forked drivers share these pages
    Server(control, owner, settings).serve()


class Server:
    """Forks drivers on request, and sees to their end."""

    def __init__(self, control: socket.socket, owner: int, settings: Mapping[str, Any]) -> None:
        """``owner``: a handle on the owner's process."""
        self._control = control
        self._owner = owner
        self._settings = settings
        self._drivers: set[int] = set()
        self._woken, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def serve(self) -> None:
        """Take requests until the end, then leave nothing running."""
        poll = select.poll()
        for fd in (self._control.fileno(), self._owner, self._woken):
            poll.register(fd, select.POLLIN)
        orderly = False
        while True:
            ready = {fd for fd, _ in poll.poll()}
            if self._woken in ready:
                os.read(self._woken, _CHUNK)
                self._reap()
            if self._control.fileno() in ready:
                message, fds, _, _ = socket.recv_fds(self._control, _CHUNK, 3)
                if len(fds) == 3:
                    self._fork(json.loads(message), fds)
                    continue
                orderly = message == b"close"
                break
            if self._owner in ready:
                break
        _end_children()
        if not orderly:
            owner = select.poll()
            owner.register(self._owner, select.POLLIN)
            if owner.poll(_PATIENCE_MS):  # or else it closed the socket and lives on
                _sweep(self._settings)

    def _reap(self) -> None:
        """Let go of the drivers that have ended, and kill what they could not, having been killed themselves."""
        with contextlib.suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                self._drivers.discard(pid)
        for pid in _children():
            if pid not in self._drivers:
                os.kill(pid, signal.SIGKILL)

    def _fork(self, request: Mapping[str, Any], fds: Sequence[int]) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_driver(request, fds)
        self._drivers.add(pid)
        for fd in fds:
            os.close(fd)

    def _become_driver(self, request: Mapping[str, Any], fds: Sequence[int]) -> NoReturn:
        """Be a driver until the end of its run. Whatever goes wrong is told on its standard error."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            line = socket.socket(fileno=fds[0])
            line.set_inheritable(False)  # what comes with a message does not always start so
            null = os.open(os.devnull, os.O_RDONLY)
            for fd, number in ((null, 0), (fds[1], 1), (fds[2], 2)):
                os.dup2(fd, number)
            os.closerange(3, line.fileno())
            os.closerange(line.fileno() + 1, max(*fds, null, self._woken, self._wake, self._owner) + 1)
            Driver(line, self._settings, request).serve()
            status = 0
        except (OSError, ValueError, KeyError) as error:
            os.write(2, f"{error}\n".encode("utf-8", "replace"))
        finally:
            os._exit(status)


def _sweep(settings: Mapping[str, Any]) -> None:
    """Remove the control groups of an owner that is dead, which are empty by now or soon."""
    deadline = time.monotonic() + _PATIENCE_MS / 1000
    left = [path for folder in settings["groups"] for path in Path(folder).glob(f"{settings['name']}-*")]
    while left and time.monotonic() < deadline:
        for path in left:
            with contextlib.suppress(OSError):
                path.rmdir()
        left = [path for path in left if path.exists()]
        time.sleep(0.01)


class Driver:
    """One run, from its namespaces to its end."""

    def __init__(self, line: socket.socket, settings: Mapping[str, Any], request: Mapping[str, Any]) -> None:
        self._line = line
        self._settings = settings
        self._request = request
        self._armed: Running | None = None
        self._layers: list[str] = []
        self._kept: list[str] = []
        self._buffer = b""
        server = os.getppid()
        self._say(f"pid {os.getpid()}")
        for group in request["groups"]:
            Path(group, "cgroup.procs").write_text("0")
        uid, gid = os.geteuid(), os.getegid()
        if _libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) != 0:
            raise _failure("unshare: ")
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != server:
            raise ProcessLookupError("the fork server is gone")
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
        os.umask(0o022)
        _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
        self._files = [_file(bytes.fromhex(settings["seccomp"]))]
        self._files += [_file(text.encode()) for text in settings["etc"]]

    def serve(self) -> None:
        """Set the stage, run each command that is asked for, until the owner lets go."""
        try:
            if (expected := self._request["expected"]) is not None:
                self._prepare(expected)
                self._armed = self._spawn(expected["command"], armed=True)
            if (line := self._hear()) is None:
                return
            stage = json.loads(line)
            if expected is None:
                self._prepare(stage)
            self._set_stage(stage)
            self._say("ready")
            while (line := self._hear()) is not None:
                if line == KILL:
                    continue  # the command had ended by itself already
                if not self._run(json.loads(line)):
                    return
                self._say("end")
        finally:
            _end_children()

    def _say(self, word: str) -> None:
        self._line.sendall(f"{word}\n".encode())

    def _hear(self) -> bytes | None:
        """Return the owner's next line, or ``None`` when there will be none."""
        while b"\n" not in self._buffer:
            data = self._line.recv(_CHUNK)
            if not data:
                return None
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _prepare(self, limits: Mapping[str, Any]) -> None:
        """Mount the run's tmpfs and take on its limits: what does not depend on its layers."""
        size = limits["bytes"]
        options = f"size={size},nr_inodes={max(1024, size >> 12)},mode=0755"
        _mount("tmpfs", _STAGE, "tmpfs", _MS_NOSUID | _MS_NODEV, options)
        _mount("none", _STAGE, None, _MS_SHARED)  # so that a bubblewrap that waits sees what is mounted at w
        os.chdir(_STAGE)
        Path("w").mkdir()
        _make_empty_folders()
        for name, value in limits["limits"].items():
            bound = _at_most(getattr(resource, name), value)
            resource.setrlimit(getattr(resource, name), (bound, bound))
        stack = _at_most(resource.RLIMIT_STACK, _STACK)
        _, hard = resource.getrlimit(resource.RLIMIT_STACK)
        resource.setrlimit(resource.RLIMIT_STACK, (stack, hard))  # may be raised, as some OCaml tests do

    def _set_stage(self, stage: Mapping[str, Any]) -> None:
        """Lay the tree at ``w``. Names that a caller chose are links: in a mount option commas mean something."""
        Path("lower").symlink_to(stage["lower"])
        self._layers = ["lower"]
        if stage["gone"]:
            for path in stage["gone"]:
                Path("gone", path).parent.mkdir(parents=True, exist_ok=True)
                os.mknod(Path("gone", path), stat.S_IFCHR, 0)
            self._layers.insert(0, "gone")
        if stage["delta"] is not None:
            Path("delta").symlink_to(stage["delta"])
            self._layers.insert(0, "delta")
        if stage["over"]:
            self._mount_layers()
        else:
            _mount("lower", "w", None, _MS_BIND | _MS_REC)

    def _mount_layers(self) -> None:
        options = f"userxattr,lowerdir={':'.join(self._kept + self._layers)},upperdir=up,workdir=work"
        _mount("overlay", "w", "overlay", _MS_NOSUID | _MS_NODEV, options)

    def _lay_afresh(self, products: Sequence[str]) -> None:
        """Put away all that was written so far but for the products, which become a layer of their own."""
        if _libc.umount2(b"w", _MNT_DETACH) != 0:
            raise _failure("umount w: ")
        number = len(self._kept)
        away, kept = Path(f"away{number}"), Path(f"kept{number}")
        away.mkdir()
        kept.mkdir()
        for layer in self._kept:
            for path in list(Path(layer).iterdir()):
                if path.name not in products:
                    path.rename(away / f"{layer}-{path.name}")
        for folder in ("up", "work", "tmp", "shm"):
            Path(folder).rename(away / folder)
        for product in products:
            if os.path.lexists(away / "up" / product):
                (away / "up" / product).rename(kept / product)
        self._kept.insert(0, str(kept))
        _make_empty_folders()
        self._mount_layers()

    def _run(self, command: Mapping[str, Any]) -> bool:
        """Run one command to its end, or kill it when told to; ``False`` when the owner let go meanwhile."""
        running, self._armed = self._armed, None
        if running is not None and running.command != command:
            _end_children()
            running.close()
            running = None
        if running is None:
            if command["fresh"] is not None:
                self._lay_afresh(command["fresh"])
            running = self._spawn(command, armed=False)
        else:
            os.write(running.release, b"x")
        attached = True
        poll = select.poll()
        ended = os.pidfd_open(running.pid)
        for fd in (ended, self._line.fileno(), *running.status):
            poll.register(fd, select.POLLIN)
        while ended not in (ready := {fd for fd, _ in poll.poll()}):
            if self._line.fileno() in ready:
                attached = self._hear() is not None
                os.kill(running.pid, signal.SIGKILL)
                poll.unregister(self._line)
            for fd in ready.intersection(running.status):
                if not self._pass_on(fd):
                    poll.unregister(fd)
        os.close(ended)
        _end_children()
        for fd in running.status:
            while self._pass_on(fd):
                pass
        running.close()
        if attached and command["fresh"] is not None:
            self._say("rewritten " + json.dumps(self._rewritten(command["closed"])))
        return attached

    def _rewritten(self, closed: Sequence[str]) -> list[str]:
        """Return what a fresh command found and has written, or removed, whatever it holds now; and additions.

        What was put back looks as it was, and was something else meanwhile. Folders that the command made itself are
        not looked into, so the search is bounded by what was there before; below ``closed`` they are named.
        """
        layers = [*self._kept, *self._layers]
        found: list[str] = []
        folders = [""]
        while folders and len(found) < _MOST_TOLD:
            here = folders.pop()
            with os.scandir(f"up/{here}") as entries:
                for entry in entries:
                    path = f"{here}{entry.name}"
                    before = next((f"{layer}/{path}" for layer in layers if os.path.lexists(f"{layer}/{path}")), None)
                    folder = entry.is_dir(follow_symlinks=False)
                    if before is None or _is_whiteout(os.lstat(before)):
                        if any(f"{path}/".startswith(f"{place}/") for place in closed):
                            found.append(path)
                        elif folder and any(place.startswith(f"{path}/") for place in closed):
                            folders.append(f"{path}/")
                    elif folder and stat.S_ISDIR(os.lstat(before).st_mode) and not _is_opaque(entry.path):
                        folders.append(f"{path}/")
                    else:
                        found.append(path)
        # bytes that are no text are spelled out: whoever reads this prints and stores it
        told = sorted(os.fsencode(path).decode("utf-8", "backslashreplace") for path in found[:_MOST_TOLD])
        return told if len(found) < _MOST_TOLD else [*told, MORE]

    def _pass_on(self, status: int) -> bool:
        """Hand on what a bubblewrap that waited says of itself; ``False`` at the end."""
        said = os.read(status, _CHUNK)
        with contextlib.suppress(BrokenPipeError):  # the owner let go
            self._line.sendall(said)
        return bool(said)

    def _spawn(self, command: Mapping[str, Any], *, armed: bool) -> "Running":
        """Start bubblewrap. An ``armed`` one does all but start the command, and waits to be released."""
        if Path("w").stat().st_mode & 0o700 != 0o700:
            Path("w").chmod(0o755)  # a command before has shut the tree: no reason for the next one not to start
        words = self._settings["options"] + command["options"]
        given = {5: _file(b"".join(os.fsencode(word) + b"\0" for word in words)), 3: self._line.fileno()}
        given |= dict(zip((6, 7, 8, 9), self._files, strict=True))
        argv = ["bwrap", "--args", "5", "--seccomp", "6", "--json-status-fd", "3", "--", *command["argv"]]
        status: list[int] = []
        release, theirs = -1, [given[5]]
        if armed:
            ours, given[3] = os.pipe()
            reading, release = os.pipe()
            # It holds a writing end itself: were ours to close, it must not take that for the word to go on.
            given[10] = os.open(f"/proc/self/fd/{reading}", os.O_RDWR)
            status.append(ours)
            theirs += [given[3], given[10], reading]
            argv[1:1] = ["--block-fd", "10"]
        for fd in self._files:
            os.lseek(fd, 0, os.SEEK_SET)
        # First up, out of the way of the numbers that bubblewrap is told of, then down.
        actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_DUP2, fd, 100 + number) for number, fd in given.items()]
        actions += [(os.POSIX_SPAWN_DUP2, 100 + number, number) for number in given]
        actions += [(os.POSIX_SPAWN_CLOSE, 100 + number) for number in given]
        pid = os.posix_spawn(self._settings["bwrap"], argv, {}, file_actions=actions)
        for fd in theirs:
            os.close(fd)
        return Running(command, pid, status, release)


class Running:
    """A bubblewrap of a driver's."""

    def __init__(self, command: Mapping[str, Any], pid: int, status: Sequence[int], release: int) -> None:
        """``status``: where its status documents come, unless the owner reads them; ``release`` lets it go on."""
        self.command = command
        self.pid = pid
        self.status = status
        self.release = release

    def close(self) -> None:
        """Give the files back."""
        for fd in (*self.status, self.release):
            if fd >= 0:
                os.close(fd)


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(folder: str) -> bool:
    """Whether an overlay's folder was removed and made anew: it hides what was there."""
    with contextlib.suppress(OSError):
        return os.getxattr(folder, "user.overlay.opaque", follow_symlinks=False) == b"y"
    return False


def _end_children() -> None:
    """Kill all children, those of children that died among them, and wait until none is left.

    They should all be dying by then: the exception is a bubblewrap that lost its parent so early that it did not yet
    ask to die with it.
    """
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            os.wait()


def _children() -> list[int]:
    """Our children: none of them can have become another process, since it is us who wait for them."""
    return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_bytes().split()]


def _make_empty_folders() -> None:
    for folder in ("up", "work", "tmp", "tmp/home", "shm"):
        Path(folder).mkdir()


def _mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    words = [word.encode() for word in (source, target, kind or "none")]
    if _libc.mount(*words, ctypes.c_ulong(flags), options.encode() or None) != 0:
        raise _failure(f"mount {source} on {target}: ")


def _failure(doing: str) -> OSError:
    """The error of the last call of libc, with what it was for."""
    number = ctypes.get_errno()
    return OSError(number, doing + os.strerror(number))


def _at_most(kind: int, value: int) -> int:
    """The value, or the lower one that holds for us already."""
    _, hard = resource.getrlimit(kind)
    return value if hard == resource.RLIM_INFINITY else min(value, hard)


def _file(content: bytes) -> int:
    """A file in memory, to be handed over from its beginning."""
    fd = os.memfd_create("greenloop")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


if __name__ == "__main__":
    main()
