"""Giving way touches the process that does, and whom it starts; a whole session only where that is its own."""

import subprocess
import sys
from pathlib import Path

import pytest

AUTOGROUP = Path("/proc/self/autogroup")
PROGRAM = "import os; from greenloop.builds.priority import give_way; give_way(); print(os.nice(0))"


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="expected: this kernel has no autogroups")
@pytest.mark.parametrize("own", [False, True])
def test_the_session_of_others_keeps_its_priority(own: bool) -> None:
    shown = f"{PROGRAM}; print(open('{AUTOGROUP}').read())"
    before = AUTOGROUP.read_text()

    done = subprocess.run(
        [sys.executable, "-c", shown], capture_output=True, text=True, check=True, start_new_session=own
    )

    assert done.stdout.startswith("19\n")
    assert done.stdout.rstrip().endswith("nice 19") == own
    assert AUTOGROUP.read_text() == before
