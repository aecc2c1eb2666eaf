"""What the tests of this room share: an empty home."""

from pathlib import Path

import pytest

from greenloop.snapshots.store import SnapshotStore
from greenloop.workspace.store import TreeStore


@pytest.fixture
def trees(tmp_path: Path) -> TreeStore:
    """Return an empty tree store."""
    return TreeStore(tmp_path / "home/objects.git")


@pytest.fixture
def store(tmp_path: Path, trees: TreeStore) -> SnapshotStore:
    """Return an empty snapshot store."""
    return SnapshotStore(tmp_path / "home/snapshots.db", trees)
