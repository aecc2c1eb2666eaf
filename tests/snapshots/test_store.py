"""The snapshot store: order, idempotence, and all or nothing."""

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from greenloop.records import BuildReport, InputError, Snapshot, Status, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import Entry, Mode, TreeStore

ANN = Workspace(id="w/ann", author="ann", title="w", source="recorder")
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
BOB = Workspace(id="w/bob", author="bob", title="w", source="recorder")


def shot(seq: int, workspace: str = "w/ann", **fields: object) -> Snapshot:
    return Snapshot.model_validate({"workspace": workspace, "seq": seq, "time": 0.5, "tree": EMPTY, **fields})


def test_what_is_added_comes_back_whole(store: SnapshotStore) -> None:
    store.add_workspace(ANN)
    full = shot(0, time=1396649997.45319, cut="start", deliberate=True, reported=Status.RED, skipped=3)

    assert store.add([full, shot(1)]) == 2

    assert list(store.snapshots("w/ann")) == [full, shot(1)]
    assert store.last("w/ann") == shot(1)
    assert (store.workspaces(), store.count("w/ann"), store.next_seq("w/ann")) == ((ANN,), 2, 2)


def test_order_is_by_seq_not_by_the_clock_nor_by_arrival(store: SnapshotStore) -> None:
    store.add_history([BOB, ANN], [shot(2, time=1.0), shot(0, time=9.0), shot(0, "w/bob"), shot(1, time=5.0)])

    assert [snapshot.seq for snapshot in store.snapshots("w/ann")] == [0, 1, 2]
    assert [workspace.id for workspace in store.workspaces()] == ["w/ann", "w/bob"]


def test_an_unknown_workspace_has_nothing(store: SnapshotStore) -> None:
    assert (list(store.snapshots("x")), store.last("x"), store.count("x"), store.next_seq("x")) == ([], None, 0, 0)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)
@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=5))
def test_adding_again_in_any_portions_changes_nothing(tmp_path: Path, portions: list[list[int]]) -> None:
    home = Path(tempfile.mkdtemp(dir=tmp_path))
    store = SnapshotStore(home / "snapshots.db", TreeStore(home / "objects.git"))
    store.add_workspace(ANN)
    store.add_workspace(ANN)
    seen: set[int] = {snapshot.seq for snapshot in store.snapshots("w/ann")}
    for portion in portions:
        assert store.add(shot(seq, time=float(seq)) for seq in portion) == len(set(portion) - seen)
        seen |= set(portion)
    assert [snapshot.seq for snapshot in store.snapshots("w/ann")] == sorted(seen)
    store.close()


def test_histories_that_parted_are_refused_and_nothing_is_added(store: SnapshotStore) -> None:
    store.add_history([ANN], [shot(0), shot(1)])
    other = store.trees.write_tree({"x": Entry(Mode.FILE, store.trees.write_blob(b"x"))})

    with pytest.raises(InputError, match="w/ann: snapshot 1 is there already and differs"):
        store.add_history([BOB], [shot(1, tree=other), shot(2), shot(0, "w/bob")])
    with pytest.raises(InputError, match="there already"):
        store.add([shot(5), shot(5, time=1.0)])

    assert (store.workspaces(), store.count("w/ann")) == ((ANN,), 2)


def test_a_snapshot_needs_its_workspace(store: SnapshotStore) -> None:
    store.add_workspace(ANN)

    with pytest.raises(InputError, match="w/bob: no such workspace"):
        store.add([shot(0), shot(0, "w/bob")])

    assert store.count("w/ann") == 0


def test_an_id_belongs_to_one_workspace(store: SnapshotStore) -> None:
    store.add_workspace(ANN)

    with pytest.raises(InputError, match="w/ann is there already, by 'ann'"):
        store.add_workspace(ANN.model_copy(update={"author": "eve"}))


def test_two_stores_on_one_file_see_each_other(store: SnapshotStore, trees: TreeStore) -> None:
    other = SnapshotStore(store.path, trees)
    store.add_history([ANN], [shot(0)])
    reading = other.snapshots("w/ann")
    first = next(reading)
    store.add([shot(1)])

    assert first == shot(0)
    assert other.next_seq("w/ann") == 2


def test_a_snapshot_needs_its_tree(store: SnapshotStore) -> None:
    store.add_history([ANN], [shot(0)])

    with pytest.raises(InputError, match=f"w/ann: snapshot 1: its tree {'a' * 40} is not in the tree store"):
        store.add([shot(1, tree="a" * 40)])

    assert store.count("w/ann") == 1


def test_a_snapshot_shows_the_newest_report_that_speaks_of_it_and_the_teams_own_build_first(
    store: SnapshotStore,
) -> None:
    store.add_history([ANN], [shot(0), shot(1, reported=Status.RED), shot(2)])

    def say(seq: int, source: str, status: Status, **fields: object) -> Status | None:
        body = {"workspace": "w/ann", "seq": seq, "time": 1.0, "source": source, "status": status, **fields}
        store.add_report(BuildReport.model_validate(body))
        return list(store.snapshots("w/ann"))[seq].reported

    assert say(0, "shadow", Status.RED) == Status.RED
    assert say(0, "shadow", Status.GREEN) == Status.GREEN
    assert say(0, "reported", Status.RED) == Status.RED
    assert say(0, "shadow", Status.GREEN) == Status.RED
    assert say(0, "reported", Status.GREEN, smeared=True) == Status.RED
    assert say(1, "shadow", Status.GREEN) == Status.GREEN
    assert say(2, "reported", Status.GREEN, smeared=True) is None
    assert [report.seq for report in store.reports("w/ann")] == [0, 0, 0, 0, 0, 1, 2]
    assert list(store.newest_reports("w/ann")) == list(store.reports("w/ann"))[::-1]
    # the same snapshot again, as it was recorded and as it is shown
    assert store.add([shot(1, reported=Status.RED), shot(0, reported=Status.RED), shot(0)]) == 0


def test_a_report_needs_a_snapshot(store: SnapshotStore) -> None:
    store.add_workspace(ANN)

    with pytest.raises(InputError, match="w/ann: no snapshot that a build report could speak of"):
        store.add_report(BuildReport(workspace="w/ann", seq=0, time=0.0, source="shadow", status=Status.RED))


def test_a_file_that_is_no_database_is_put_aside_and_made_again(tmp_path: Path, trees: TreeStore) -> None:
    path = tmp_path / "x.db"
    path.write_text("this is no database at all, and long enough to be taken for one by nobody")

    said: list[str] = []
    store = SnapshotStore(path, trees, report=said.append)

    assert len(said) == 1
    assert said[0].startswith(f"{path} was damaged")
    assert (tmp_path / "x.damaged-1.db").exists()
    store.add_history([ANN], [shot(0)])


def test_a_damaged_database_is_made_again_from_the_journal(store: SnapshotStore, trees: TreeStore) -> None:
    store.add_history([ANN], [shot(seq) for seq in range(2000)])
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096 * 2 : 4096 * 12] = b"\xff" * 4096 * 10
    store.path.write_bytes(content)

    again = SnapshotStore(store.path, trees)

    assert [snapshot.seq for snapshot in again.snapshots("w/ann")] == list(range(2000))
    assert len(again.notes) == 1
    assert SnapshotStore(store.path, trees).notes == []


def test_damage_that_shows_while_it_is_read_is_made_good(store: SnapshotStore, trees: TreeStore) -> None:
    store.add_history([ANN], [shot(seq, cut="a word to look for") for seq in range(3)])
    store.close()
    again = SnapshotStore(store.path, trees)
    content = store.path.read_bytes()
    store.path.write_bytes(content.replace(b"a word to look for", b"a word to cook for"))

    assert [snapshot.cut for snapshot in again.snapshots("w/ann")] == ["a word to look for"] * 3


def test_the_histories_of_an_earlier_greenloop_move_in_once(tmp_path: Path, trees: TreeStore) -> None:
    old = tmp_path / "home/greenloop.db"
    with closing(sqlite3.connect(old)) as db:
        db.executescript(OLD)
    said: list[str] = []
    for _ in range(2):
        store = SnapshotStore(tmp_path / "home/snapshots.db", trees, old=old, report=said.append)
        assert list(store.snapshots("w/ann")) == [shot(0, cut="start", reported=Status.RED), shot(1, deliberate=True)]
        assert store.workspaces() == (ANN,)
        store.close()
    assert said == [f"2 snapshots moved from {old} into the journal; 1 had lost their trees"]
    with closing(sqlite3.connect(old)) as db:
        assert [row[0] for row in db.execute("SELECT name FROM sqlite_master")] == ["verdicts"]


def test_where_the_file_of_refs_was_lost_the_index_still_knows_them(tmp_path: Path, trees: TreeStore) -> None:
    said: list[str] = []
    store = SnapshotStore(tmp_path / "snapshots.db", trees)
    store.add_history([ANN, BOB], [shot(0), shot(1), shot(0, "w/bob")])
    trees.flush()
    store.close()
    (trees.path / "packed-refs").unlink()

    again = SnapshotStore(tmp_path / "snapshots.db", TreeStore(trees.path), report=said.append)

    assert list(again.snapshots("w/ann")) == [shot(0), shot(1)]
    assert "packed-refs was lost: the ends of 2 segments are put back" in said[0]
    assert again.check() == ()
    assert again.add([shot(2)]) == 1


def test_a_history_that_was_removed_does_not_come_back_with_them(tmp_path: Path, trees: TreeStore) -> None:
    store = SnapshotStore(tmp_path / "snapshots.db", trees)
    store.add_history([ANN], [shot(0)])
    (segment,) = store.segments("w/ann")
    with trees.staged():
        # killed after the journal lost it, and before the index did
        trees.move_ref(segment.ref, None, was=segment.tip)

    assert SnapshotStore(tmp_path / "snapshots.db", TreeStore(trees.path)).count("w/ann") == 0


def test_a_database_of_an_earlier_greenloop_that_is_none_keeps_nobody_out(tmp_path: Path, trees: TreeStore) -> None:
    (tmp_path / "greenloop.db").write_text("garbage")
    said: list[str] = []

    store = SnapshotStore(tmp_path / "snapshots.db", trees, old=tmp_path / "greenloop.db", report=said.append)

    assert store.workspaces() == ()
    assert "file is not a database" in said[0]
    assert (tmp_path / "greenloop.db").read_text() == "garbage"


@pytest.mark.parametrize(
    "fields", [{"time": 1e308}, {"time": float("nan")}, {"time": float("inf")}, {"seq": 1 << 63}, {"skipped": 10**40}]
)
def test_what_no_database_and_no_calendar_holds_is_no_snapshot(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        shot(**{"seq": 0, **fields})  # type: ignore[arg-type]


OLD = f"""
CREATE TABLE verdicts (tree TEXT);
CREATE TABLE workspaces (id TEXT PRIMARY KEY, author TEXT NOT NULL, title TEXT NOT NULL, source TEXT NOT NULL);
CREATE TABLE snapshots (workspace TEXT, seq INTEGER, time FLOAT NOT NULL, tree TEXT NOT NULL, cut TEXT NOT NULL,
    deliberate BOOLEAN NOT NULL, reported TEXT, skipped INTEGER NOT NULL, PRIMARY KEY (workspace, seq)) WITHOUT ROWID;
INSERT INTO workspaces VALUES ('w/ann', 'ann', 'w', 'recorder');
INSERT INTO snapshots VALUES ('w/ann', 0, 0.5, '{EMPTY}', 'start', 0, 'red', 0);
INSERT INTO snapshots VALUES ('w/ann', 1, 0.5, '{EMPTY}', '', 1, NULL, 0);
INSERT INTO snapshots VALUES ('w/ann', 2, 0.5, '{"c" * 40}', '', 0, NULL, 0);
"""
"""What the store of version 0.1 wrote."""
