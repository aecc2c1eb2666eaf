"""`greenloop record log`: the timeline as people see it, letter by letter."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.conftest import Recorded

from greenloop.records import BuildReport, Category, Diagnostic, Severity, Span, Status
from greenloop.snapshots.team_builds import TeamBuilds, Told
from greenloop.workspace.vcs import read_checkout

DAY = 1_763_712_000.0
"""2025-11-21, 08:00 UTC."""

GOLDEN = """\
recorder/ann/ledger: 9 snapshots
Friday, 21 November 2025
08:00  ● green    2 snapshots, 5 min, shadow
       a.ml
08:05  ✗ red      2 snapshots, 2 min, reported, shadow
       lib/b.ml, a.ml
       lib/b.ml:2:15: This expression has type int but an expression was expect…
08:07  ● green    1 snapshot, shadow, 1 commit
       lib/b.ml
       ── checkout ─────────────────────────────────────────────────────────────
08:10  ○ unknown  1 snapshot
       module_00.ml, module_01.ml, module_02.ml, module_03.ml and 26 more
       ── nothing for 15 h ─────────────────────────────────────────────────────
23:00  ~ ~red     1 snapshot, 30 min, smeared
       a.ml
23:30  ■ timeout  1 snapshot, 35 min, shadow
       a.ml
Saturday, 22 November 2025
00:05  ● green    1 snapshot, shadow
       a.ml
"""

ERROR = Diagnostic(
    severity=Severity.ERROR,
    category=Category.TYPE,
    message="This expression has type int but an expression was expected of type string\nHint: quote it",
    path="lib/b.ml",
    span=Span(line=2, column=14, end_line=2, end_column=15),
)
WARNING = ERROR.model_copy(update={"severity": Severity.WARNING, "message": "unused"})


def build(recorded: Recorded, seq: int, status: Status, **more: object) -> None:
    fields: dict[str, object] = {"source": "shadow", "time": DAY + 60.0 * seq, "status": status, **more}
    report = BuildReport.model_validate({"workspace": recorded.workspace.id, "seq": seq, **fields})
    recorded.home.snapshots.add_report(report)


@pytest.fixture
def day(recorded: Recorded) -> Recorded:
    """A day of work."""
    for minute, path, cut in (
        (0, "a.ml", "start"), (1, "a.ml", ""), (5, "a.ml", ""), (6, "lib/b.ml", ""), (7, "lib/b.ml", "commit"),
    ):  # fmt: skip
        recorded.save(path, f"let x = {minute}\n")
        recorded.snapshot(DAY + 60 * minute, cut)
    for number in range(30):
        recorded.save(f"module_{number:02}.ml", "")
    recorded.snapshot(DAY + 600, "checkout")
    for minute in (900, 930, 965):
        recorded.save("a.ml", f"let x = {minute}\n")
        recorded.snapshot(DAY + 60 * minute)
    build(recorded, 0, Status.GREEN)
    build(recorded, 1, Status.GREEN)
    build(recorded, 2, Status.GREEN)
    build(recorded, 2, Status.RED, source="reported")  # the team's own goes before the shadow's, the newest first
    build(recorded, 3, Status.RED, diagnostics=(WARNING, ERROR))
    build(recorded, 4, Status.GREEN, diagnostics=(WARNING,))
    build(recorded, 4, Status.RED, source="reported", smeared=True)
    build(recorded, 6, Status.RED, source="reported", smeared=True)
    build(recorded, 7, Status.TIMEOUT)
    build(recorded, 8, Status.GREEN)
    return recorded


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``greenloop record log`` in a terminal of 80 columns somewhere at Greenwich."""

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "greenloop", "--home", str(tmp_path / "home"), "record", "log"]
        environment = {**os.environ, "TZ": "UTC", "COLUMNS": "80", "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*command, *map(str, words)], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


Log = Callable[..., subprocess.CompletedProcess[str]]


def test_a_day_as_it_is_shown(day: Recorded, log: Log) -> None:
    shown = log("recorder/ann/ledger")
    assert shown.stdout == GOLDEN, shown.stderr
    assert all(len(line) <= 80 for line in shown.stdout.splitlines())
    assert log(day.root).stdout == GOLDEN, "a recorded folder stands for its workspace"


def test_only_the_newest_and_only_since(day: Recorded, log: Log) -> None:
    shown = log("recorder/ann", "--most", "2").stdout
    assert shown.splitlines()[0].endswith("9 snapshots in 7 runs, the newest 2")
    assert "timeout" in shown
    assert "smeared" not in shown
    since = log("recorder/ann", "--since", "2025-11-21T23:15").stdout
    assert since.splitlines()[:3] == [
        "recorder/ann/ledger: 2 snapshots", "Friday, 21 November 2025", "23:30  ■ timeout  1 snapshot, 35 min, shadow"
    ]  # fmt: skip
    at = log("recorder/ann", "--since", "2025-11-21 23:15")
    assert at.stdout == since
    assert log("recorder/ann", "--since", "30min").stdout == "recorder/ann/ledger: 0 snapshots\n"
    assert log("recorder/ann", "--since", "2d").stdout == "recorder/ann/ledger: 0 snapshots\n"
    assert log("recorder/ann", "--since", "lately").returncode == 2


def test_a_report_that_waited_is_shown_with_its_snapshot(recorded: Recorded, log: Log) -> None:
    recorded.save("a.txt", "1")
    recorded.snapshot(DAY)
    recorded.save("a.txt", "2")
    tree = read_checkout(recorded.root, recorded.home.trees).tree
    builds = TeamBuilds(recorded.home.snapshots, recorded.workspace.id, recorded.desk.path, lambda: tree)
    assert builds.finish(Told(status=Status.RED), builds.begin()).waiting
    recorded.snapshot(DAY + 60)

    assert "red" in log(recorded.root).stdout


def test_nothing_is_said_of_a_toolchain_that_nobody_asked_for(recorded: Recorded, log: Log) -> None:
    recorded.save("notes.txt", "1")
    recorded.snapshot(DAY)
    assert log("recorder/ann").stderr == ""
    asked = log("recorder/ann", "--judge")
    assert asked.returncode == 2
    assert "cannot tell how this project is checked" in asked.stderr


def test_all_files(day: Recorded, log: Log) -> None:
    lines = [line.strip() for line in log("recorder/ann/ledger", "--files").stdout.splitlines()]
    assert {f"module_{number:02}.ml" for number in range(30)} <= set(lines)


def test_a_line_of_json_a_snapshot(day: Recorded, log: Log) -> None:
    lines = [json.loads(line) for line in log("recorder/ann/ledger", "--json").stdout.splitlines()]
    assert [line["seq"] for line in lines] == list(range(9))
    assert [line["status"] for line in lines] == [
        "green", "green", "red", "red", "green", None, None, "timeout", "green"
    ]  # fmt: skip
    assert [line["source"] for line in lines][1:4] == ["shadow", "reported", "shadow"]
    assert lines[6]["smeared"] == "red"
    assert lines[3]["files"] == ["lib/b.ml"]
    assert lines[3]["diagnostics"][1]["message"].startswith("This expression")
    assert lines[5]["cut"] == "checkout"


def test_without_a_workspace_all_are_listed(day: Recorded, log: Log) -> None:
    (listed,) = [line for line in log().stdout.splitlines() if line.startswith("recorder/")]
    assert listed.split() == ["recorder/ann/ledger", "ann", "9", "2025-11-22", "00:05:00"]
    assert json.loads(log("--json").stdout)["snapshots"] == 9
    missing = log("recorder/nobody")
    assert missing.returncode == 2
    assert "no workspace is called" in missing.stderr


@pytest.mark.e2e
def test_a_stored_verdict_counts_and_nothing_is_judged_unless_asked(recorded: Recorded, log: Log) -> None:
    """With the real compiler: loose OCaml files."""
    recorded.save("a.ml", "let x = 1\n")
    recorded.snapshot(DAY, "start")
    recorded.save("a.ml", "let x : string = 1\n")
    recorded.snapshot(DAY + 60)
    assert "unknown" in log("recorder/ann").stdout
    assert not (recorded.home.path / "warm").exists()
    judged = log("recorder/ann", "--judge").stdout
    assert [word for word in judged.split() if word in {"green", "red"}] == ["green", "red"]
    assert "a.ml:1:18: This" in judged or "a.ml:1:18: The constant" in judged
    assert "verdict" in judged
    assert log("recorder/ann").stdout == judged, "now the verdicts are known"
