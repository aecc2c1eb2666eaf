"""The shadow judges the newest snapshot alone, gives way, and keeps nothing where nothing is known."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from greenloop.builds.load import ScriptedLoad
from greenloop.builds.scripted import Answer, ScriptedJudge
from greenloop.records import Cancelled, InfrastructureError, Snapshot, Status, Suite, TreeId, Verdict
from greenloop.snapshots.clock import ManualClock
from greenloop.snapshots.recorder import workspace_for
from greenloop.snapshots.shadow import (
    BUSY_SECONDS,
    IDLE_SECONDS,
    Doing,
    Manners,
    Shadow,
    ShadowState,
    read_state,
    write_state,
)
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode

ANN = workspace_for("ann", "ledger")


class Judge:
    """A scripted judge, and what the verdict store knows."""

    def __init__(self, script: Callable[[TreeId], Answer]) -> None:
        self.stored: dict[TreeId, Verdict] = {}
        self.scripted = ScriptedJudge(lambda tree, _suite: script(tree), fingerprint="f" * 64)

    def known(self, tree: TreeId) -> Verdict | None:
        return self.stored.get(tree)

    def judge(self, tree: TreeId) -> Verdict:
        return self.scripted.judge(tree, Suite.CHECK)

    @property
    def asked(self) -> list[TreeId]:
        return [tree for tree, _ in self.scripted.asked]


class Room:
    """A history to which a test adds snapshots, and the shadow over it."""

    def __init__(self, store: SnapshotStore) -> None:
        self.store = store
        self.clock = ManualClock(100.0)
        self.answers: list[Answer] = []
        self.judge = Judge(lambda _tree: self.answers.pop(0) if self.answers else Status.GREEN)
        self.states: list[ShadowState] = []
        self.building = False
        store.add_workspace(ANN)

    def shadow(self, load: Iterable[float] = (0.0,)) -> Shadow:
        manners = Manners(ScriptedLoad(load), 0.2, lambda: self.building)
        return Shadow(self.store, ANN.id, self.judge, manners, self.states.append, pid=7, clock=self.clock)

    def save(self, text: str) -> TreeId:
        trees = self.store.trees
        tree = trees.write_tree({"a.ml": Entry(Mode.FILE, trees.write_blob(text.encode()))})
        last = self.store.last(ANN.id)
        seq = 0 if last is None else last.seq + 1
        self.store.add([Snapshot(workspace=ANN.id, seq=seq, time=self.clock.now(), tree=tree)])
        return tree

    def told(self) -> list[tuple[int, Status]]:
        return [(report.seq, report.status) for report in self.store.reports(ANN.id)]


@pytest.fixture
def room(store: SnapshotStore) -> Room:
    return Room(store)


def test_the_newest_snapshot_is_judged_once_and_its_report_is_kept(room: Room) -> None:
    shadow = room.shadow()
    assert shadow.step() == IDLE_SECONDS
    room.save("one")
    room.answers = [Status.RED]
    assert shadow.step() == 0.0
    assert shadow.step() == IDLE_SECONDS
    (report,) = room.store.reports(ANN.id)
    assert (report.seq, report.source, report.status, report.smeared) == (0, "shadow", Status.RED, False)
    assert (report.tool, report.suite) == ("f" * 64, Suite.CHECK)
    assert report.seconds is not None
    assert [state.doing for state in room.states] == [Doing.IDLE, Doing.JUDGING, Doing.IDLE]
    assert (room.states[-1].seq, room.states[-1].status, room.states[-1].pid) == (0, Status.RED, 7)


def test_those_that_waited_are_passed_over(room: Room) -> None:
    shadow = room.shadow()
    room.save("one")
    room.save("two")
    newest = room.save("three")
    shadow.step()
    room.save("four")
    shadow.step()
    assert room.told() == [(2, Status.GREEN), (3, Status.GREEN)]
    assert room.judge.asked[0] == newest


def test_it_waits_while_the_machine_is_busy_or_the_developer_builds(room: Room) -> None:
    room.save("one")
    shadow = room.shadow([0.9, 0.21, 0.1])
    assert [shadow.step() for _ in range(2)] == [BUSY_SECONDS] * 2
    room.building = True
    assert shadow.step() == BUSY_SECONDS
    assert room.judge.asked == []
    assert [state.doing for state in room.states] == [Doing.IDLE, Doing.WAITING, Doing.WAITING]
    assert "own build" in room.states[-1].why
    room.building = False
    room.save("two")
    shadow.step()
    assert room.told() == [(1, Status.GREEN)]


def test_a_tree_that_was_judged_before_is_answered_even_then(room: Room) -> None:
    tree = room.save("one")
    room.judge.stored[tree] = Verdict(tree=tree, toolchain="f" * 64, suite=Suite.CHECK, status=Status.RED)
    room.shadow([1.0]).step()
    assert room.told() == [(0, Status.RED)]
    assert room.judge.asked == []


def test_what_the_team_reported_is_not_judged_again(room: Room) -> None:
    tree = room.save("one")
    room.shadow().step()
    other = room.shadow()
    assert other.step() == IDLE_SECONDS, "a shadow that was started anew knows it too"
    assert room.judge.asked == [tree]


def test_an_infrastructure_error_is_no_status_and_is_tried_again(room: Room) -> None:
    room.save("one")
    room.answers = [InfrastructureError("no user namespaces"), InfrastructureError("still none")]
    shadow = room.shadow()
    assert shadow.step() == 30.0
    assert [state.doing for state in room.states] == [Doing.IDLE, Doing.JUDGING, Doing.FAILED]
    assert "no user namespaces" in room.states[-1].why
    room.clock.time += 10
    assert shadow.step() == 20.0, "not before its pause is over"
    room.clock.time += 20
    assert shadow.step() == 60.0
    assert room.told() == []
    room.clock.time -= 86_400  # the machine's clock is set back a day
    shadow.step()
    assert room.told() == [(0, Status.GREEN)]
    shadow.step()
    assert room.states[-1].doing is Doing.IDLE


def test_its_end_is_no_failure(room: Room) -> None:
    room.save("one")
    room.answers = [Cancelled("the end")]
    with pytest.raises(Cancelled):
        room.shadow().step()
    assert room.told() == []


def test_the_state_file_is_read_back_or_nothing(tmp_path: Path) -> None:
    state = ShadowState(pid=1, time=2.0, doing=Doing.WAITING, why="busy", seq=3, status=Status.RED, seconds=0.5)
    write_state(tmp_path / "shadow.json", state)
    assert read_state(tmp_path / "shadow.json") == state
    (tmp_path / "shadow.json").write_text("{")
    assert read_state(tmp_path / "shadow.json") is None
    assert read_state(tmp_path / "none.json") is None
