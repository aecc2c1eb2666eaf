"""A ProgSnap2 data set: it keeps the standard's rules, and every state and every build can be read back from it."""

from collections import Counter
from pathlib import Path

import pytest
from tests.snapshots.exports.progsnap2_rules import git, rows, violations
from tests.snapshots.histories import ANN, STATES

from greenloop.records import InputError
from greenloop.snapshots.exports.progsnap2 import export_progsnap2
from greenloop.snapshots.exports.pseudonyms import Pseudonyms
from greenloop.snapshots.store import SnapshotStore


def test_a_data_set_keeps_the_rules_of_the_standard(filled: SnapshotStore, tmp_path: Path) -> None:
    done = export_progsnap2(filled, tmp_path / "out")

    assert violations(tmp_path / "out") == []
    assert (done.workspaces, done.snapshots, done.reports) == (3, 6, 5)
    kinds = Counter(row["EventType"] for row in rows(tmp_path / "out/MainTable.csv"))
    assert kinds == {
        "Session.Start": 2,
        "Project.Open": 2,
        "X-Snapshot": 6,
        "File.Edit": 2,
        "File.Create": 1,
        "File.Delete": 5,
        "Compile": 4,
        "Compile.Error": 1,
        "Compile.Warning": 2,
        "X-Build": 1,
        "Run.Program": 1,
        "Session.End": 2,
    }


def test_every_state_is_a_commit_that_holds_the_snapshots_files(filled: SnapshotStore, tmp_path: Path) -> None:
    export_progsnap2(filled, tmp_path / "out")

    repository = tmp_path / "out/CodeStates/ann" / "recorder%2Fann%2Fw"
    events = {row["EventID"]: row for row in rows(tmp_path / "out/MainTable.csv")}
    links = rows(tmp_path / "out/LinkTables/LinkSnapshot.csv")[: len(STATES)]
    states = [events[row["EventID"]]["CodeStateID"] for row in links]
    trees = [git(repository, "rev-parse", f"{state}^{{tree}}").strip() for state in states]
    assert trees == [snapshot.tree for snapshot in filled.snapshots(ANN.id)]
    assert git(repository, "fsck", "--strict", "--full") == ""
    assert states[1] == states[2], "a state that did not change is the same state"


def test_a_build_that_is_smeared_belongs_to_no_state(filled: SnapshotStore, tmp_path: Path) -> None:
    export_progsnap2(filled, tmp_path / "out")

    builds = [row for row in rows(tmp_path / "out/MainTable.csv") if row["EventType"] == "Compile"]
    assert [bool(row["CodeStateID"]) for row in builds] == [True, True, False, True]
    assert [row["CompileResult"] for row in builds] == ["Success", "Error", "Warning", "Success"]
    (error,) = [row for row in rows(tmp_path / "out/MainTable.csv") if row["EventType"] == "Compile.Error"]
    assert error["CompileMessageData"] == "This expression has type int\nbut é"
    assert error["SourceLocation"] == "Text:1:9-1:10"


def test_people_have_pseudonyms_everywhere(filled: SnapshotStore, tmp_path: Path) -> None:
    export_progsnap2(filled, tmp_path / "out", [ANN.id], names=Pseudonyms(b"k" * 32))

    assert violations(tmp_path / "out") == []
    places = [str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")]
    assert not [place for place in places if "ann" in place]
    table = (tmp_path / "out/MainTable.csv").read_text()
    assert "ann" not in table
    (subject,) = (tmp_path / "out/CodeStates").iterdir()
    (project,) = subject.iterdir()
    assert "ann" not in git(project, "log", "--format=%an%ae%cn%ce%B")


def test_what_is_there_is_never_mixed_with_an_export(filled: SnapshotStore, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("mine")

    with pytest.raises(InputError, match="is there already"):
        export_progsnap2(filled, tmp_path / "out")

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_data_set_that_fails_leaves_nothing_behind(filled: SnapshotStore, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        export_progsnap2(filled, tmp_path / "out", progress=lambda done, _total: print(1 // (done - 6)))

    assert not [path for path in tmp_path.iterdir() if "out" in path.name]
