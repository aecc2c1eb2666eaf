"""The recorder as a person meets it: consent, a process of its own, what it says of itself, and its end."""

import os
import signal
import time
from pathlib import Path

import pytest
from tests.e2e.recorders import SETTINGS, Command, until

pytestmark = pytest.mark.e2e


def test_without_consent_nothing_is_recorded(record: Command, work: Path) -> None:
    said = record("start", str(work), status=2)

    assert "nobody is there to consent" in said
    assert "Nothing leaves this machine" in said
    assert "files that hold secrets stay out" in said
    assert "Nothing is recorded" in record("status")
    assert "is not recorded" in record("stop", str(work), status=2)


def test_from_start_to_stop(record: Command, work: Path) -> None:
    said = record("start", str(work), "--yes")
    assert "recorder/Ann/work" in said
    until(lambda: record.taken() == 1)

    (work / "a.ml").write_text("let a = 2\n")
    (work / "key.pem").write_text("x")
    until(lambda: record.taken() == 2)
    until(lambda: record.fare(work)["skipped"] == 1)
    shown = record("status", "--skipped")
    assert "recording" in shown
    assert "last snapshot" in shown
    assert "1 skipped" in shown
    assert "key.pem: secret by its name" in shown
    # a second start is no second recorder
    assert "is being recorded" in record("start", str(work))

    assert "not recorded any more" in record("stop", str(work))
    assert record.fare(work)["state"] == "stopped"
    assert record.run("status").returncode == 0


def test_a_pause_hides_what_happens_in_it(record: Command, work: Path) -> None:
    record("start", str(work), "--yes")
    until(lambda: record.taken() == 1)
    record("pause", str(work))
    until(lambda: record.fare(work)["state"] == "paused")
    (work / "a.ml").write_text("let a = 2\n")
    time.sleep(2.0)
    assert record.fare(work)["snapshots"] == 1
    (work / "a.ml").write_text("let a = 3\n")

    record("resume", str(work))
    until(lambda: record.taken() == 2)
    record("stop", str(work))


def test_one_that_was_killed_is_told_and_starts_again(record: Command, work: Path) -> None:
    record("start", str(work), "--yes")
    until(lambda: record.taken() == 1)
    (lock,) = (record.home / "recorder").glob("*/lock")
    os.kill(int(lock.read_text()), signal.SIGKILL)
    until(lambda: record.fare(work)["state"] == "dead")

    said = record("status", status=1)
    assert "it should be running and is not" in said
    (work / "a.ml").write_text("let a = 2\n")
    record("start", "--all")
    until(lambda: record.taken() == 2)
    record("stop", str(work))


def test_a_file_at_the_root_forbids_it(record: Command, work: Path) -> None:
    (work / ".greenloop-no-record").touch()
    assert "forbids recording" in record("start", str(work), "--yes", status=2)
    (work / ".greenloop-no-record").unlink()
    record("start", str(work), "--yes")
    until(lambda: record.taken() == 1)
    (work / ".greenloop-no-record").touch()
    (work / "a.ml").write_text("let a = 2\n")

    until(lambda: record.fare(work)["state"] == "halted")
    assert "forbids recording" in record("status", status=1)
    assert record.fare(work)["snapshots"] == 1
    record("stop", str(work))


def test_a_disk_without_room_is_told(record: Command, work: Path) -> None:
    (work / "greenloop.toml").write_text(SETTINGS.replace("floor_mib = 0", "floor_mib = 1000000000"))
    record("start", str(work), "--yes")
    until(lambda: record.fare(work)["state"] == "halted")

    assert "free" in record("status", status=1)
    assert record.fare(work)["snapshots"] == 0
    record("stop", str(work))


def test_a_withdrawn_consent_is_gone(record: Command, work: Path) -> None:
    record("start", str(work), "--yes")
    until(lambda: record.taken() == 1)
    record("stop", str(work), "--withdraw")

    assert "Nothing is recorded" in record("status")
    assert "nobody is there to consent" in record("start", str(work), status=2)


def test_to_stop_in_a_pause_does_not_end_the_pause(record: Command, work: Path) -> None:
    record("start", str(work), "--yes")
    until(lambda: record.taken() == 1)
    record("pause", str(work))
    until(lambda: record.fare(work)["state"] == "paused")
    (work / "a.ml").write_text("hidden\n")
    record("stop", str(work))

    assert [("hidden\n" in contents) for contents in record.contents()] == [False]


def test_a_purge_beside_a_recorder_leaves_nothing_and_wakes_nobody(record: Command, work: Path) -> None:
    record("start", str(work), "--yes")
    until(lambda: record.taken() == 1)
    (work / "notes.txt").write_text("mine alone\n")
    until(lambda: record.taken() == 2)
    record("pause", str(work))
    said = record("purge", str(work), "--path", "notes.txt", "--yes")
    assert "recorded again unless" in said
    until(lambda: record.fare(work)["state"] == "paused")
    assert [("mine alone\n" in contents) for contents in record.contents()] == [False, False]

    record("resume", str(work))
    until(lambda: record.fare(work)["snapshots"] == 3)
    assert "Recording is paused" in record("purge", str(work), "--all", "--yes")
    until(lambda: record.fare(work)["state"] == "paused")
    assert record.contents() == []
    record("resume", str(work))
    until(lambda: record.fare(work)["snapshots"] == 1)
    record("stop", str(work))


def test_one_folder_that_cannot_start_does_not_keep_the_others(record: Command, work: Path) -> None:
    other = work.with_name("other")
    other.mkdir()
    (other / "greenloop.toml").write_text(SETTINGS)
    for folder in (other, work):
        record("start", str(folder), "--yes")
    for lock in (record.home / "recorder").glob("*/lock"):
        os.kill(int(lock.read_text()), signal.SIGKILL)
    until(lambda: record.fare(work)["state"] == record.fare(other)["state"] == "dead")
    (other / "greenloop.toml").write_text("version = 9\n")

    record("start", "--all", status=1)
    assert record.fare(work)["state"] == "recording"
    # and a consent that cannot be read is told beside the others
    (next((record.home / "recorder").glob("other-*")) / "enrolment.json").write_text("{")
    said = record("status", status=1)
    assert "enrolment.json: the consent cannot be read" in said
    assert str(work) in said
    record("stop", str(work))


def test_two_starts_at_once_are_one_recorder(record: Command, work: Path) -> None:
    starts = [record.begin("start", str(work), "--yes") for _ in range(3)]
    said = [process.communicate(timeout=120)[0] for process in starts]

    assert [process.returncode for process in starts] == [0, 0, 0]
    assert sorted(words.partition(" ")[0] for words in said) == sorted(["Recording", str(work), str(work)])
    assert all(f"process {record.process(work)}" in words for words in said)
    record("stop", str(work))


def test_a_home_in_the_folder_is_refused_before_anything_is_made(work: Path) -> None:
    inside = Command(work / ".gl home")

    said = inside("start", str(work), "--yes", status=2)
    assert f"{inside.home} lies in {work}" in said
    assert "Greenloop will record" not in said
    assert not inside.home.exists()
