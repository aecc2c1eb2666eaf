"""What the exports' tests share: a store with every kind of thing in it."""

import pytest
from tests.snapshots.histories import fill

from greenloop.snapshots.store import SnapshotStore


@pytest.fixture
def filled(store: SnapshotStore) -> SnapshotStore:
    """Return a store of three workspaces, one of them empty, with reports."""
    return fill(store)
