"""Drivers that wait in advance, and the fork server: nothing outlives its owner, nothing passes from run to run."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits
from greenloop.builds.sandbox.cgroup import Group, find, sweep
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, InfrastructureError


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    tree = tmp_path / "lower"
    tree.mkdir()
    (tree / "file").write_text("lower\n")
    return tree


@pytest.fixture
def sandbox() -> Iterator[Bubblewrap]:
    sandbox = Bubblewrap(spare=2)
    yield sandbox
    sandbox.close()


def run(sandbox: Bubblewrap, lower: Path, script: str = "cat file", stop: Stop | None = None) -> Completed:
    command = Command(("sh", "-c", script))
    (done,) = sandbox.run_over(lower, delta=None, deletions=(), commands=[command], stop=stop)
    return done


def children(pid: int) -> list[int]:
    """The processes that a process has started and not waited for; none when it is gone."""
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def servers() -> list[int]:
    """The fork servers of this process, by their command line; threads are searched, since each has its children."""
    found = []
    for task in Path("/proc/self/task").iterdir():
        for word in (task / "children").read_text().split():
            if b"forkserver.py" in Path(f"/proc/{word}/cmdline").read_bytes():
                found.append(int(word))
    return found


def until(condition: Callable[[], object], patience: float = 30) -> None:
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def the_server() -> int:
    until(servers)  # its command line is seen a moment after its start only
    (server,) = servers()
    return server


def groups(pid: int) -> list[Path]:
    return [path for hierarchy in find() for path in hierarchy.folder.glob(f"greenloop-{pid}-*")]


def descriptors() -> int:
    gc.collect()  # what other tests left behind may not close in the middle of one of these
    return len(list(Path("/proc/self/fd").iterdir()))


def test_as_many_wait_as_were_asked_for_and_each_serves_one_run(sandbox: Bubblewrap, lower: Path) -> None:
    server = the_server()
    until(lambda: len(children(server)) == 2)
    seen = set(children(server))
    for _ in range(4):
        assert run(sandbox, lower, "cat file; echo x >file; echo x >/tmp/x; ls /tmp").stdout == b"lower\nhome\nx\n"
        # one of the two served, is gone, and another one waits
        until(lambda: len(children(server)) == 2 and not set(children(server)) <= seen)  # noqa: B023 - called at once
        seen |= set(children(server))
    assert len(seen) == 2 + 4
    sandbox.close()
    assert servers() == []
    assert groups(os.getpid()) == []


def test_one_that_died_is_not_handed_out(sandbox: Bubblewrap, lower: Path) -> None:
    server = the_server()
    for _ in range(3):
        until(lambda: len(children(server)) == 2)
        for pid in children(server):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not children(server))
        assert run(sandbox, lower).ok


def test_a_server_that_died_is_replaced_and_its_runs_fail_as_infrastructure(sandbox: Bubblewrap, lower: Path) -> None:
    server = the_server()
    timer = threading.Timer(0.5, os.kill, (server, signal.SIGKILL))
    timer.start()
    with pytest.raises(InfrastructureError):
        run(sandbox, lower, "sleep 98768")
    timer.join()
    until(lambda: not running("sleep\00098768"))
    assert run(sandbox, lower).ok
    assert the_server() != server
    sandbox.close()
    assert groups(os.getpid()) == []


def descendants(pid: int) -> int:
    return sum(1 + descendants(child) for child in children(pid))


def test_what_comes_again_is_expected_and_what_does_not_runs_as_well(
    sandbox: Bubblewrap, lower: Path, tmp_path: Path
) -> None:
    delta = tmp_path / "delta"
    delta.mkdir()
    (delta / "new").write_text("new\n")
    (lower / "gone").write_text("gone\n")
    server = the_server()

    def ask(sandbox: Bubblewrap, script: str, **env: str) -> bytes:
        commands = [Command(("sh", "-c", script), env=env), Command(("sh", "-c", "cat mark; ls -A /tmp"))]
        done = sandbox.run_over(lower, delta=delta, deletions=("gone",), commands=commands)
        return b"".join(each.stdout for each in done)

    processes = r"sed -n 's/^Max processes *\([0-9]*\) .*/\1/p' /proc/self/limits"
    look = f"pwd; ls; cat new; echo $X >mark; {processes}; ls -A /tmp /dev/shm; touch /tmp/x"
    alike = "/w\nfile\nnew\nnew\n{1}\n/dev/shm:\n\n/tmp:\nhome\n{0}\nhome\nx\n"
    tight = sandbox.limited(Limits(processes=77))
    for who, mark, bound in (
        *[(sandbox, "a", 512)] * 4,
        (sandbox, "b", 512),
        (tight, "b", 77),
        *[(tight, "b", 77)] * 3,
        *[(sandbox, "a", 512)] * 3,
    ):
        assert ask(who, look, X=mark).decode() == alike.format(mark, bound)
    # the fork server holds two drivers, each of those a bubblewrap with the process that it started
    until(lambda: descendants(server) == (6 if find() else 2))
    for driver in children(server):
        for waiting in children(driver):
            os.kill(waiting, signal.SIGKILL)
    for _ in range(2 if find() else 0):
        with pytest.raises(InfrastructureError):
            ask(sandbox, look, X="a")
    assert ask(sandbox, look, X="a").decode() == alike.format("a", 512)
    with pytest.raises(InfrastructureError, match="no-such-program"):
        sandbox.run_over(lower, delta=None, deletions=(), commands=[Command(("no-such-program",))])
    sandbox.close()
    assert groups(os.getpid()) == []


def test_a_server_killed_while_a_command_is_expected_leaves_nothing(sandbox: Bubblewrap, lower: Path) -> None:
    for _ in range(4):
        assert run(sandbox, lower).ok
    server = the_server()
    until(lambda: descendants(server) == (6 if find() else 2))
    below = [pid for driver in children(server) for pid in (driver, *children(driver))]
    below += [pid for parent in below for pid in children(parent)]
    drivers = children(server)
    os.kill(server, signal.SIGKILL)
    until(lambda: not any(words(pid) for pid in drivers))
    assert run(sandbox, lower).ok
    until(lambda: not any(b"bwrap" in words(pid) for pid in below))


def test_what_cannot_start_fails_the_same_when_it_is_expected(sandbox: Bubblewrap, lower: Path, tmp_path: Path) -> None:
    del sandbox
    broken = Bubblewrap(read_only=[tmp_path / "missing"], spare=1)
    for _ in range(4):
        with pytest.raises(InfrastructureError, match="missing"):
            run(broken, lower)
    broken.close()


def test_an_expected_run_is_stopped_and_timed_as_any(sandbox: Bubblewrap, lower: Path) -> None:
    command = Command(("sh", "-c", "sleep 98772 & sleep 98772"), seconds=0.3)
    for _ in range(4):
        (done,) = sandbox.run_over(lower, delta=None, deletions=(), commands=[command])
        assert done.timed_out
        assert 0.2 < done.seconds < 20
    for _ in range(3):
        with Stop() as stop:
            timer = threading.Timer(0.1, stop.request)
            timer.start()
            with pytest.raises(Cancelled):
                sandbox.run_over(lower, delta=None, deletions=(), commands=[command], stop=stop)
            timer.join()
    assert not running("sleep\00098772")


def test_limits_are_those_of_the_run_not_of_the_wait(sandbox: Bubblewrap, lower: Path) -> None:
    small = sandbox.limited(Limits(memory_mib=300, scratch_mib=8, processes=30, output_kib=1))
    assert small.fingerprint() != sandbox.fingerprint()
    assert sandbox.limited(Limits()).fingerprint() == sandbox.fingerprint()
    flood = "ulimit -v; head -c 20M /dev/zero >big; stat -c %s big; head -c 20000 /dev/zero"
    done = run(small, lower, flood)
    assert done.stdout.startswith(f"{300 << 10}\n{8 << 20}\n".encode())
    assert done.truncated
    assert run(sandbox, lower, flood).stdout.startswith(f"{4096 << 10}\n{20 << 20}\n".encode())


def test_sandboxes_without_spares_end_with_their_last_holder(lower: Path) -> None:
    before = descriptors()
    sandbox = Bubblewrap(spare=1)
    limited = sandbox.limited(Limits(processes=50))
    assert run(sandbox, lower).ok
    del sandbox
    assert run(limited, lower).ok
    assert the_server()
    del limited
    gc.collect()
    assert servers() == []
    assert descriptors() == before
    assert groups(os.getpid()) == []


def test_a_fork_of_the_owner_uses_nothing_of_its_parent(sandbox: Bubblewrap, lower: Path) -> None:
    server = the_server()
    code = (
        "import os, pathlib, sys; from greenloop.builds.sandbox import Bubblewrap, Command\n"
        "lower = pathlib.Path(sys.argv[1]); sandbox = Bubblewrap(spare=1)\n"
        "def run():\n"
        " (done,) = sandbox.run_over(lower, delta=None, deletions=(), commands=[Command(('cat', 'file'))])\n"
        " return done.stdout\n"
        "first = run(); pid = os.fork()\n"
        "if pid == 0:\n"
        " assert run() == first; sandbox.close(); os._exit(7)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
        "assert run() == first; print('both', flush=True)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(lower)], capture_output=True, check=False, timeout=60)
    assert done.stdout == b"both\n", done.stderr.decode()
    assert servers() == [server]


OWNER = """
import pathlib, sys, threading
from greenloop.builds.sandbox import Bubblewrap, Command
lower = pathlib.Path(sys.argv[1])
sandbox = Bubblewrap(spare=2)
print("made", flush=True)
def work():
    while True:
        sandbox.run_over(lower, delta=None, deletions=(), commands=[Command(("sh", "-c", "sleep 0.0098769; true"))])
        print("ran", flush=True)
for _ in range(2):
    threading.Thread(target=work).start()
sandbox.open(lower, Command(("sleep", "98769")))
"""


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.007, 0.015, 0.03, 0.05, 0.3])
def test_an_owner_killed_at_any_moment_leaves_no_process_and_no_group(lower: Path, delay: float) -> None:
    mark = str(lower)
    with subprocess.Popen([sys.executable, "-c", OWNER, mark], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"made\n"
        time.sleep(delay)
        owner.send_signal(signal.SIGKILL)
    until(lambda: not groups(owner.pid))
    until(lambda: not running("sleep\00098769"))
    until(lambda: not running("sleep\0000.0098769"))
    until(lambda: not [pid for pid in with_words(b"forkserver.py") if f'"owner": {owner.pid},'.encode() in words(pid)])


def with_words(text: bytes) -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if text in words(int(path.name))]


def words(pid: int) -> bytes:
    """The command line of a process, empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def running(beginning: str) -> list[int]:
    return [pid for pid in with_words(beginning.encode()) if words(pid).startswith(beginning.encode())]


def test_groups_of_the_dead_are_swept_with_what_runs_in_them_and_others_are_left(lower: Path) -> None:
    if not find():
        assert os.geteuid() != 0
        return
    code = (
        "import os, subprocess; from greenloop.builds.sandbox.cgroup import Group, find\n"
        "sleeper = subprocess.Popen(['sleep', '98770'], start_new_session=True)\n"
        "for folder in Group(find()).folders: (folder / 'cgroup.procs').write_text(str(sleeper.pid))\n"
        "print(os.getpid(), flush=True); os._exit(0)"
    )
    # what it starts holds its output, so it is told by a line
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as dead:
        assert dead.stdout is not None
        pid = int(dead.stdout.readline())
        dead.wait()
        assert groups(pid)
        assert running("sleep\00098770")
        ours = Group(find())
        sweep(find())
        until(lambda: not running("sleep\00098770"))
    assert groups(pid) == []
    assert all(folder.exists() for folder in ours.folders)
    ours.remove()


def test_many_threads_and_stops_leave_everything_as_it_was(sandbox: Bubblewrap, lower: Path) -> None:
    def work(number: int) -> bytes:
        if number % 5 == 4:
            with Stop() as stop:
                timer = threading.Timer(0.001 * (number % 40), stop.request)
                timer.start()
                with pytest.raises(Cancelled):
                    run(sandbox, lower, "sleep 98771 & sleep 98771", stop)
                timer.join()
            return b"stopped"
        if number % 7 == 6:
            return run(sandbox, lower, "exit 3").stdout
        return run(sandbox, lower, f"echo {number} >>file; cat file").stdout

    assert run(sandbox, lower).ok
    before, mounts = descriptors(), Path("/proc/self/mountinfo").read_text()
    with ThreadPoolExecutor(8) as pool:
        outputs = list(pool.map(work, range(200)))
    wanted = [b"stopped" if n % 5 == 4 else b"" if n % 7 == 6 else f"lower\n{n}\n".encode() for n in range(200)]
    assert outputs == wanted
    assert run(sandbox, lower).ok  # after which two wait again
    assert descriptors() == before
    assert Path("/proc/self/mountinfo").read_text() == mounts
    assert not running("sleep\00098771")
    server = the_server()
    until(lambda: len(children(server)) == 2)
    assert len(groups(os.getpid())) == 2 * len(find())
