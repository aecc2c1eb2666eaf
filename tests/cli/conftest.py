"""A folder that a person has consented to have recorded, with the recorder's part played by hand."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenloop.cli.home import Home
from greenloop.records import Snapshot
from greenloop.snapshots.enrolment import Desk, Enrolment, Enrolments, Wish
from greenloop.snapshots.recorder import workspace_for
from greenloop.workspace.vcs import read_checkout


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
