"""``greenloop record`` as a process with a home of its own, and how to wait for what it does."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from greenloop.cli.home import Home
from greenloop.snapshots.enrolment import Desk, Enrolments

SETTINGS = """version = 1
[record]
interval_seconds = 0.3
builds = "none"
free_space_floor_mib = 0
author = "Ann"
"""
_SECONDS = 60.0


@dataclass(frozen=True)
class Command:
    """``greenloop`` with a home of its own, run as a process."""

    home: Path

    def __call__(self, *arguments: str, status: int = 0) -> str:
        done = self.run(*arguments)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start it, and do not wait."""
        return subprocess.Popen(
            [sys.executable, "-m", "greenloop", "--home", str(self.home), "record", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip

    def taken(self) -> int:
        """Return how many snapshots there are, as the recorder's heartbeat tells: asked for many times a second."""
        found = [json.loads(path.read_bytes()) for path in (self.home / "recorder").glob("*/heartbeat.json")]
        return sum(beat["seq"] + 1 for beat in found if beat["seq"] is not None)

    def fare(self, folder: Path) -> dict[str, object]:
        body: dict[str, object] = json.loads(self.run("status", str(folder), "--json").stdout)
        return body

    def desk(self, folder: Path) -> Desk:
        """Return the desk of an enrolled folder."""
        found = Enrolments(self.home / "recorder").find(folder)
        assert found is not None
        return found

    def process(self, folder: Path) -> int:
        """Return the process id of the recorder of a folder."""
        pid = self.desk(folder).running()
        assert pid is not None
        return pid

    def contents(self) -> list[set[str]]:
        """Return the contents of the files of each snapshot of Ann's work."""
        store = Home(self.home).snapshots
        try:
            return [
                {store.trees.read_blob(entry.blob).decode() for entry in store.trees.files(one.tree).values()}
                for one in store.snapshots("recorder/Ann/work")
            ]
        finally:
            store.close()


def until(what: Callable[[], bool]) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + _SECONDS
    while not what():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.1)
