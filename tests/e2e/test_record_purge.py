"""A purge that does not come to its end: nothing is recorded before it is finished, and nobody is left ended."""

import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.recorders import SETTINGS, Command, until

pytestmark = pytest.mark.e2e

FINISH = "wait if it is at work, else run `greenloop record purge` again"


def recorded(record: Command, work: Path) -> None:
    """Have two snapshots of a folder taken."""
    record("start", str(work), "--yes")
    until(lambda: record.taken() == 1)
    (work / "a.ml").write_text("let a = 2\n")
    until(lambda: record.taken() == 2)


@contextmanager
def in_the_middle(record: Command, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a purge, and let it go on from its beginning only when the block has ended."""
    with sqlite3.connect(record.home / "snapshots.db", isolation_level=None) as index:
        index.execute("BEGIN IMMEDIATE")
        with record.begin("purge", *arguments, "--yes") as process:
            until((record.home / "purge-unfinished.json").exists)
            yield process
            index.execute("ROLLBACK")
            process.communicate(timeout=120)


def test_after_a_killed_purge_nothing_is_recorded_before_it_is_finished(record: Command, work: Path) -> None:
    recorded(record, work)
    with in_the_middle(record, str(work), "--since", "1h") as process:
        process.kill()

    said = record("status", status=1)
    assert said.count("greenloop record") == said.count("`greenloop record purge` again") > 0
    for words in (("start", str(work)), ("start", "--all"), ("resume", str(work))):
        done = record.run(*words)
        assert done.returncode in {1, 2}
        assert f"a purge of recorder/Ann/work is not finished\n  → {FINISH}" in done.stderr
        assert record.desk(work).running() is None

    # another moment, so another scope
    said = record("purge", str(work), "--since", "1h", "--yes")
    assert "which was not finished, is finished too" in said
    assert "Recording is paused" in said
    until(lambda: record.fare(work)["state"] == "paused")
    assert record.contents() == []
    assert record.run("status").returncode == 0
    record("resume", str(work))
    until(lambda: len(record.contents()) == 1)
    record("stop", str(work))


def test_a_purge_that_was_interrupted_leaves_the_folder_paused_until_it_is_finished(
    record: Command, work: Path
) -> None:
    recorded(record, work)
    with in_the_middle(record, str(work), "--all") as process:
        process.send_signal(signal.SIGINT)
    assert process.returncode == 1

    until(lambda: record.fare(work)["state"] == "paused")
    assert FINISH in str(record.fare(work)["why"])
    record("resume", str(work), status=2)
    record("purge", str(work), "--all", "--yes")
    until(lambda: record.fare(work)["state"] == "paused")
    assert record.contents() == []
    record("stop", str(work))


def test_while_files_are_taken_back_the_recorder_that_came_back_stores_nothing(record: Command, work: Path) -> None:
    recorded(record, work)
    with in_the_middle(record, str(work), "--path", "a.ml") as process:
        process.send_signal(signal.SIGTERM)

    (work / "b.ml").write_text("let b = 1\n")
    until(lambda: record.fare(work)["state"] == "halted")
    assert FINISH in str(record.fare(work)["why"])
    record("purge", str(work), "--path", "a.ml", "--yes")
    until(lambda: record.fare(work)["state"] == "recording" and any("let b = 1\n" in one for one in record.contents()))
    record("stop", str(work))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_whoever_was_ended_runs_again_when_the_purge_is_interrupted(
    record: Command, work: Path, number: signal.Signals
) -> None:
    recorded(record, work)
    zoo = beside(record, work)
    # started by `nohup`, tests would hand on that a hang-up is to be ignored
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)
    with record.begin("purge", str(work), "--all", "--yes") as process:
        slow = until_ending(record, zoo)
        process.send_signal(number)
        os.kill(slow, signal.SIGCONT)
        _, said = process.communicate(timeout=120)

    assert process.returncode == 1
    assert "the purge was interrupted" in said
    assert f"{work} is paused, and `greenloop record resume` goes on recording it" in said
    until(lambda: record.fare(zoo)["state"] == "recording")
    until(lambda: record.fare(work)["state"] == "paused")
    assert len(record.contents()) == 2
    for folder in (work, zoo):
        record("stop", str(folder))


def test_whoever_a_killed_purge_left_ended_runs_again_after_the_next(record: Command, work: Path) -> None:
    recorded(record, work)
    zoo = beside(record, work)
    with record.begin("purge", str(work), "--path", "a.ml", "--yes") as process:
        slow = until_ending(record, zoo)
        process.kill()
        os.kill(slow, signal.SIGCONT)
    until(lambda: record.fare(zoo)["state"] == record.fare(work)["state"] == "dead")
    assert record("status", status=1).count("`greenloop record start` starts it") == 2

    record("purge", str(work), "--path", "a.ml", "--yes")
    until(lambda: record.fare(zoo)["state"] == record.fare(work)["state"] == "recording")
    for folder in (work, zoo):
        record("stop", str(folder))


def test_a_purge_that_found_nothing_pauses_nobody(record: Command, work: Path) -> None:
    recorded(record, work)

    assert "no such workspace" in record("purge", "-w", "recorder/Eve/work", "--all", "--yes", status=2)
    assert "nothing that is recorded matches" in record("purge", str(work), "--since", "0s", "--yes", status=2)
    until(lambda: record.fare(work)["state"] == "recording")
    record("stop", str(work))


def beside(record: Command, work: Path) -> Path:
    """Have another folder recorded, whose recorder is ended after that of ``work``."""
    zoo = work.with_name("zoo")
    zoo.mkdir()
    (zoo / "greenloop.toml").write_text(SETTINGS)
    record("start", str(zoo), "--yes")
    # it takes its time
    os.kill(record.process(zoo), signal.SIGSTOP)
    return zoo


def until_ending(record: Command, folder: Path) -> int:
    """Wait until the recorder of a folder has been told to end, and return its process id."""
    until((record.desk(folder).path / "suspended").exists)
    return record.process(folder)
