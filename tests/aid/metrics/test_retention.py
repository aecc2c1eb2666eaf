"""How much of an acceptance is still there, by snapshots."""

from tests.aid.metrics.conftest import History

from greenloop.aid.metrics.retention import settle

BEFORE = "let a = 1\nlet b = 2\n"
AFTER = "let a = 1\nlet c = 3\nlet d = 4\n"


def test_what_stays_is_kept_at_every_horizon(history: History) -> None:
    history.at(0, BEFORE)
    history.accepted(100, BEFORE, AFTER)
    history.at(105, AFTER)
    history.at(1000, AFTER + "(* more *)\n")
    assert settle(history.funnel, history.snapshots) == 4
    # two lines came, one went
    assert history.kept() == {"30s": (3, 3), "2min": (3, 3), "5min": (3, 3), "10min": (3, 3)}


def test_what_is_changed_later_is_kept_until_then(history: History) -> None:
    history.at(0, BEFORE)
    history.accepted(100, BEFORE, AFTER)
    history.at(105, AFTER)
    history.at(200, "let a = 1\nlet c = 3\nlet d = 5\n")
    history.at(350, BEFORE)
    history.at(900, BEFORE + "let e = 1\n")
    settle(history.funnel, history.snapshots)
    assert history.kept() == {"30s": (3, 3), "2min": (2, 3), "5min": (0, 3), "10min": (0, 3)}


def test_work_elsewhere_in_the_file_takes_nothing_away(history: History) -> None:
    history.accepted(100, BEFORE, AFTER)
    history.at(101, AFTER)
    history.at(110, f"(* a header *)\nopen Base\n{AFTER}let z = 0\n")
    history.at(1000, "")
    settle(history.funnel, history.snapshots)
    assert history.kept()["10min"] == (3, 3)


def test_a_moment_that_is_yet_to_come_is_not_told(history: History) -> None:
    history.accepted(100, BEFORE, AFTER)
    history.at(101, AFTER)
    history.at(250, AFTER + "\n")
    settle(history.funnel, history.snapshots)
    assert set(history.kept()) == {"30s", "2min"}
    # nothing changed since, but the recorder looked: by its heartbeat
    settle(history.funnel, history.snapshots, alive=lambda _workspace: 500.0)
    assert set(history.kept()) == {"30s", "2min", "5min"}


def test_where_the_recorder_was_off_nothing_is_told(history: History) -> None:
    history.accepted(100, BEFORE, AFTER)
    history.at(101, AFTER)
    history.at(5000, BEFORE, cut="start")
    settle(history.funnel, history.snapshots)
    assert history.kept() == {}


def test_a_state_from_before_the_acceptance_tells_nothing_of_it(history: History) -> None:
    history.at(90, BEFORE)
    history.accepted(100, BEFORE, AFTER)
    history.at(110, AFTER)
    history.at(2000, AFTER + "\n")
    history.accepted(3000, AFTER, BEFORE, "a2")
    settle(history.funnel, history.snapshots, alive=lambda _workspace: 9000.0)
    assert {one.acceptance for one in history.funnel.retained()} == {"a1"}


def test_at_the_commit(history: History) -> None:
    history.accepted(100, BEFORE, AFTER)
    history.at(101, AFTER)
    history.at(4000, "let a = 1\nlet c = 3\n")
    history.at(4100, "let a = 1\nlet c = 3\n", cut="commit")
    settle(history.funnel, history.snapshots)
    assert history.kept()["commit"] == (2, 3)


def test_a_deleted_file_stays_deleted_or_comes_back(history: History) -> None:
    history.accepted(100, BEFORE, None)
    history.at(101, None)
    history.at(300, BEFORE)
    history.at(3000, BEFORE + "\n")
    settle(history.funnel, history.snapshots)
    assert history.kept() == {"30s": (2, 2), "2min": (2, 2), "5min": (0, 2), "10min": (0, 2)}


def test_what_was_told_is_told_once(history: History) -> None:
    history.accepted(100, BEFORE, AFTER)
    history.at(101, AFTER)
    history.at(1000, BEFORE)
    assert settle(history.funnel, history.snapshots) == 4
    assert settle(history.funnel, history.snapshots) == 0
