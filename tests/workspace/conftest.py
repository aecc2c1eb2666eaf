"""A folder, and the working copy over it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy

Open = Callable[..., WorkingCopy]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def open_copy(root: Path, store: TreeStore, tmp_path: Path) -> Iterator[Open]:
    """Open the working copy, with one cache unless another is named; the one before is closed."""
    opened: list[WorkingCopy] = []

    def one(*, cache: str = "cache", **options: object) -> WorkingCopy:
        for copy in opened:
            copy.close()
        opened.append(WorkingCopy(root, store, tmp_path / cache, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield one
    for copy in opened:
        copy.close()
