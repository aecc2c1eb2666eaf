"""How a recording fares, by its heartbeat, its lock and the person's wish."""

import os
from pathlib import Path

import pytest

from greenloop.snapshots import heartbeat
from greenloop.snapshots.enrolment import Desk, Enrolment, Enrolments, Wish
from greenloop.snapshots.heartbeat import Heartbeat, State
from greenloop.snapshots.recorder import workspace_for


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    enrolment = Enrolment(root="/w", workspace=workspace_for("ann", "ledger"), time=1.0, by="ann", words="yes")
    made = Enrolments(tmp_path / "recorder").enrol(enrolment)
    made.want(Wish())
    return made


def beat(desk: Desk, at: float, halted: str = "") -> None:
    heartbeat.write(desk.heartbeat, Heartbeat(pid=os.getpid(), started=0.0, beat=at, every=20.0, halted=halted))


def test_one_that_should_run_and_does_not_is_dead(desk: Desk) -> None:
    beat(desk, 100.0)
    assert heartbeat.state(desk, 101.0) is State.DEAD
    assert not State.DEAD.well


def test_one_that_was_stopped_is_well(desk: Desk) -> None:
    desk.want(Wish(recording=False))
    assert heartbeat.state(desk, 101.0) is State.STOPPED
    assert State.STOPPED.well


def test_one_that_runs_is_judged_by_its_beat(desk: Desk) -> None:
    with desk.held():
        assert heartbeat.state(desk, 100.0) is State.RECORDING  # its first look has not ended
        beat(desk, 100.0)
        assert heartbeat.state(desk, 159.0) is State.RECORDING
        assert heartbeat.state(desk, 161.0) is State.STUCK
        beat(desk, 161.0, halted="no room")
        assert heartbeat.state(desk, 162.0) is State.HALTED
        beat(desk, 162.0)
        desk.want(Wish(paused=True, until=170.0))
        assert heartbeat.state(desk, 163.0) is State.PAUSED
        assert heartbeat.state(desk, 171.0) is State.RECORDING


def test_the_heartbeat_of_the_one_before_says_nothing(desk: Desk) -> None:
    heartbeat.write(desk.heartbeat, Heartbeat(pid=1, started=0.0, beat=100.0, every=20.0, halted="no room"))
    with desk.held():
        assert heartbeat.state(desk, 10_000.0) is State.RECORDING


def test_one_whose_wish_cannot_be_read_is_not_well(desk: Desk) -> None:
    (desk.path / "wish.json").write_text("{")
    assert heartbeat.state(desk, 100.0) is State.DEAD


def test_a_damaged_heartbeat_is_none(desk: Desk) -> None:
    desk.heartbeat.write_text("{")
    assert heartbeat.read(desk.heartbeat) is None
