"""Work on trees gives the same results in the same order, here or in other processes."""

import multiprocessing
from functools import partial
from pathlib import Path

import pytest

from greenloop.records import DeleteFile, Edit, EditError, EnvironmentFault
from greenloop.workspace.crew import Crew
from greenloop.workspace.edits import apply
from greenloop.workspace.store import Entry, Mode, TreeStore


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_order(store: TreeStore, workers: int) -> None:
    blob = store.write_blob(b"text")
    trees = [store.write_tree({f"f{number}": Entry(Mode.FILE, blob)}) for number in range(30)]
    with Crew(store, workers) as crew:
        assert [list(files) for files in crew.map(TreeStore.files, trees)] == [[f"f{n}"] for n in range(30)]
        assert list(crew.map(TreeStore.files, [])) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_errors_arrive_whole(store: TreeStore, workers: int) -> None:
    edit = Edit(files=(DeleteFile(path="../secret"),))
    with Crew(store, workers) as crew, pytest.raises(EditError) as caught:
        list(crew.map(partial(apply, edit=edit), [store.empty]))
    assert caught.value.reason == "outside-tree"
    assert caught.value.way_out


def test_a_process_that_dies_is_a_fault_of_the_machine(store: TreeStore) -> None:
    with Crew(store, 2) as crew:
        assert list(crew.map(TreeStore.files, [store.empty])) == [{}]
        for child in multiprocessing.active_children():
            child.kill()
        with pytest.raises(EnvironmentFault, match="helper process died"):
            list(crew.map(TreeStore.files, [store.empty]))
