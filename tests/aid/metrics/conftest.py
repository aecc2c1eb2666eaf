"""A recorded workspace of one file, with the recorder's part played by hand."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenloop.feedback.funnel import Funnel
from greenloop.records import Snapshot, TreeId, Workspace
from greenloop.records.funnel import FunnelEvent, Step, label
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore

WORKSPACE = Workspace(id="recorder/ann/ledger", author="ann", title="ledger", source="recorder")


class History:
    """Snapshots of ``ledger.ml``, and acceptances in it."""

    def __init__(self, trees: TreeStore, snapshots: SnapshotStore, funnel: Funnel) -> None:
        self.trees = trees
        self.snapshots = snapshots
        self.funnel = funnel
        snapshots.add_workspace(WORKSPACE)

    def tree(self, text: str | None) -> TreeId:
        """Return the tree in which the file holds ``text``, or is not there."""
        files = {"README": "a ledger\n", **({} if text is None else {"ledger.ml": text})}
        return self.trees.write_tree(
            {path: Entry(Mode.FILE, self.trees.write_blob(content.encode())) for path, content in files.items()}
        )

    def at(self, time: float, text: str | None, cut: str = "") -> None:
        """Take a snapshot."""
        seq = self.snapshots.next_seq(WORKSPACE.id)
        taken = Snapshot(workspace=WORKSPACE.id, seq=seq, time=time, tree=self.tree(text), cut=cut)
        self.snapshots.add([taken])

    def accepted(self, time: float, before: str, after: str | None, name: str = "a1") -> None:
        """Note that a person accepted what leads from one text to another."""
        self.funnel.add(
            FunnelEvent(
                time=time,
                step=Step.ACCEPTED,
                turn="t1",
                suggestion="s1",
                acceptance=name,
                workspace=label(WORKSPACE.id),
                base=self.tree(before),
                result=self.tree(after),
                hunks=1,
            )
        )

    def kept(self) -> dict[str, tuple[int, int]]:
        """Return horizon → (lines kept, lines there were)."""
        return {one.horizon: (one.kept, one.of) for one in self.funnel.retained()}


@pytest.fixture
def funnel(tmp_path: Path) -> Iterator[Funnel]:
    with Funnel(tmp_path / "home" / "funnel.db") as opened:
        yield opened


@pytest.fixture
def history(tmp_path: Path, store: TreeStore, funnel: Funnel) -> Iterator[History]:
    snapshots = SnapshotStore(tmp_path / "snapshots.db", store)
    yield History(store, snapshots, funnel)
    snapshots.close()


Event = Callable[..., FunnelEvent]


@pytest.fixture
def event() -> Event:
    """Return a function that makes an event of turn ``t1``."""

    def make(step: Step, **fields: object) -> FunnelEvent:
        return FunnelEvent.model_validate({"time": 1000.0, "step": step, "turn": "t1", **fields})

    return make
