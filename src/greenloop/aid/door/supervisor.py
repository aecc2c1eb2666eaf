"""The sidecar's parent: it starts the sidecar apart from whoever asked for it, and ends what the sidecar leaves behind.

Run as a program, with the standard library alone, so that it is small and forks before anything is loaded::

    python -I -S supervisor.py '{"command": [...], "last_words": PATH}'

The first process waits until the sidecar is ready or has ended, and says which: status 0 when one is ready (``other``
is printed when it is not this one), 1 with the last words on stderr when it failed. The second, the supervisor, adopts
every process that the sidecar or its children abandon (``PR_SET_CHILD_SUBREAPER``, prctl(2)), and kills them when the
sidecar has ended, ``kill -9`` included. Should the supervisor be killed, the kernel kills the sidecar
(``PR_SET_PDEATHSIG``), and a second supervisor, the parent of the first, adopts and ends what both leave behind. Should
that one be killed, the first goes on.
"""

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_GRACE_SECONDS = 2.0
"""For processes that end by themselves when they notice that the sidecar has gone, as the sandbox's do."""
_TOLD_BYTES = 4096


def main() -> int:
    """Start the sidecar. Returns the exit status of whichever process this is."""
    settings = json.loads(sys.argv[1])
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.close(reading)
        _apart(settings["last_words"])
        _supervise(lambda: _start_supervised(settings["command"], writing), writing)
        return 0
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.readline().strip()
    if said == "ready":
        return 0
    if said == "other":
        print(said)
        return 0
    with open(settings["last_words"], "rb") as words:  # noqa: PTH123 - as below
        words.seek(max(0, os.fstat(words.fileno()).st_size - _TOLD_BYTES))
        sys.stderr.write(words.read().decode("utf-8", "replace"))
    return 1


def _apart(last_words: str) -> None:
    """Leave the terminal, the folder and the files of whoever started us."""
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    nothing = os.open(os.devnull, os.O_RDONLY)
    # another file, so that whatever still writes to an earlier one's does not mix with ours
    with contextlib.suppress(FileNotFoundError):
        os.unlink(last_words)  # noqa: PTH108 - pathlib would double the start
    words = os.open(last_words, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number, file in ((0, nothing), (1, words), (2, words)):
        os.dup2(file, number)
    os.close(nothing)
    os.close(words)


def _supervise(start: Callable[[], int], writing: int) -> None:
    """Adopt whatever is abandoned below this process; end it once the process that ``start`` returns has ended."""
    # not inherited by fork
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    child = start()
    os.close(writing)
    os.waitpid(child, 0)
    _end_the_rest()


def _start_supervised(command: list[str], writing: int) -> int:
    child = os.fork()
    if child == 0:
        _supervise(lambda: _start(command, writing), writing)
        os._exit(0)
    return child


def _start(command: list[str], writing: int) -> int:
    supervisor = os.getpid()
    child = os.fork()
    if child:
        return child
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != supervisor:
        os._exit(1)
    os.set_inheritable(writing, True)
    try:
        os.execv(command[0], [*command, "--ready-fd", str(writing)])  # noqa: S606 - a list, no shell
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(1)


def _end_the_rest() -> None:
    """Reap what was left to us; kill what does not end by itself."""
    deadline = time.monotonic() + _GRACE_SECONDS
    while True:
        try:
            ended, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if ended:
            continue
        if time.monotonic() > deadline:
            for child in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)
        time.sleep(0.02)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:  # noqa: PTH123 - as above
        return [int(pid) for pid in file.read().split()]


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
