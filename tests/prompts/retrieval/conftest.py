"""A tree store of each test's own, and trees from texts."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "trees")


@pytest.fixture
def tree_of(store: TreeStore) -> Callable[[Mapping[str, str | bytes]], TreeId]:
    def write(files: Mapping[str, str | bytes]) -> TreeId:
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return store.write_tree({path: Entry(Mode.FILE, store.write_blob(data)) for path, data in contents.items()})

    return write
