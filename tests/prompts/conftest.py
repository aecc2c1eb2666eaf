"""A tree store, and trees from texts."""

from collections.abc import Callable, Mapping

import pytest

from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("prompts") / "trees")


@pytest.fixture(scope="session")
def tree_of(store: TreeStore) -> Callable[[Mapping[str, str | bytes]], TreeId]:
    def write(files: Mapping[str, str | bytes]) -> TreeId:
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return store.write_tree({path: Entry(Mode.FILE, store.write_blob(data)) for path, data in contents.items()})

    return write
