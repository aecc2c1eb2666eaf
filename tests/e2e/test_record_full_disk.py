"""A recorder on a disk that fills up: it lives on, says so, can be stopped, and goes on when there is room."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

PROGRAM = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.e2e.recorders import Command, until

full, work = Path(sys.argv[1]), Path(sys.argv[2])
record = Command(full / "home")

def fill():
    with (full / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            pass

def asked(*words):
    done = record.run(*words)
    return [done.returncode, done.stdout + done.stderr]

record("start", str(work), "--yes")
until(lambda: record.taken() == 1)
pid = record.process(work)
told = {}
try:
    fill()
    (work / "a.ml").write_text("let a = 2\\n")
    until(lambda: record.fare(work)["state"] == "halted")
    told["status"] = asked("status")
    told["purge"] = asked("purge", str(work), "--all", "--yes")
    told["lives"] = record.desk(work).running() == pid
    (full / "ballast").unlink()
    until(lambda: record.fare(work)["state"] == "recording" and record.taken() == 2)
    told["goes on"] = asked("status")
    told["log"] = record.desk(work).log.read_text()
    fill()
    told["stop"] = asked("stop", str(work))
    told["stopped"] = record.desk(work).running() is None
    (full / "ballast").unlink()
    told["again"] = asked("stop", str(work))
    told["end"] = record.fare(work)["state"]
finally:
    if left := record.desk(work).running():
        os.kill(left, signal.SIGKILL)
print(json.dumps(told))
"""


def test_on_a_full_disk_it_lives_and_says_so_and_stops_when_told(tmp_path: Path, work: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    mounted = 'mount -t tmpfs -o size=8m tmpfs "$1"; shift; exec "$@"'
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", mounted, "sh", str(full), sys.executable,
         "-c", PROGRAM, str(full), str(work), root],
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)

    status, said = told["status"]
    assert status == 1
    assert f"{work} as recorder/Ann/work: halted" in said
    assert "disk is full" in said
    status, said = told["purge"]
    assert status == 1
    assert said.count("greenloop:") == 1, said
    assert "disk" in said
    assert told["lives"]
    assert told["goes on"][0] == 0
    # told once, not at every look
    assert told["log"].count("not recording") == 1
    status, said = told["stop"]
    assert status == 1
    assert "is not recorded any more, but that you want so cannot be kept" in said
    assert told["stopped"]
    assert told["again"][0] == 0
    assert told["end"] == "stopped"
