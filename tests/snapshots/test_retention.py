"""Retention: the oldest days go first, the newest of each workspace stays, and the floor of free space is kept."""

import random
import shutil
from pathlib import Path

import pytest
from tests.snapshots.histories import ANN, BOB, held, written

from greenloop.records import Snapshot
from greenloop.snapshots.retention import Retention, enough_space, retain
from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.upkeep import Upkeep

DAY = 86_400.0
MIB = 1 << 20


@pytest.fixture
def days(store: SnapshotStore) -> SnapshotStore:
    """Return a store with ten days of ANN's work, 300 KiB each, and one old day of BOB's."""
    generator = random.Random(5)
    for workspace in (ANN, BOB):
        store.add_workspace(workspace)
    for day in range(10):
        tree = written(store.trees, {"a": generator.randbytes(300 << 10)})
        store.add([Snapshot(workspace=ANN.id, seq=day, time=1e9 + day * DAY, tree=tree)])
    store.add([Snapshot(workspace=BOB.id, seq=0, time=1e9 - 9 * DAY, tree=written(store.trees, {"b": b"old"}))])
    store.trees.flush()
    return store


def test_what_is_too_old_goes_but_the_newest_of_each_workspace(days: SnapshotStore) -> None:
    before = held(days)

    done = retain(days, Retention(keep_days=4), now=1e9 + 10 * DAY)

    assert [one.seq for one in days.snapshots(ANN.id)] == [6, 7, 8, 9]
    assert [one.seq for one in days.snapshots(BOB.id)] == [0]
    assert (done.segments, done.entries, done.over_quota) == (6, 6, False)
    assert all(one in before[ANN.id] for one in held(days)[ANN.id]), "what stays is whole"
    assert Upkeep(days.trees).fsck() == ()


def test_the_oldest_go_until_the_store_is_within_its_quota(days: SnapshotStore) -> None:
    done = retain(days, Retention(quota_mib=2), now=1e9 + 10 * DAY)

    left = [one.seq for one in days.snapshots(ANN.id)]
    assert left == list(range(left[0], 10))
    assert 0 < left[0] < 9
    assert done.bytes_before > 2 * MIB >= done.bytes_after
    assert not done.over_quota


def test_a_quota_that_cannot_be_kept_is_told_of_and_the_newest_stay(days: SnapshotStore) -> None:
    tree = written(days.trees, {"a": random.Random(6).randbytes(3 * MIB)})
    days.add([Snapshot(workspace=ANN.id, seq=10, time=1e9 + 10 * DAY, tree=tree)])

    done = retain(days, Retention(quota_mib=1), now=1e9 + 10 * DAY)

    assert done.over_quota
    assert [one.seq for one in days.snapshots(ANN.id)] == [10]
    assert days.count(BOB.id) == 1


def test_without_limits_nothing_goes(days: SnapshotStore) -> None:
    before = held(days)

    assert retain(days, Retention(), now=1e12).segments == 0
    assert held(days) == before


def test_the_floor_of_free_space_is_told(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free // MIB

    assert enough_space(tmp_path, 0) == ""
    assert enough_space(tmp_path, 1) == ""
    assert f"below the floor of {free * 2} MiB" in enough_space(tmp_path, free * 2)
