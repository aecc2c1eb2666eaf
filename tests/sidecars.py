"""A sidecar ends with the test that started it, also where the test is killed: by its home, never by its name."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 240.0
"""Seconds that a command may take on a busy machine."""
_GUARD = 'read -r _ || { sleep "$1"; shift; exec "$@"; }'
"""Ends when it is told to. Its input ends before that only if whoever started it was killed."""
_ORPHANS_SECONDS = 5
"""For commands that a killed test has left behind, which may be starting a sidecar."""


@contextmanager
def ended(home: Path) -> Iterator[None]:
    """End the sidecar of a home with the block; fail where it cannot be ended."""
    # found also where a test had its socket elsewhere
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    stop = [sys.executable, "-m", "greenloop", "--home", str(home), "aid", "stop"]
    guard = subprocess.Popen(
        ["/bin/sh", "-c", _GUARD, "sh", str(_ORPHANS_SECONDS), *stop],
        # apart, so that Ctrl-C and a time limit do not end it with the tests
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env=environment,
    )  # fmt: skip
    try:
        yield
    finally:
        done = subprocess.run(stop, env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE)
        guard.communicate(b"\n", timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
