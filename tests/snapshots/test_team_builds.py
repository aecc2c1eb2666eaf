"""What the team's own builds tell belongs to a snapshot only if the tree was the same before and after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from greenloop.records import InputError, Snapshot, Status, Suite, TreeId
from greenloop.snapshots.clock import ManualClock
from greenloop.snapshots.recorder import workspace_for
from greenloop.snapshots.store import SnapshotStore
from greenloop.snapshots.team_builds import (
    CHANGED,
    NOT_LOOKED,
    NOT_SEEN,
    PASSED,
    UNKNOWN_START,
    Mark,
    Outcome,
    TeamBuilds,
    Told,
    settle_reports,
)
from greenloop.workspace.store import Entry, Mode

ANN = workspace_for("ann", "ledger")
RED = Told(status=Status.RED, suite=Suite.TEST, tool="make", seconds=3.0)


class Desk:
    """A recorded folder whose content is one word, with a recorder and a clock that are told what to do."""

    def __init__(self, store: SnapshotStore, folder: Path) -> None:
        self.store = store
        self.clock = ManualClock(1000.0)
        self.word = "one"
        self.folder = folder
        self.builds = TeamBuilds(store, ANN.id, folder, self.tree, clock=self.clock)
        store.add_workspace(ANN)

    def tree(self) -> TreeId:
        trees = self.store.trees
        return trees.write_tree({"a.ml": Entry(Mode.FILE, trees.write_blob(self.word.encode()))})

    def snapshot(self) -> None:
        """Let the recorder look."""
        last = self.store.last(ANN.id)
        seq = 0 if last is None else last.seq + 1
        self.store.add([Snapshot(workspace=ANN.id, seq=seq, time=self.clock.now(), tree=self.tree())])

    def pass_(self, seconds: float) -> float:
        self.clock.time += seconds
        return self.clock.time

    def told(self) -> list[tuple[int, Status, bool]]:
        return [(one.seq, one.status, one.smeared) for one in self.store.reports(ANN.id)]


@pytest.fixture
def desk(store: SnapshotStore, tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "desk"
    folder.mkdir()
    yield Desk(store, folder)
    store.close()


def test_a_build_of_the_newest_snapshot_is_its_status(desk: Desk) -> None:
    desk.snapshot()
    mark = Mark(time=desk.pass_(5))
    desk.pass_(3)
    assert desk.builds.finish(RED, mark) == Outcome(0)
    (report,) = desk.store.reports(ANN.id)
    assert (report.source, report.status, report.suite, report.tool) == ("reported", Status.RED, Suite.TEST, "make")
    assert report.time == 1008.0
    last = desk.store.last(ANN.id)
    assert last is not None
    assert last.reported is Status.RED


def test_without_a_start_it_is_smeared(desk: Desk) -> None:
    desk.snapshot()
    assert desk.builds.finish(RED, None) == Outcome(0, smeared=UNKNOWN_START)
    assert desk.told() == [(0, Status.RED, True)]
    last = desk.store.last(ANN.id)
    assert last is not None
    assert last.reported is None


def test_files_that_changed_meanwhile_smear_it(desk: Desk) -> None:
    desk.snapshot()
    mark = desk.builds.begin()
    desk.word += "!"
    assert desk.builds.finish(RED, mark) == Outcome(0, smeared=CHANGED)
    assert desk.told() == [(0, Status.RED, True)]


def test_an_edit_that_nobody_looked_at_is_not_told_as_one_during_the_build(desk: Desk) -> None:
    desk.snapshot()
    desk.pass_(1)
    desk.word = "two"
    start = desk.pass_(1)
    desk.pass_(1)
    assert desk.builds.finish(RED, Mark(time=start)) == Outcome(0, smeared=NOT_LOOKED)
    assert desk.told() == [(0, Status.RED, True)]


def test_a_start_before_the_newest_snapshot_says_nothing_of_it(desk: Desk) -> None:
    desk.snapshot()
    start = desk.pass_(1)
    desk.word = "two"
    desk.pass_(1)
    desk.snapshot()
    desk.pass_(1)
    assert desk.builds.finish(RED, Mark(time=start)) == Outcome(1, smeared=NOT_SEEN)


def test_a_build_right_after_a_save_waits_for_the_recorder(desk: Desk) -> None:
    desk.snapshot()
    desk.word = "two"
    mark = desk.builds.begin()
    desk.pass_(3)
    assert desk.builds.finish(RED, mark) == Outcome(0, waiting=True)
    assert desk.builds.settle() == 0
    assert desk.told() == []
    desk.snapshot()
    assert desk.builds.settle() == 1
    assert desk.builds.settle() == 0
    assert desk.told() == [(1, Status.RED, False)]


def test_the_recorder_gives_what_waits_to_the_snapshot_it_took(desk: Desk) -> None:
    desk.snapshot()
    assert settle_reports(desk.store, desk.folder) == 0
    desk.word = "two"
    assert desk.builds.finish(RED, desk.builds.begin()).waiting
    assert settle_reports(desk.store, desk.folder) == 0
    desk.snapshot()
    assert settle_reports(desk.store, desk.folder) == 1
    assert desk.told() == [(1, Status.RED, False)]


@pytest.mark.parametrize(
    ("word", "outcome", "told"),
    [
        ("two", Outcome(1), (1, Status.RED, False)),
        ("three", Outcome(0, smeared=PASSED), (0, Status.RED, True)),
    ],
)
def test_a_snapshot_taken_while_the_report_reads_the_tree_counts(
    desk: Desk, word: str, outcome: Outcome, told: tuple[int, Status, bool]
) -> None:
    desk.snapshot()
    desk.word = "two"
    mark = desk.builds.begin()

    def read_slowly() -> TreeId:
        tree = desk.tree()
        desk.word = word
        desk.snapshot()
        return tree

    slow = TeamBuilds(desk.store, ANN.id, desk.folder, read_slowly, clock=desk.clock)
    assert slow.finish(RED, mark) == outcome
    assert desk.told() == [told]


def test_what_was_edited_before_the_recorder_looked_is_smeared(desk: Desk) -> None:
    desk.snapshot()
    desk.word = "two"
    assert desk.builds.finish(RED, desk.builds.begin()).waiting
    desk.word = "three"
    desk.snapshot()
    desk.word = "two"
    desk.snapshot()
    # the next report settles what waits, in whatever process
    green = Told(status=Status.GREEN)
    assert desk.builds.finish(green, desk.builds.begin()) == Outcome(2)
    assert desk.told() == [(0, Status.RED, True), (2, Status.GREEN, False)]


def test_without_a_recorder_only_the_newest_reports_wait(desk: Desk) -> None:
    desk.snapshot()
    desk.word = "two"
    for _ in range(130):
        desk.builds.finish(RED, desk.builds.begin())
    desk.snapshot()
    assert desk.builds.settle() == 100


def test_a_mark_is_kept_for_another_process_and_used_once(desk: Desk) -> None:
    desk.snapshot()
    desk.builds.keep(desk.builds.begin())
    assert desk.builds.kept() == Mark(time=1000.0, tree=desk.tree())
    assert desk.builds.kept() is None


def test_a_history_without_snapshots_takes_no_report(desk: Desk) -> None:
    with pytest.raises(InputError, match="no snapshot"):
        desk.builds.finish(RED, desk.builds.begin())
