"""Work on trees gives the same results in the same order, here or in other processes."""

import multiprocessing
import subprocess
import sys
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


_PARENT = """
import sys, time
from pathlib import Path
from greenloop.workspace.crew import Crew
from greenloop.workspace.store import TreeStore

if __name__ == "__main__":
    store = TreeStore(Path(sys.argv[1]))
    with Crew(store, 2) as crew:
        list(crew.map(TreeStore.files, [store.empty] * 20))
        print("working", flush=True)
        time.sleep(60)
"""


def test_helpers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(_PARENT)
    with subprocess.Popen([sys.executable, script, tmp_path / "store"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"working\n"

        parent.kill()

        # the helpers hold the pipe as well: it ends when the last of them has ended
        assert parent.communicate(timeout=20)[0] == b""
