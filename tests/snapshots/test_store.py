"""The snapshot store: order, idempotence, and all or nothing."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import EnvironmentFault, InputError, Snapshot, Status, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import TreeStore

ANN = Workspace(id="w/ann", author="ann", title="w", source="recorder")
BOB = Workspace(id="w/bob", author="bob", title="w", source="recorder")


def shot(seq: int, workspace: str = "w/ann", **fields: object) -> Snapshot:
    return Snapshot.model_validate({"workspace": workspace, "seq": seq, "time": 0.5, "tree": "a" * 40, **fields})


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
    store = SnapshotStore(tmp_path / "h" / f"{hash(str(portions))}.db", TreeStore(tmp_path / "h/o"))
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

    with pytest.raises(InputError, match="w/ann: snapshot 1 is there already and differs"):
        store.add_history([BOB], [shot(1, tree="b" * 40), shot(2), shot(0, "w/bob")])
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


def test_a_file_that_is_no_database_is_one_clear_error(tmp_path: Path, trees: TreeStore) -> None:
    path = tmp_path / "x.db"
    path.write_text("this is no database at all, and long enough to be taken for one by nobody")

    with pytest.raises(EnvironmentFault, match=r"x\.db"):
        SnapshotStore(path, trees)


def test_a_damaged_database_is_one_clear_error(store: SnapshotStore, trees: TreeStore) -> None:
    store.add_history([ANN], [shot(seq) for seq in range(2000)])
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096 * 2 : 4096 * 12] = b"\xff" * 4096 * 10
    store.path.write_bytes(content)

    with pytest.raises(EnvironmentFault, match=r"greenloop\.db"):
        list(SnapshotStore(store.path, trees).snapshots("w/ann"))
