"""Consent to recording a folder: given once, kept apart for each folder, and only as long as a person wants it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from greenloop.records import InputError, RecordError
from greenloop.snapshots.enrolment import Desk, Enrolment, Enrolments, Wish, forbidden
from greenloop.snapshots.recorder import workspace_for
from greenloop.workspace.vcs.area import NO_RECORD


def consent(root: Path, title: str = "ledger") -> Enrolment:
    return Enrolment(root=str(root), workspace=workspace_for("ann", title), time=1.0, by="ann", words="all of it")


@pytest.fixture
def known(tmp_path: Path) -> Enrolments:
    return Enrolments(tmp_path / "home/recorder")


def test_nothing_is_enrolled_at_first(known: Enrolments, tmp_path: Path) -> None:
    assert known.desks() == ()
    assert known.find(tmp_path) is None


def test_a_consent_is_for_one_folder_and_says_what_it_was_given_to(known: Enrolments, tmp_path: Path) -> None:
    (tmp_path / "work/lib").mkdir(parents=True)
    desk = known.enrol(consent(tmp_path / "work"))

    found = known.find(tmp_path / "work")
    assert found is not None
    assert found.path == desk.path
    assert found.enrolment == consent(tmp_path / "work")
    assert known.find(tmp_path / "work/lib") is None
    assert desk.path.stat().st_mode & 0o077 == 0


def test_two_folders_cannot_be_one_workspace(known: Enrolments, tmp_path: Path) -> None:
    known.enrol(consent(tmp_path / "a"))
    with pytest.raises(InputError, match="recorded as recorder/ann/ledger already"):
        known.enrol(consent(tmp_path / "b"))
    known.enrol(consent(tmp_path / "b", "other"))
    assert len(known.desks()) == 2


def test_without_a_readable_wish_nothing_is_wanted(known: Enrolments, tmp_path: Path) -> None:
    desk = known.enrol(consent(tmp_path))
    assert not desk.wish.recording
    desk.want(Wish(paused=True, until=10.0))
    assert desk.wish.paused_at(9.0)
    assert not desk.wish.paused_at(10.0)
    (desk.path / "wish.json").write_text("{")
    assert desk.wish == Wish(recording=False, damaged=True)


def test_a_damaged_consent_is_none(known: Enrolments, tmp_path: Path) -> None:
    desk = known.enrol(consent(tmp_path))
    (desk.path / "enrolment.json").write_text("{}")
    with pytest.raises(RecordError):
        _ = desk.enrolment


PROGRAM = """
import sys
from pathlib import Path
from greenloop.snapshots.enrolment import Desk
with Desk(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_recorder_holds_a_folder_and_its_death_lets_go(known: Enrolments, tmp_path: Path) -> None:
    desk = known.enrol(consent(tmp_path))
    assert desk.running() is None
    held = [sys.executable, "-c", PROGRAM, str(desk.path)]
    with subprocess.Popen(held, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert desk.running() == process.pid
        with pytest.raises(InputError, match="being recorded already"), Desk(desk.path).held():
            pass
        process.kill()
        process.wait()
    assert desk.running() is None
    with desk.held():
        assert Desk(desk.path).running() == os.getpid()


def test_the_file_that_forbids(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    assert forbidden(tmp_path / "lib", tmp_path) is None
    (tmp_path / NO_RECORD).touch()
    assert forbidden(tmp_path / "lib", tmp_path) == tmp_path / NO_RECORD
