"""What code in the sandbox must not be able to do, tried in earnest."""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from greenloop.builds.sandbox import Bubblewrap, Command, Completed, Limits
from greenloop.builds.sandbox.cgroup import find
from greenloop.records import InfrastructureError


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    tree = tmp_path / "lower"
    tree.mkdir()
    (tree / "file").write_text("lower\n")
    return tree


def run(lower: Path, script: str, *, sandbox: Bubblewrap | None = None, env: dict[str, str] | None = None) -> Completed:
    command = Command(("sh", "-c", script), env=env or {})
    (done,) = (sandbox or Bubblewrap()).run_over(lower, delta=None, deletions=(), commands=(command,))
    return done


def running(seconds: str) -> bool:
    """Whether a ``sleep`` of so many seconds runs on this machine."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == f"sleep\0{seconds}\0".encode():
                return True
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
    return False


def wait_until(state: bool, seconds: str, patience: float) -> bool:
    deadline = time.monotonic() + patience
    while running(seconds) != state:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_no_network_reaches_a_server_of_this_machine(lower: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = (
            "import socket, sys; s = socket.socket(); s.settimeout(3)\n"
            "try: s.connect(('127.0.0.1', int(sys.argv[1]))); print('reached')\n"
            "except OSError as e: print(type(e).__name__)"
        )
        there = subprocess.run([sys.executable, "-c", client, str(port)], capture_output=True, check=True)
        assert there.stdout == b"reached\n"
        perl = (
            "use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $ARGV[0]);"
            "print $s ? 'reached' : 'refused'"
        )
        command = Command(("perl", "-e", perl, str(port)))
        (done,) = Bubblewrap().run_over(lower, delta=None, deletions=(), commands=(command,))
    assert done.stdout == b"refused", done.stderr
    devices = run(lower, "sed 1,2d /proc/net/dev | cut -d: -f1")
    assert devices.stdout.split() == [b"lo"]


def test_loopback_of_its_own_works(lower: Path) -> None:
    perl = (
        "use IO::Socket::INET; my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => 'localhost') or die $!;"
        "print IO::Socket::INET->new(PeerAddr => 'localhost', PeerPort => $l->sockport) ? 'reached' : 'refused'"
    )
    (done,) = Bubblewrap().run_over(lower, delta=None, deletions=(), commands=(Command(("perl", "-e", perl)),))
    assert done.stdout == b"reached", done.stderr


def test_host_files_cannot_be_read(lower: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.write_text("planted")
    script = 'cat "$P" "/w/../$P" /proc/1/root"$P" /etc/shadow /etc/hostname; ls -A /home /root /var /run /sys /opt'
    done = run(lower, script, env={"P": str(planted)})
    assert done.stdout == b""
    listed = run(lower, "ls -A / /etc").stdout.split()
    assert not {b"home", b"root", b"var", b"shadow", b"ssl", b"ssh"} & set(listed)


def test_a_link_to_the_host_in_the_tree_leads_nowhere(lower: Path, tmp_path: Path) -> None:
    (tmp_path / "planted").write_text("planted")
    (lower / "link").symlink_to(tmp_path / "planted")
    done = run(lower, "cat link; echo x >link")
    assert done.stdout == b""
    assert (tmp_path / "planted").read_text() == "planted"


def test_nothing_outside_can_be_written(lower: Path, tmp_path: Path) -> None:
    # Opened to append and written nothing, so that a hole would do no harm. As root bubblewrap alone leaves
    # /proc/sys writable, and with it the whole machine (core_pattern).
    targets = "/x /usr/x /usr/bin/env /etc/x /etc/passwd /dev/x /proc/sys/kernel/core_pattern /proc/self/oom_score_adj"
    done = run(lower, f"for f in {targets} /proc/sysrq-trigger /tmp/x /dev/shm/x x; do (: >>$f) && echo $f; done")
    assert done.stdout.split() == [b"/tmp/x", b"/dev/shm/x", b"x"]
    again = run(lower, "ls -A /tmp /dev/shm .")
    assert again.stdout.decode() == ".:\nfile\n\n/dev/shm:\n\n/tmp:\nhome\n"


def test_no_privilege_is_left_and_none_can_be_had(lower: Path) -> None:
    done = run(lower, "grep -E '^(Cap(Eff|Prm|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status; id -u; hostname")
    zero = "0" * 16
    assert done.stdout.decode().split() == (
        f"CapPrm: {zero} CapEff: {zero} CapBnd: {zero} CapAmb: {zero} NoNewPrivs: 1 Seccomp: 2 1000 greenloop".split()
    )
    done = run(lower, "mount -t tmpfs tmpfs /tmp; unshare -U true && echo U; unshare -r true && echo R; chroot / true")
    assert done.stdout == b""


def test_no_file_descriptor_of_ours_is_passed_on(lower: Path) -> None:
    done = run(lower, "ls -l /proc/self/fd | sed 1d | sed 's/.* -> //'")
    kinds = [line.split(":")[0] for line in done.stdout.decode().splitlines()]
    assert kinds[:2] == ["/dev/null", "pipe"]
    assert all(kind in {"/dev/null", "pipe"} or kind.startswith("/proc/") for kind in kinds)
    assert "socket" not in " ".join(kinds)


def test_no_process_of_the_host_is_seen(lower: Path) -> None:
    done = run(lower, "ls /proc | grep -c '^[0-9]'; kill -9 -1; echo unreached")
    assert int(done.stdout.split()[0]) <= 6


def test_status_and_output_cannot_be_forged(lower: Path) -> None:
    forged = '{ "exit-code": 0 }'
    script = f"for n in 0 1 2 3 4 5 6 7 8 9; do echo '{forged}' >/proc/self/fd/$n; done; echo end >&3; exit 7"
    done = run(lower, script)
    assert done.exit_status in {2, 7}
    assert not done.ok


def test_extra_folders_are_read_only(lower: Path, tmp_path: Path) -> None:
    extra = tmp_path / "an extra, odd 'folder"
    extra.mkdir()
    (extra / "tool").write_text("#!/bin/sh\necho tool\n")
    (extra / "tool").chmod(0o755)
    sandbox = Bubblewrap(read_only=[extra], environment={"PATH": f"{extra}:/usr/bin:/bin"})
    done = run(lower, '(: >>"$(command -v tool)") && echo written; tool', sandbox=sandbox)
    assert done.stdout == b"tool\n"


def test_an_option_smuggled_into_the_environment_is_refused(lower: Path) -> None:
    for name, value in (("X", "a\0--bind\0/\0/w"), ("X\0--bind", "x"), ("", "x"), ("A=B", "x")):
        with pytest.raises(ValueError, match="not an environment variable"):
            run(lower, "true", env={name: value})


def test_a_time_out_ends_daemons_too(lower: Path) -> None:
    script = (
        "(setsid sh -c 'setsid sleep 98761 & sleep 98761' &) ; setsid nohup sleep 98761 >/dev/null 2>&1 & sleep 98761"
    )
    command = Command(("sh", "-c", script), seconds=0.5)
    (done,) = Bubblewrap().run_over(lower, delta=None, deletions=(), commands=(command,))
    assert done.timed_out
    assert done.exit_status is None
    assert 0.4 < done.seconds < 20
    assert not running("98761")


def test_a_daemon_does_not_outlive_its_command(lower: Path) -> None:
    daemon = "setsid sh -c 'while :; do echo stolen >>file; done' >/dev/null 2>&1 & sleep 0.05; echo done"
    commands = [Command(("sh", "-c", daemon)), Command(("sh", "-c", "wc -c <file; sleep 0.1; wc -c <file"))]
    _, second = Bubblewrap().run_over(lower, delta=None, deletions=(), commands=commands)
    before, after = second.stdout.split()
    assert before == after


def test_nothing_is_left_when_greenloop_is_killed(lower: Path) -> None:
    code = (
        "import pathlib, sys; from greenloop.builds.sandbox import Bubblewrap, Command\n"
        "Bubblewrap(scratch=pathlib.Path(sys.argv[2])).run_over(pathlib.Path(sys.argv[1]), delta=None, deletions=(),"
        " commands=[Command(('sh', '-c', 'sleep 98762 & echo; setsid sleep 98762'))])"
    )
    scratch = lower.parent / "scratch"
    scratch.mkdir()
    with subprocess.Popen([sys.executable, "-c", code, str(lower), str(scratch)]) as victim:
        assert wait_until(True, "98762", 30)
        victim.send_signal(signal.SIGKILL)
    assert wait_until(False, "98762", 10)
    assert list(scratch.iterdir()) == []
    deadline = time.monotonic() + 10
    while left := [p for h in find() for p in h.folder.glob(f"greenloop-{victim.pid}-*")]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_an_interrupt_leaves_nothing_running(lower: Path, tmp_path: Path) -> None:
    code = (
        "import pathlib, sys; from greenloop.builds.sandbox import Bubblewrap, Command\n"
        "Bubblewrap(scratch=pathlib.Path(sys.argv[2])).run_over(pathlib.Path(sys.argv[1]), delta=None, deletions=(),"
        " commands=[Command(('sh', '-c', 'setsid sleep 98763 & sleep 98763'))])"
    )
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen([sys.executable, "-c", code, str(lower), str(scratch)], stderr=subprocess.PIPE) as victim:
        assert wait_until(True, "98763", 30)
        victim.send_signal(signal.SIGINT)
        _, said = victim.communicate(timeout=30)
    assert b"KeyboardInterrupt" in said
    assert not running("98763")
    assert list(scratch.iterdir()) == []


def test_threads_leave_no_file_descriptor_open(lower: Path) -> None:
    def descriptors() -> int:
        gc.collect()  # what other tests left behind may not close in the middle of this one
        return len(list(Path("/proc/self/fd").iterdir()))

    run(lower, "true")
    before = descriptors()
    threads = [threading.Thread(target=run, args=(lower, "exit 1")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(InfrastructureError):
        Bubblewrap().run_over(lower, delta=None, deletions=(), commands=(Command(("nope",)),))
    assert descriptors() == before


def test_a_tree_that_is_not_there_is_infrastructure(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="gone"):
        run(tmp_path / "gone", "true")


def test_a_broken_layer_is_never_done_without(lower: Path, tmp_path: Path) -> None:
    sandbox = Bubblewrap(read_only=[tmp_path / "missing"], limits=Limits(wall_seconds=5))
    with pytest.raises(InfrastructureError, match="missing"):
        run(lower, "true", sandbox=sandbox)


def test_a_tree_of_somebody_else_is_refused_and_not_red(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    if os.geteuid() == 0:
        theirs.mkdir()
        os.chown(theirs, 54321, 54321)
    else:
        theirs = Path("/usr")
    with pytest.raises(InfrastructureError, match="belongs to uid") as caught:
        run(theirs, "true")
    assert "chown" in caught.value.way_out
    with pytest.raises(InfrastructureError, match="belongs to uid"):
        Bubblewrap().run_in(theirs, [Command(("true",))])
