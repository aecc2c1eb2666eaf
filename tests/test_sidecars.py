"""What the tests themselves leave behind: no sidecar, however they end."""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.aid.wires import gone
from tests.sidecars import PATIENCE, ended

from greenloop.aid.door.place import Place

_TEST = """
import subprocess, sys
from pathlib import Path
from tests.sidecars import ended
with ended(Path(sys.argv[1])):
    command = [sys.executable, "-m", "greenloop", "--home", sys.argv[1], "aid", "start"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    print("started", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gl"))
    with ended(folder):
        yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("how", ["is killed", "ends"])
def test_a_test_leaves_no_sidecar(home: Path, how: str) -> None:
    root = Path(__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", _TEST, str(home)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as test:
        assert test.stdout is not None
        assert test.stdout.readline() == "started\n"
        card = Place(home / "aid", home / "run").card()
        assert card is not None
        assert not gone(card.pid)
        if how == "is killed":
            test.send_signal(signal.SIGKILL)
        # the end of its input is what it waits for
    deadline = time.monotonic() + PATIENCE
    while not gone(card.pid):
        assert time.monotonic() < deadline, "the sidecar stays"
        time.sleep(0.05)
