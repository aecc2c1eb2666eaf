"""The shadow as the recorder runs it: a real process over real projects, judged in the real sandbox."""

import fcntl
import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.cli.conftest import Recorded

from greenloop.builds.images import Image
from greenloop.records import BuildReport, Status
from greenloop.snapshots.companion import Companion
from greenloop.snapshots.shadow import Doing, ShadowState, read_state

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]
"""It gets what nobody else wants of the machine: where other work takes all of it, this takes long."""

DUNE = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name calc))\n",
    "lib/calc.ml": "let add x y = x + y\n",
    "greenloop.toml": "[record]\nshadow_max_load = 100\n",
}
RED = "let add x y = x + y\nlet twice : string = add 1 1\n"


def command(check: str) -> str:
    """Return settings with which the toolchain `command` runs a line of shell, however busy the machine is."""
    return f"[record]\nshadow_max_load = 100\n[toolchain]\nkind = 'command'\n[command]\ncheck = '{check}'\n"


class Beside:
    """The recorder's part: it keeps the shadow, and wakes it after each snapshot."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self.argv = [sys.executable, "-m", "greenloop", "--home", str(recorded.home.path)]
        self.argv += ["record", "shadow", str(recorded.root)]
        self.companion = Companion(self.argv, recorded.desk.path / "shadow.log")

    def snapshot(self) -> int:
        seq = self.recorded.snapshot().seq
        assert self.companion.keep() == "shadow", (self.recorded.desk.path / "shadow.log").read_text()
        return seq

    @property
    def state(self) -> ShadowState | None:
        return read_state(self.recorded.desk.path / "shadow.json")

    def doing(self, what: Doing) -> bool:
        return self.state is not None and self.state.doing is what

    def reports(self) -> list[BuildReport]:
        return list(self.recorded.home.snapshots.reports(self.recorded.workspace.id))

    def report(self, seq: int) -> BuildReport:
        assert until(lambda: any(one.seq == seq for one in self.reports())), self.state
        return next(one for one in self.reports() if one.seq == seq)


def until(holds: Callable[[], bool], seconds: float = 180.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def beside(recorded: Recorded) -> Iterator[Beside]:
    made = Beside(recorded)
    yield made
    made.companion.stop()


def held(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Return all that is below a folder: digests, times of change, modes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        found[str(path)] = (hashlib.sha256(content).hexdigest(), status.st_mtime_ns, status.st_mode)
    return found


def test_a_dune_project_is_judged_as_it_is_edited_and_its_build_is_left_alone(beside: Beside) -> None:
    recorded = beside.recorded
    for path, text in DUNE.items():
        recorded.save(path, text)
    subprocess.run(["dune", "build", "--root", "."], cwd=recorded.root, check=True, capture_output=True)
    subprocess.run(["git", "init", "-q"], cwd=recorded.root, check=True)
    recorded.save(".gitignore", "_build/\n")
    before = held(recorded.root)
    first = beside.report(beside.snapshot())
    assert (first.seq, first.source, first.status, first.smeared) == (0, "shadow", Status.GREEN, False)
    assert held(recorded.root) == before

    recorded.save("lib/calc.ml", RED)
    built = held(recorded.root / "_build")
    second = beside.report(beside.snapshot())
    assert second.status is Status.RED
    assert [one.path for one in second.diagnostics] == ["lib/calc.ml"]
    assert held(recorded.root / "_build") == built
    assert until(lambda: beside.doing(Doing.IDLE))
    assert beside.state is not None
    assert (beside.state.seq, beside.state.status, beside.state.pid) == (1, Status.RED, beside.companion.pid)

    # back to what it was: known, and not judged anew
    recorded.save("lib/calc.ml", DUNE["lib/calc.ml"])
    third = beside.report(beside.snapshot())
    assert (third.status, third.seconds) == (Status.GREEN, None)


def test_it_has_the_lowest_priority_and_one_core_and_so_has_what_it_runs(beside: Beside) -> None:
    recorded = beside.recorded
    recorded.save("greenloop.toml", command("echo a.py:1:1: error: $(nproc) core, nice $(nice); exit 1"))
    (error,) = beside.report(beside.snapshot()).diagnostics
    assert error.message == "1 core, nice 19"
    pid = beside.companion.pid
    assert pid is not None
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert psutil.Process(pid).cpu_affinity() == [max(os.sched_getaffinity(0))]


def test_what_came_while_it_judged_is_passed_over_but_for_the_newest(beside: Beside) -> None:
    recorded = beside.recorded
    recorded.save("greenloop.toml", command("sleep 2"))
    beside.snapshot()
    assert until(lambda: beside.doing(Doing.JUDGING))
    for number in range(4):
        recorded.save("a.py", f"x = {number}\n")
        beside.snapshot()
    beside.report(4)
    assert until(lambda: beside.doing(Doing.IDLE))
    assert [(one.seq, one.status) for one in beside.reports()] == [(0, Status.GREEN), (4, Status.GREEN)]


def test_it_waits_while_the_developers_own_build_holds_its_lock(beside: Beside) -> None:
    recorded = beside.recorded
    recorded.save("greenloop.toml", command("true"))
    recorded.save("_build/.lock", "")
    with (recorded.root / "_build/.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        beside.snapshot()
        assert until(lambda: beside.doing(Doing.WAITING))
        assert beside.state is not None
        assert "own build" in beside.state.why
        time.sleep(1)
        assert beside.reports() == []
    assert beside.report(0).status is Status.GREEN


def test_a_dune_that_watches_says_it_and_nothing_is_judged_beside_it(beside: Beside, trixie: Image) -> None:
    recorded = beside.recorded
    for path, text in DUNE.items():
        recorded.save(path, text.replace("2.9", "3.0"))
    recorded.save("greenloop.toml", command("false"))
    where = ["--ro-bind", str(trixie.root), "/", "--tmpfs", "/run", "--bind", str(recorded.root), "/run/work"]
    rest = ["--dev", "/dev", "--proc", "/proc", "--setenv", "HOME", "/run", "--setenv", "TMPDIR", "/run"]
    watch = ["dune", "build", "--root", ".", "--watch", "@check"]
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        ["bwrap", *where, *rest, "--die-with-parent", "--chdir", "/run/work", *watch],
        stdin=nowhere, stdout=nowhere, stderr=nowhere,
    ) as dune:  # fmt: skip
        try:
            assert until((recorded.root / "_build/.rpc/dune").is_socket)
            for seq, text in enumerate((DUNE["lib/calc.ml"], RED)):
                recorded.save("lib/calc.ml", text)
                assert beside.snapshot() == seq
                report = beside.report(seq)
                assert (report.source, report.status) == ("reported", Status.RED if seq else Status.GREEN)
            assert until(lambda: beside.doing(Doing.IDLE))
            assert len(beside.reports()) == 2
        finally:
            dune.kill()


def test_what_cannot_be_judged_is_never_red(beside: Beside) -> None:
    recorded = beside.recorded
    recorded.save("greenloop.toml", command("true").replace("'true'", "['no-such-tool-here']"))
    beside.snapshot()
    assert until(lambda: beside.doing(Doing.FAILED))
    assert beside.state is not None
    assert "no-such-tool-here" in beside.state.why
    assert beside.reports() == []
    assert beside.companion.keep() == "shadow"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_recorder_is_killed_nothing_of_it_is_left(beside: Beside, number: signal.Signals) -> None:
    recorded = beside.recorded
    recorded.save("greenloop.toml", command("sleep 321.5"))
    recorded.snapshot()
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom greenloop.snapshots.companion import Companion\n"
        "c = Companion(sys.argv[2:], Path(sys.argv[1]))\nc.keep(); print(c.pid, flush=True); time.sleep(600)"
    )
    words = [sys.executable, "-c", program, str(recorded.desk.path / "shadow.log"), *beside.argv]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        pid = int(recorder.stdout.readline())
        assert until(sleeping)
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        assert len(family) > 1
        assert family[-1].ionice().ioclass == psutil.IOPRIO_CLASS_IDLE
        recorder.send_signal(number)
    assert until(lambda: not any(alive(one) for one in family), 60), [one for one in family if alive(one)]
    assert not sleeping()
    assert beside.reports() == []


def sleeping() -> bool:
    return any(one.info["cmdline"] == ["sleep", "321.5"] for one in psutil.process_iter(["cmdline"]))


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False
