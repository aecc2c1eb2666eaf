"""The sandbox for a user who is not root: the same layers hold without control groups."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

PLAIN_UID = 54321

SCRIPT = """
import codecs, json, os, pathlib, sys
from greenloop.builds.sandbox import Bubblewrap, Command, Limits, self_test

home = pathlib.Path(sys.argv[1])
codecs.lookup("ascii")  # loaded while the interpreter's own files can still be read
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(*[int(sys.argv[2])] * 3)
    os.setresuid(*[int(sys.argv[2])] * 3)
(home / "lower").mkdir()
(home / "lower" / "file").write_text("lower")
(home / "delta").mkdir()
(home / "delta" / "new").write_text("new")
sandbox = Bubblewrap(scratch=home, limits=Limits(processes=32))

def sh(script, **options):
    return Command(("sh", "-c", script), **options)

done = sandbox.run_over(
    home / "lower",
    delta=home / "delta",
    deletions=("file",),
    commands=(
        sh("ls; id -u; echo x >x; cat x; cat /etc/shadow || echo unreadable"),
        sh("i=0; while [ $i -lt 60 ]; do sleep 9 & i=$((i + 1)); done; echo all"),
        sh("setsid sleep 60 & sleep 60", seconds=0.3),
        sh("bomb() { bomb | bomb & }; bomb; while :; do sleep 0.01; done", seconds=0.5),
        sh("echo fine"),
    ),
    keep_going=True,
)
sandbox.run_in(home / "lower", (sh("echo warm >warm"),))
print(json.dumps({
    "uid": os.geteuid(),
    "layers": {report.name: report.ok for report in self_test(home)},
    "runs": [[r.exit_status, r.stdout.decode(), r.timed_out] for r in done],
    "lower": sorted(path.name for path in (home / "lower").iterdir()),
    "left": sorted(path.name for path in home.iterdir()),
}))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that a plain user can reach: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="greenloop-plain-"))
    if os.geteuid() == 0:
        os.chown(folder, PLAIN_UID, PLAIN_UID)
    yield folder
    shutil.rmtree(folder)


def test_all_layers_hold_for_a_plain_user(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(home), str(PLAIN_UID)], capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    assert found["uid"] != 0
    assert [name for name, ok in found["layers"].items() if not ok] == []
    assert len(found["layers"]) >= 12
    first, flood, late, bomb, last = found["runs"]
    assert first == [0, "new\n1000\nx\nunreadable\n", False]
    assert "all" not in flood[1]
    assert late[2]
    assert bomb[2] or bomb[0] != 0
    assert last == [0, "fine\n", False]
    assert found["lower"] == ["file", "warm"]
    assert found["left"] == ["delta", "lower"]
