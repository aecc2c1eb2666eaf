"""Reading a folder that no version control holds, and finding out which one does."""

from pathlib import Path

import pytest

from greenloop.records import InputError
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.vcs import Place, detect, read_checkout


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)


def test_everything_is_read_but_what_tools_generate(root: Path, store: TreeStore) -> None:
    write(root, "a", "lib/b", ".config/c", "lib/_built", "line\nbreak")
    write(root, "_build/x", "lib/_build/x", "node_modules/x", "lib/__pycache__/x", ".venv/x", ".greenloop/x")
    write(root, ".svn/x", "lib/.jj/x", "lib/CVS/x", "_darcs/x")
    (root / "loop").symlink_to(".")

    checkout = read_checkout(root, store)

    assert set(store.files(checkout.tree)) == {"a", "lib/b", ".config/c", "lib/_built", "line\nbreak", "loop"}
    assert (checkout.vcs, checkout.head, checkout.skipped) == ("plain", "", ())


def test_an_empty_folder_is_the_empty_tree(root: Path, store: TreeStore) -> None:
    assert read_checkout(root, store).tree == store.empty


def test_modes_are_kept(root: Path, store: TreeStore) -> None:
    write(root, "run", "read")
    (root / "run").chmod(0o755)

    files = store.files(read_checkout(root, store).tree)

    assert (files["run"].mode, files["read"].mode) == (Mode.EXECUTABLE, Mode.FILE)


def test_a_folder_given_by_a_link_is_read(root: Path, store: TreeStore, tmp_path: Path) -> None:
    write(root, "a")
    (tmp_path / "link").symlink_to(root)

    assert set(store.files(read_checkout(tmp_path / "link", store).tree)) == {"a"}


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_one_clear_error(root: Path, store: TreeStore, name: str) -> None:
    write(root, "file")

    with pytest.raises(InputError, match=f"{name}: no such folder"):
        read_checkout(root / name, store)


def test_the_nearest_repository_is_detected(root: Path) -> None:
    write(root, ".hg/requires", "deep/.git/HEAD", "deep/er/x", "deep/linked/.git")

    assert detect(root) == Place("hg", root)
    assert detect(root / "deep") == Place("git", root / "deep")
    assert detect(root / "deep/linked") == Place("git", root / "deep/linked")


def test_a_folder_named_git_that_is_no_repository_does_not_count(root: Path) -> None:
    (root / ".git").mkdir()

    assert detect(root) == Place("plain", root)
