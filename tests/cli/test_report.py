"""`greenloop report`: the team's build tells how it ended, and only what is true of one tree counts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Recorded

from greenloop.records import BuildReport, Category, Severity, Status, Suite
from greenloop.snapshots.enrolment import Wish

Greenloop = Callable[..., subprocess.CompletedProcess[str]]


def reports(recorded: Recorded) -> list[BuildReport]:
    return list(recorded.home.snapshots.reports(recorded.workspace.id))


def told(recorded: Recorded) -> list[tuple[int, Status, bool]]:
    return [(one.seq, one.status, one.smeared) for one in reports(recorded)]


@pytest.fixture
def ledger(recorded: Recorded) -> Recorded:
    recorded.save("a.ml", "let x = 1\n")
    recorded.snapshot(time.time() - 60)
    return recorded


def test_a_folder_that_is_not_recorded_is_told_so(greenloop: Greenloop, tmp_path: Path) -> None:
    for words in (("--status", "green"), ("--", "true"), ("--begin",)):
        done = greenloop("report", *words)
        assert done.returncode == 2
        assert "is not recorded" in done.stderr
        assert "greenloop record start" in done.stderr


def test_with_a_start_it_is_the_newest_snapshots(greenloop: Greenloop, ledger: Recorded) -> None:
    (ledger.root / "sub").mkdir()
    done = greenloop("report", "--status", "red", "--seconds", "30", "--suite", "test", cwd=ledger.root / "sub")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "red, of snapshot 0.\n"
    (report,) = reports(ledger)
    assert (report.status, report.suite, report.source, report.smeared) == (Status.RED, Suite.TEST, "reported", False)
    assert report.seconds == pytest.approx(30, abs=5)
    for when in (str(time.time() - 20), time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() - 20))):
        assert greenloop("report", "--status", "green", "--started", when, "--in", ledger.root).returncode == 0
    assert told(ledger)[1:] == [(0, Status.GREEN, False)] * 2


def test_without_one_it_is_smeared_and_says_how_to_do_better(greenloop: Greenloop, ledger: Recorded) -> None:
    done = greenloop("report", "--status", "green", "--in", ledger.root)
    assert done.returncode == 0
    assert "of no one tree: nobody said when the build began" in done.stdout
    assert "--seconds" in done.stdout
    done = greenloop("report", "--status", "green", "--seconds", "3600", "--in", ledger.root)
    assert "no snapshot was taken before it began" in done.stdout
    assert told(ledger) == [(0, Status.GREEN, True)] * 2


def test_a_start_after_an_edit_that_nobody_looked_at_is_told_as_that(greenloop: Greenloop, ledger: Recorded) -> None:
    ledger.save("a.ml", "let x = 2\n")
    done = greenloop("report", "--status", "green", "--seconds", "0", "--in", ledger.root)
    assert done.stdout.startswith("green, of no one tree: nobody looked at the files between your last edit and")
    assert "`greenloop report --begin` before the build" in done.stdout
    assert "`greenloop report -- COMMAND`" in done.stdout


def test_begin_marks_the_tree_even_where_the_recorder_has_not_looked(greenloop: Greenloop, ledger: Recorded) -> None:
    ledger.save("a.ml", "let x = 2\n")
    assert greenloop("report", "--begin", "--in", ledger.root).returncode == 0
    done = greenloop("report", "--status", "red", "--in", ledger.root)
    assert done.stdout == "red, kept for the snapshot that the recorder is about to take.\n"
    ledger.snapshot()
    assert greenloop("report", "--begin", "--in", ledger.root).returncode == 0
    ledger.save("a.ml", "let x = 3\n")
    done = greenloop("report", "--status", "green", "--in", ledger.root)
    assert "files changed while it ran. Next time leave the files alone until it ends" in done.stdout
    assert told(ledger) == [(1, Status.RED, False), (1, Status.GREEN, True)]


def test_a_build_that_it_runs_keeps_its_output_and_status(greenloop: Greenloop, ledger: Recorded) -> None:
    program = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(int(sys.argv[1]))"
    for code, status in ((3, Status.RED), (0, Status.GREEN)):
        done = greenloop("report", "--", sys.executable, "-c", program, str(code), cwd=ledger.root)
        assert (done.returncode, done.stdout, done.stderr) == (code, "out\n", "err\n")
        report = reports(ledger)[-1]
        assert (report.seq, report.status, report.smeared) == (0, status, False)
        assert report.tool == Path(sys.executable).name
        assert report.seconds is not None
        assert report.seconds > 0
    change = "from pathlib import Path; Path('b.ml').write_text('let y = 1\\n')"
    assert greenloop("report", "--", sys.executable, "-c", change, cwd=ledger.root).returncode == 0
    assert told(ledger)[-1] == (0, Status.GREEN, True)


def test_a_build_that_was_interrupted_came_to_no_end(greenloop: Greenloop, ledger: Recorded) -> None:
    done = greenloop("report", "--", "sh", "-c", "kill -TERM $$", cwd=ledger.root)
    assert done.returncode == 128 + signal.SIGTERM
    done = greenloop("report", "--", "no-such-program-here", cwd=ledger.root)
    assert done.returncode == 2
    assert "no-such-program-here" in done.stderr
    assert told(ledger) == []


def test_diagnostics_come_from_a_file_or_from_stdin(greenloop: Greenloop, ledger: Recorded) -> None:
    text = f'File "{ledger.root}/a.ml", line 1, characters 8-9:\nError: This expression has type int\n'
    (ledger.root.parent / "log").write_text(text)
    where = ("--seconds", "1", "--in", ledger.root)
    assert greenloop("report", "--status", "red", "--diagnostics", "log", *where).returncode == 0
    (found,) = reports(ledger)[-1].diagnostics
    assert (found.path, found.severity, found.category) == ("a.ml", Severity.ERROR, Category.TYPE)
    lines = json.dumps({"severity": "error", "category": "other", "message": "no"})
    command = [sys.executable, "-m", "greenloop", "--home", str(ledger.home.path), "report", "--status", "red"]
    subprocess.run([*command, "--diagnostics", "-", "--in", str(ledger.root)], input=lines, text=True, check=True)
    assert [one.message for one in reports(ledger)[-1].diagnostics] == ["no"]
    (ledger.root.parent / "log").write_text("{")
    for name, says in (("log", "not JSON"), ("gone", "No such file")):
        done = greenloop("report", "--status", "red", "--diagnostics", name, *where)
        assert done.returncode == 2
        assert says in done.stderr
    assert len(reports(ledger)) == 2


def test_the_toolchains_own_pattern_reads_what_its_tool_prints(greenloop: Greenloop, ledger: Recorded) -> None:
    ledger.save("greenloop.toml", '[toolchain]\nkind = "command"\n[command]\ncheck = "mypy"\n')
    ledger.snapshot(time.time() - 30)
    (ledger.root.parent / "log").write_text("src/a.py:3:5: error: no such name\n")
    words = ("--status", "red", "--diagnostics", "log", "--seconds", "1", "--in", ledger.root)
    assert greenloop("report", *words).returncode == 0
    (found,) = reports(ledger)[-1].diagnostics
    assert (found.path, found.message) == ("src/a.py", "no such name")


def test_what_contradicts_itself_is_refused(greenloop: Greenloop, ledger: Recorded) -> None:
    for words, says in (
        ((), "nothing to report"),
        (("--status", "green", "--", "true"), "leave those options"),
        (("--begin", "--status", "green"), "--begin"),
        (("--status", "green", "--seconds", "1", "--started", "1"), "give one of them"),
        (("--status", "green", "--started", "soon"), "no time"),
        (("--status", "green", "--seconds", "inf"), "longer than a month"),
        (("--status", "green", "--started", str(time.time() + 9000)), "yet to come"),
    ):
        done = greenloop("report", "--in", ledger.root, *words)
        assert done.returncode == 2, words
        assert says in done.stderr
    assert told(ledger) == []


def test_nothing_is_looked_at_while_recording_is_paused(greenloop: Greenloop, ledger: Recorded) -> None:
    for wish in (Wish(paused=True), Wish(recording=False)):
        ledger.desk.want(wish)
        done = greenloop("report", "--status", "red", "--seconds", "1", "--in", ledger.root)
        assert "not being recorded at the moment" in done.stdout
        assert greenloop("report", "--", "sh", "-c", "exit 4", cwd=ledger.root).returncode == 4
    assert told(ledger) == []
    assert not (ledger.desk.path / "builds-cache").exists()


def test_ctrl_c_ends_the_build_and_not_before_it(ledger: Recorded) -> None:
    program = "trap 'echo tidy; exit 9' INT; echo ready; sleep 60 >/dev/null 2>&1 & wait"
    command = [sys.executable, "-m", "greenloop", "--home", str(ledger.home.path), "report", "--", "sh", "-c", program]
    with subprocess.Popen(command, cwd=ledger.root, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(20) == 9
        assert process.stdout.read() == b"tidy\n"
    assert told(ledger) == [], "nobody knows how it would have ended"
