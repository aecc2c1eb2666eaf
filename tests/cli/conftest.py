"""A folder that a person has consented to have recorded, the recorder played by hand; and a home for a sidecar."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sidecars import ended

from greenloop.cli.home import Home
from greenloop.records import Snapshot
from greenloop.snapshots.enrolment import Desk, Enrolment, Enrolments, Wish
from greenloop.snapshots.recorder import workspace_for
from greenloop.workspace.vcs import read_checkout

Run = Callable[..., subprocess.CompletedProcess[str]]
PATIENCE = 240.0
"""Seconds that a command may take on a busy machine."""


def command_of(home: Path, *words: str) -> list[str]:
    """Return the command line of ``greenloop`` with a home."""
    return [sys.executable, "-m", "greenloop", "--home", str(home), *words]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with a short name: the path of its socket has to be."""
    folder = Path(tempfile.mkdtemp(prefix="gl"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def aid(home: Path) -> Iterator[Run]:
    """Return a function that runs ``greenloop aid`` with a home; its sidecar is ended with the test."""
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}

    def run(*words: str, env: dict[str, str] | None = None, **more: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command_of(home, "aid", *words),
            env={**environment, **(env or {})}, capture_output=True, text=True, check=False, timeout=PATIENCE, **more,
        )  # fmt: skip

    with ended(home):
        yield run


class Recorded:
    """The folder ``root``, enrolled in the home that the fixture ``greenloop`` uses."""

    workspace = workspace_for("ann", "ledger")

    def __init__(self, root: Path, home: Path) -> None:
        root.mkdir()
        self.root = root
        self.home = Home(home)
        self.home.snapshots.add_workspace(self.workspace)
        consent = Enrolment(root=str(root), workspace=self.workspace, time=1.0, by="ann", words="")
        self.desk: Desk = Enrolments(home / "recorder").enrol(consent)
        self.desk.want(Wish())

    def save(self, path: str, text: str) -> None:
        """Write a file of the folder."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def snapshot(self, at: float | None = None, cut: str = "") -> Snapshot:
        """Take a snapshot, as the recorder would."""
        last = self.home.snapshots.last(self.workspace.id)
        taken = Snapshot(
            workspace=self.workspace.id,
            seq=0 if last is None else last.seq + 1,
            time=time.time() if at is None else at,
            tree=read_checkout(self.root, self.home.trees).tree,
            cut=cut,
        )
        self.home.snapshots.add([taken])
        return taken

    def close(self) -> None:
        """Let go of the stores."""
        self.home.snapshots.close()
        self.home.verdicts.close()


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    made = Recorded(tmp_path / "ledger", tmp_path / "home")
    yield made
    made.close()
