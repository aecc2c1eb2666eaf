"""Revisions by name: moving ones move, commits are read once, and nothing else than a name gets through."""

import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.ces.revisions import Revisions
from greenloop.records import InputError, TreeId
from greenloop.workspace.store import TreeStore


def run(folder: Path, *argv: str) -> str:
    return subprocess.run(argv, cwd=folder, capture_output=True, check=True, text=True).stdout.strip()


@pytest.fixture
def git(tmp_path: Path) -> Path:
    folder = tmp_path / "git"
    folder.mkdir()
    run(folder, "git", "init", "-q", "-b", "main")
    commit(folder, "1")
    return folder


@pytest.fixture
def hg(tmp_path: Path) -> Path:
    run(tmp_path, "hg", "init", "hg")
    (tmp_path / "hg/a").write_text("1")
    run(tmp_path / "hg", "hg", "commit", "-qAm", "one")
    return tmp_path / "hg"


def commit(folder: Path, text: str) -> str:
    (folder / "a").write_text(text)
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-q", "-m", "x")
    return run(folder, "git", "rev-parse", "HEAD")


def test_a_moving_name_is_resolved_each_time_and_a_commit_stays(store: TreeStore, git: Path, hg: Path) -> None:
    revisions = Revisions(store, {"ours": git, "theirs": hg})
    first = run(git, "git", "rev-parse", "HEAD")
    old = revisions.find("ours@main").tree
    assert revisions.find("theirs@default").tree == old
    second = commit(git, "2")
    new = revisions.find("ours@main").tree
    assert store.read(new, "a") == b"2"
    assert revisions.find(f"ours@{first}").tree == revisions.find("ours@main~1").tree == old
    assert revisions.find("ours@HEAD").commit == second
    (hg / "a").write_text("2")
    run(hg, "hg", "commit", "-qm", "two")
    assert revisions.find("theirs@tip").tree == new


def test_a_repository_need_not_be_named_where_there_is_one(store: TreeStore, git: Path, hg: Path) -> None:
    by_name, here = Revisions(store, {"ours": git, "theirs": hg}), Revisions(store, {"here": git})
    # whatever a service calls it: tests in quarantine go by it
    assert by_name.find("ours@main").project == here.find("main").project != by_name.find("theirs@tip").project
    assert Revisions(store, {"ours": git}).find("main").tree == Revisions(store, {"o": git}).find("o@main").tree
    with pytest.raises(InputError, match="which repository"):
        Revisions(store, {"ours": git, "theirs": hg}).find("main")
    with pytest.raises(InputError, match="no repository 'other' is served"):
        Revisions(store, {"ours": git}).find("other@main")


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "ours@", "@main", "ours@main@{1}", "main@{upstream}", "ours@--all", "ours@-1", "ours@:/x"),
        *("ours@main..HEAD", "ours@main:a", "ours@/etc/passwd", "ours@../../git", "/etc@main", "../git@main"),
        *("ours@all()", "ours@main or 0", "ours@main\n", "ours@ma\0in", "ours@$(id)", "ours@`id`", "ours@main;id"),
        *(
            "ours@" + "x" * 300,
            "ours@HEAD^{tree}",
            "ours@HEAD^{/x}",
            "ours@refs/heads/main.lock",
            "ours@.git",
            "ours@é",
        ),
    ],
)
def test_nothing_but_a_name_gets_through(store: TreeStore, git: Path, text: str) -> None:
    with pytest.raises(InputError):
        Revisions(store, {"ours": git}).find(text)


def test_a_refusal_names_the_repository_and_not_where_it_lies(store: TreeStore, git: Path, hg: Path) -> None:
    revisions = Revisions(store, {"ours": git, "theirs": hg})
    for name, folder in (("ours", git), ("theirs", hg)):
        with pytest.raises(InputError, match=f"{name}: no revision") as caught:
            revisions.find(f"{name}@nope")
        assert str(folder) not in str(caught.value)


def test_many_who_ask_at_once_get_the_same_tree(store: TreeStore, git: Path) -> None:
    revisions = Revisions(store, {"ours": git})
    found: list[TreeId] = []
    threads = [threading.Thread(target=lambda: found.append(revisions.find("main").tree)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_what_is_left_out_of_a_tree_is_said(store: TreeStore, git: Path) -> None:
    (git / "large").write_text("x" * 1_000_001)
    commit(git, "2")
    assert "large (larger than" in Revisions(store, {"ours": git}).find("main").note


def test_the_operators_packs_are_named_like_repositories(
    store: TreeStore, git: Path, write: Callable[[Mapping[str, str]], TreeId], tmp_path: Path
) -> None:
    tree = write({"b": "b"})
    pack = tmp_path / "p.pack"
    store.export_pack([tree], pack)
    fresh = TreeStore(tmp_path / "fresh")
    revisions = Revisions(fresh, {"ours": git}, packs={"pack": pack})
    assert revisions.find(f"pack@{tree}").tree == revisions.find(f"pack@{tree[:8]}").tree == tree
    assert fresh.read(tree, "b") == b"b"
    for text in ("pack@main", f"ours@{tree}"):
        with pytest.raises(InputError):
            revisions.find(text)


def test_a_pack_from_a_client_brings_trees_but_no_revisions(
    store: TreeStore, git: Path, write: Callable[[Mapping[str, str]], TreeId], tmp_path: Path
) -> None:
    tree = write({"b": "b"})
    pack = tmp_path / "p.pack"
    store.export_pack([tree], pack)
    fresh = TreeStore(tmp_path / "fresh")
    revisions = Revisions(fresh, {"ours": git})
    assert revisions.take_pack(pack, max_mib=1) == (tree,)
    assert tree in fresh
    with pytest.raises(InputError):
        revisions.find(tree)
    with pytest.raises(InputError, match="larger than"):
        revisions.take_pack(pack, max_mib=0)


def test_names_of_repositories_are_names(store: TreeStore, git: Path, tmp_path: Path) -> None:
    for name in ("", "a@b", "../x", "-x", "a b"):
        with pytest.raises(InputError, match="no name of a repository"):
            Revisions(store, {name: git})
    (tmp_path / "p.pack").write_bytes(b"no pack")
    with pytest.raises(InputError, match="git pack"):
        Revisions(store, {}, packs={"pack": tmp_path / "p.pack"})
