"""Importing OCaml top-level sessions: who, what, in which order; twice is once; damage adds nothing."""

import json
import lzma
from pathlib import Path
from typing import Any

import pytest

from greenloop.records import RecordError, Status, Workspace
from greenloop.snapshots.ocaml_top import import_sessions
from greenloop.snapshots.store import SnapshotStore

Event = dict[str, Any]


def event(body: str, time: float, **fields: Any) -> Event:
    """Make one line as the corpus has it."""
    return {
        "term": "sp14",
        "student": "student00",
        "file": "hw1.ml",
        "time": time,
        "cursor": 0,
        "event": "eval",
        "region": {"start": 0, "stop": len(body)},
        "body": body,
        "results": [{"in": body, "out": "val f : int", "error": ""}],
        **fields,
    }


def write(path: Path, events: list[Event]) -> Path:
    content = "".join(f"{json.dumps(one)}\n" for one in events).encode()
    path.write_bytes(lzma.compress(content) if path.suffix == ".xz" else content)
    return path


RED = [{"in": "x", "out": "", "error": "type"}, {"in": "y", "out": "", "error": ""}]
EVENTS = [
    event("let a = 1", 3.5),
    event("let b =", 2.0, results=RED),
    event("let c = é", 1.25, student="student01", results=[]),
    event("let a = 1", 9.0, file="hw2.ml"),
    event("let d = 4", 4.0, event="abort"),
]


@pytest.mark.parametrize("name", ["sessions.jsonl.xz", "sessions.jsonl", "named-otherwise"])
def test_each_student_and_file_is_a_workspace_in_the_order_of_time(
    store: SnapshotStore, tmp_path: Path, name: str
) -> None:
    report = import_sessions(write(tmp_path / name, EVENTS), store)

    assert (report.events, report.workspaces, report.trees, report.new) == (5, 3, 5, 5)
    assert store.workspaces() == tuple(
        Workspace(id=f"ocaml-top/sp14/{author}/{file}", author=author, title=file, source="ocaml-top")
        for author, file in (("student00", "hw1.ml"), ("student00", "hw2.ml"), ("student01", "hw1.ml"))
    )
    shots = list(store.snapshots("ocaml-top/sp14/student00/hw1.ml"))
    assert [(shot.seq, shot.time, shot.deliberate, shot.reported, shot.cut) for shot in shots] == [
        (0, 2.0, True, Status.RED, "start"),
        (1, 3.5, True, None, ""),
        (2, 4.0, False, None, ""),
    ]
    assert [store.trees.read(shot.tree, "hw1.ml") for shot in shots] == [b"let b =", b"let a = 1", b"let d = 4"]
    (other,) = store.snapshots("ocaml-top/sp14/student01/hw1.ml")
    assert store.trees.read(other.tree, "hw1.ml") == "let c = é".encode()
    assert [list(store.trees.files(shot.tree)) for shot in shots] == [["hw1.ml"]] * 3


def test_to_import_again_does_nothing(store: SnapshotStore, tmp_path: Path) -> None:
    path = write(tmp_path / "x.xz", EVENTS)
    import_sessions(path, store)
    before = [list(store.snapshots(workspace.id)) for workspace in store.workspaces()]

    assert import_sessions(path, store).new == 0

    assert [list(store.snapshots(workspace.id)) for workspace in store.workspaces()] == before


def test_events_of_one_moment_keep_the_order_of_the_file(store: SnapshotStore, tmp_path: Path) -> None:
    bodies = [f"let x = {number}" for number in (3, 1, 2)]
    import_sessions(write(tmp_path / "x", [event(body, 1.0) for body in bodies]), store)

    shots = store.snapshots("ocaml-top/sp14/student00/hw1.ml")
    assert [store.trees.read(shot.tree, "hw1.ml") for shot in shots] == [body.encode() for body in bodies]


def test_names_that_would_lead_elsewhere_are_made_harmless(store: SnapshotStore, tmp_path: Path) -> None:
    write(tmp_path / "x", [event("let a = 1", 1.0, file="../../etc/my file.ml", student=".git")])

    import_sessions(tmp_path / "x", store)

    (workspace,) = store.workspaces()
    (shot,) = store.snapshots(workspace.id)
    assert workspace.id == "ocaml-top/sp14/git/_.._etc_my_file.ml"
    assert list(store.trees.files(shot.tree)) == ["_.._etc_my_file.ml"]


def test_progress_is_told_and_ends_at_the_number_of_events(store: SnapshotStore, tmp_path: Path) -> None:
    told: list[int] = []
    path = write(tmp_path / "x.xz", [event(f"let x = {number}", float(number)) for number in range(1100)])

    import_sessions(path, store, told.append)

    assert told == [500, 1000, 1100]


def damaged(path: Path, damage: str) -> Path:
    lines = [json.dumps(one) for one in EVENTS]
    match damage:
        case "a field is missing":
            lines[2] = json.dumps({key: value for key, value in EVENTS[2].items() if key != "body"})
        case "a field is of another type":
            lines[2] = json.dumps({**EVENTS[2], "time": "yesterday"})
        case "an unknown event":
            lines[2] = json.dumps({**EVENTS[2], "event": "dance"})
        case "an empty name":
            lines[2] = json.dumps({**EVENTS[2], "student": "..."})
        case "foreign JSON":
            lines[2] = "[1, 2]"
        case "no JSON":
            lines[2] = "let x = 1"
        case "not UTF-8":
            path.write_bytes("\n".join(lines[:2]).encode() + b'\n{"term": "\xff"}\n')
            return path
        case "cut in a line":
            path.write_bytes("\n".join(lines).encode()[:-5])
            return path
        case "xz cut short":
            path.write_bytes(lzma.compress("".join(f"{line}\n" for line in lines * 50).encode())[:-40])
            return path
        case "xz damaged":
            content = bytearray(lzma.compress("".join(f"{line}\n" for line in lines * 50).encode()))
            content[60] ^= 0xFF
            path.write_bytes(content)
            return path
        case "empty":
            lines = []
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("a field is missing", "x:3: no event of an OCaml top-level session: body"),
        ("a field is of another type", "x:3: no event of an OCaml top-level session: time"),
        ("an unknown event", "x:3: no event of an OCaml top-level session: event"),
        ("an empty name", "x:3: term, student or file"),
        ("foreign JSON", "x:3: no event of an OCaml top-level session"),
        ("no JSON", "x:3: no event of an OCaml top-level session: Invalid JSON"),
        ("not UTF-8", "x:3: no event of an OCaml top-level session"),
        ("cut in a line", "x:5: the last line is cut short"),
        ("xz cut short", "damaged or cut short"),
        ("xz damaged", "damaged or cut short"),
        ("empty", "x: the file is empty"),
    ],
)
def test_damage_is_one_clear_error_and_nothing_is_added(
    store: SnapshotStore, tmp_path: Path, damage: str, message: str
) -> None:
    with pytest.raises(RecordError) as caught:
        import_sessions(damaged(tmp_path / "x", damage), store)

    assert message in str(caught.value)
    assert str(tmp_path / "x") in str(caught.value)
    assert store.workspaces() == ()


def test_a_file_that_contradicts_what_was_imported_is_refused(store: SnapshotStore, tmp_path: Path) -> None:
    import_sessions(write(tmp_path / "x", EVENTS), store)
    store_before = [list(store.snapshots(workspace.id)) for workspace in store.workspaces()]

    with pytest.raises(Exception, match="is there already and differs"):
        import_sessions(write(tmp_path / "x", [event("let z = 1", 0.0), *EVENTS]), store)

    assert [list(store.snapshots(workspace.id)) for workspace in store.workspaces()] == store_before
