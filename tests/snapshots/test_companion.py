"""The process beside the recorder: woken, started again with pauses, and gone when the recorder is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from greenloop.snapshots.companion import Companion

ECHO = "import sys\nfor line in sys.stdin: print('woken', flush=True)\nprint('end', flush=True)"


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def soon(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_it_is_woken_at_every_keep_and_ends_when_told(tmp_path: Path) -> None:
    companion = Companion(python(ECHO), tmp_path / "log")
    assert companion.keep() == "shadow" == companion.keep()
    assert soon(lambda: (tmp_path / "log").read_text() == "woken\nwoken\n")
    pid = companion.pid
    assert pid is not None
    assert os.getsid(pid) == pid, "Ctrl-C of the terminal does not reach it"
    companion.stop()
    companion.stop()
    assert (tmp_path / "log").read_text().endswith("end\n")
    assert companion.pid is None


def test_one_that_ends_is_started_again_with_growing_pauses(tmp_path: Path) -> None:
    now = [0.0]
    companion = Companion(python("raise SystemExit('no compiler')"), tmp_path / "log", now=lambda: now[0])
    said = []
    for _ in range(3):
        companion.keep()
        assert soon(lambda: companion.pid is None)
        said.append(companion.keep())
        now[0] += 1.0
        assert companion.pid is None, "not before its pause is over"
        now[0] += 600.0
    assert said == [f"no shadow: it ended with exit status 1: no compiler; again in {pause} s" for pause in (2, 4, 8)]


def test_one_that_ran_well_is_started_again_soon(tmp_path: Path) -> None:
    now = [0.0]
    companion = Companion(python(ECHO), tmp_path / "log", now=lambda: now[0])
    for _ in range(3):
        assert companion.keep() == "shadow"
        now[0] += 3600
        assert companion.pid is not None
        os.kill(companion.pid, signal.SIGKILL)
        assert soon(lambda: companion.pid is None)
        assert "again in 2 s" in companion.keep()
        now[0] += 2
    companion.stop()


def test_what_cannot_be_started_is_told_and_does_not_end_the_recorder(tmp_path: Path) -> None:
    companion = Companion([str(tmp_path / "nothing")], tmp_path / "log")
    assert "could not be started" in companion.keep()
    assert "could not be started" in Companion(python(ECHO), tmp_path / "gone/log").keep()


def test_a_child_that_does_not_listen_never_holds_up_the_recorder(tmp_path: Path) -> None:
    companion = Companion(python("import time; time.sleep(600)"), tmp_path / "log")
    for _ in range(20_000):
        assert companion.keep() == "shadow"
    companion.stop(0.2)
    assert companion.pid is None


def test_it_is_gone_when_its_recorder_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom greenloop.snapshots.companion import Companion\n"
        "c = Companion([sys.executable, '-c', sys.argv[2]], Path(sys.argv[1]))\n"
        "c.keep(); print(c.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([*python(program), str(tmp_path / "log"), ECHO], stdout=subprocess.PIPE) as recorder:
        assert recorder.stdout is not None
        pid = int(recorder.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        recorder.kill()
    assert soon(lambda: "end" in (tmp_path / "log").read_text())
