"""Unsaved buffers over a tree."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.records import EditError, TreeId
from greenloop.workspace.overlay import lay_over
from greenloop.workspace.store import Entry, Mode, TreeStore


def test_changed_new_and_deleted_buffers(
    store: TreeStore, write: Callable[[Mapping[str, str]], TreeId], tmp_path: Path
) -> None:
    base = write({"a.ml": "a\n", "b/c.ml": "c\n", "keep.ml": "k\n"})
    laid = lay_over(store, base, {"a.ml": "ü\r\n", "b/c.ml": None, "new/d.ml": "d", "nowhere.ml": None}, tmp_path)
    assert laid.left_out == ()
    assert {path: store.read(laid.tree, path) for path in store.files(laid.tree)} == {
        "a.ml": "ü\r\n".encode(),
        "keep.ml": b"k\n",
        "new/d.ml": b"d",
    }
    assert lay_over(store, base, {}, tmp_path).tree == base


def test_a_script_stays_executable(store: TreeStore, tmp_path: Path) -> None:
    base = store.write_tree({"run.sh": Entry(Mode.EXECUTABLE, store.write_blob(b"1\n"))})
    laid = lay_over(store, base, {"run.sh": "2\n"}, tmp_path)
    assert store.files(laid.tree)["run.sh"].mode is Mode.EXECUTABLE


def test_a_file_that_the_tree_leaves_out_stays_out(store: TreeStore, tmp_path: Path) -> None:
    (tmp_path / "ignored.ml").write_text("on the disk\n")
    laid = lay_over(store, store.empty, {"ignored.ml": "typed\n"}, tmp_path)
    assert laid.tree == store.empty
    assert [path for path, _ in laid.left_out] == ["ignored.ml"]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("../a.ml", "outside-tree"),
        ("/etc/passwd", "outside-tree"),
        (".git/config", "vcs-path"),
        ("x/.HG/hgrc", "vcs-path"),
        ("", "bad-path"),
        ("on-disk/a.ml", "link"),
        ("in-tree/a.ml", "link"),
        ("in-tree", "link"),
    ],
)
def test_paths_that_lead_elsewhere_are_refused(store: TreeStore, tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "on-disk").symlink_to("/tmp")
    base = store.write_tree({"in-tree": Entry(Mode.LINK, store.write_blob(b"/tmp"))})
    with pytest.raises(EditError) as refused:
        lay_over(store, base, {path: "x\n"}, tmp_path)
    assert refused.value.reason == reason
