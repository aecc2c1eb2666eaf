"""One sidecar a home, from its start to its end, with real processes."""

import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from tests.aid.wires import PATIENCE, Wire, doorway, gone

from greenloop.aid.client.reach import Launch, Reached, halt, look, reach
from greenloop.aid.door.place import Place
from greenloop.aid.door.server import Door
from greenloop.aid.scripted import Script, ScriptedService
from greenloop.records import EnvironmentFault, Refused

Launching = Callable[..., Launch]
_SLEEP = [sys.executable, "-c", "import time; print('sleeping', flush=True); time.sleep(600)"]


def _wait(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.01)


def _start(place: Place, launch: Launch) -> int:
    with reach(place, launch).socket:
        status = look(place)
        assert status is not None
        return status.pid


def _offspring(pid: int) -> list[int]:
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return found


def test_many_that_come_at_once_get_the_same_one(place: Place, launch: Launching) -> None:
    def come(_: int) -> str:
        with reach(place, launch()).socket as sock:
            assert sock.fileno() >= 0
            status = look(place)
            assert status is not None
            return status.session

    with ThreadPoolExecutor(12) as pool:
        assert len(set(pool.map(come, range(12)))) == 1


def test_processes_that_start_it_at_once_get_one(place: Place, launch: Launching) -> None:
    # without the courtesy of `reach`, which starts one at a time: the lock alone decides
    command = list(launch().command)
    place.prepare()
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    _wait(lambda: sum(process.poll() is None for process in processes) == 1 and look(place) is not None)
    refusals = []
    for process in processes:
        if process.poll() is not None:
            refusals.append(process.communicate()[1])
            assert process.returncode == 1
    assert len(refusals) == 7
    assert all("a sidecar runs already" in words for words in refusals)
    (winner,) = [process for process in processes if process.returncode is None]
    status = look(place)
    assert status is not None
    assert status.pid == winner.pid
    winner.terminate()
    winner.communicate()
    assert winner.returncode == 0


def test_kill_9_leaves_nothing_that_a_next_start_does_not_mend(place: Place, launch: Launching) -> None:
    first = _start(place, launch())
    os.kill(first, signal.SIGKILL)
    _wait(place.free)
    assert place.socket.exists(), "the stale socket is what this is about"
    assert look(place) is None
    second = _start(place, launch())
    assert second != first
    assert halt(place)
    assert look(place) is None
    assert sorted(path.name for path in place.folder.iterdir()) == ["aid.log", "last-words", "lock", "starting"]
    assert not list(place.runtime.iterdir())


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_no_child_outlives_it(place: Place, launch: Launching, ending: signal.Signals) -> None:
    pid = _start(place, launch(children=[_SLEEP, _SLEEP]))
    children = _offspring(pid)
    assert len(children) == 2
    os.kill(pid, ending)
    for child in children:
        _wait(lambda child=child: gone(child))  # type: ignore[misc]


def _parent(pid: int) -> int:
    found = _above(pid)
    assert b"supervisor.py" in Path(f"/proc/{found}/cmdline").read_bytes()
    return found


def test_it_dies_with_its_supervisor_and_so_do_its_children(place: Place, launch: Launching) -> None:
    pid = _start(place, launch(children=[_SLEEP, _SLEEP]))
    children, supervisor = _offspring(pid), _parent(pid)
    assert len(children) == 2
    above = _parent(supervisor)
    os.kill(supervisor, signal.SIGKILL)
    _wait(place.free)
    for one in (*children, above):
        _wait(lambda one=one: gone(one))  # type: ignore[misc]


def test_the_supervisor_above_is_not_needed_for_that(place: Place, launch: Launching) -> None:
    pid = _start(place, launch(children=[_SLEEP]))
    (child,), supervisor = _offspring(pid), _parent(pid)
    os.kill(_parent(supervisor), signal.SIGKILL)
    _wait(lambda: b"supervisor.py" not in Path(f"/proc/{_above(supervisor)}/cmdline").read_bytes())
    status = look(place)
    assert status is not None
    assert status.pid == pid
    os.kill(pid, signal.SIGKILL)
    for one in (child, supervisor):
        _wait(lambda one=one: gone(one))  # type: ignore[misc]


def _above(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("PPid:")[1].split()[0])


def test_it_leaves_the_session_of_whoever_started_it(place: Place, launch: Launching) -> None:
    pid = _start(place, launch())
    assert os.getsid(pid) != os.getsid(0)
    assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
    assert {Path(f"/proc/{pid}/fd/{number}").readlink() for number in (1, 2)} == {place.last_words}


def test_an_older_one_is_replaced_and_a_newer_one_is_not(place: Place, launch: Launching) -> None:
    old = _start(place, launch(version="1.0"))
    new = _start(place, launch(version="1.1"))
    assert gone(old)
    assert new != old
    assert _start(place, launch(version="1.0.9")) == new


def test_one_that_fails_says_why(place: Place, launch: Launching) -> None:
    with pytest.raises(EnvironmentFault, match="the model file is damaged"):
        reach(place, launch(broken=True))
    with pytest.raises(EnvironmentFault, match="no sidecar runs"):
        reach(place, None)


def test_one_that_hangs_can_be_replaced(place: Place, launch: Launching) -> None:
    pid = _start(place, launch())
    os.kill(pid, signal.SIGSTOP)
    # killed by force, for it does not listen to anything else
    stopper = threading.Thread(target=halt, args=(place,))
    stopper.start()
    stopper.join(PATIENCE)
    assert gone(pid)


def test_one_whose_socket_was_removed_is_replaced(place: Place, launch: Launching) -> None:
    pid = _start(place, launch())
    place.socket.unlink()
    assert _start(place, launch()) != pid
    assert gone(pid)


def test_it_ends_when_nobody_needs_it(short: Path) -> None:
    with doorway(short, ScriptedService(), idle=0.2) as (path, door):
        wire = Wire(path)
        wire.greet()
        # a status is no use of it; a client that stays is
        _wait(lambda: not _stopping_after(door, 0.5))
        wire.close()
        # nor do those who only look keep it
        while not door.why:
            with suppress(OSError, AssertionError), closing(Wire(path)) as watcher:
                watcher.ask("sidecar/status")
            time.sleep(0.01)
        assert "nobody needed it" in door.why


def _stopping_after(door: Door, seconds: float) -> bool:
    time.sleep(seconds)
    return door.why != ""


def test_a_turn_of_a_client_that_went_keeps_it_from_ending(short: Path) -> None:
    service = ScriptedService(Script(deltas=("x",) * 1000, pause=0.01))
    service.left = lambda peer: None  # type: ignore[method-assign] # one that finishes what was begun
    with doorway(short, service, idle=0.05) as (path, door):
        wire = Wire(path)
        wire.greet()
        workspace = wire.ask("workspace/open", {"path": "/w"})["result"]["workspace"]
        wire.send({"id": 7, "method": "turn/start", "params": {"workspace": workspace, "kind": "ask"}})
        wire.until("turn/delta")
        wire.close()
        assert not _stopping_after(door, 0.5)
        service.close()
        _wait(lambda: door.why != "")


def test_folders_and_socket_are_this_users_alone(place: Place, launch: Launching) -> None:
    place.folder.mkdir(mode=0o755)
    _start(place, launch())
    for folder in (place.folder, place.runtime):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert place.socket.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="expected: only root can become a second user")
def test_a_second_user_cannot_connect(short: Path, place: Place, launch: Launching, stack: ExitStack) -> None:
    _start(place, launch())
    nobody = pwd.getpwnam("nobody")
    program = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(sys.argv[1])\n"
        "try:\n"
        '    s.sendall(b\'Content-Length: 51\\r\\n\\r\\n{"jsonrpc":"2.0","id":1,"method":"sidecar/status"}  \')\n'
        "    print(s.recv(1000))\n"
        "except ConnectionError:\n"
        "    print(b'')\n"
    )

    def come() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/usr/bin/env", "python3", "-c", program, str(place.socket)],
            user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=(), capture_output=True, text=True, check=False,
        )  # fmt: skip

    short.chmod(0o755)
    refused = come()
    assert "PermissionError" in refused.stderr
    # even where the modes were loosened, the kernel says who it is
    place.runtime.chmod(0o755)
    place.socket.chmod(0o666)
    let_go = come()
    assert let_go.stdout == "b''\n"
    assert f"of user {nobody.pw_uid} is not let in" in place.log.read_text()
    found = reach(place, None)
    assert isinstance(found, Reached)
    found.socket.close()


def test_a_socket_path_that_is_too_long_is_told(short: Path) -> None:
    place = Place(short / "aid", short / ("x" * 120))
    place.prepare()
    with pytest.raises(EnvironmentFault, match="XDG_RUNTIME_DIR"), place.listening("s", "1"):
        pass


def test_only_one_holds_a_place(short: Path) -> None:
    place = Place(short / "aid", short / "run")
    assert place.free()
    with place.held(), pytest.raises(Refused) as caught, place.held():
        pass
    assert caught.value.code == "already-running"
