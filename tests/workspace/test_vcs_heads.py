"""What moved the head of a repository, told from its files: every event of git and Mercurial, by the real programs."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy
from greenloop.workspace.vcs.heads import commit_of

Open = Callable[[Path], WorkingCopy]
EXTENSIONS = [f"--config=extensions.{name}=" for name in ("shelve", "rebase", "histedit", "strip")]


@pytest.fixture
def open_copy(store: TreeStore, tmp_path: Path) -> Iterator[Open]:
    opened: list[WorkingCopy] = []

    def one(root: Path) -> WorkingCopy:
        opened.append(WorkingCopy(root, store, tmp_path / f"cache{len(opened)}"))
        return opened[-1]

    yield one
    for copy in opened:
        copy.close()


def run(folder: Path, command: str) -> None:
    """Run a line of shell; conflicts and editors are a part of it."""
    environment = {**os.environ, "GIT_EDITOR": "true", "HGEDITOR": "true", "HG": f"hg {' '.join(EXTENSIONS)}"}
    subprocess.run(["sh", "-c", command], cwd=folder, env=environment, capture_output=True, check=False)


GIT = {
    "commit": ["echo 2 > a; git commit -qam x"],
    "commit --amend": ["git commit -q --amend -m y"],
    "checkout": ["git checkout -q side", "git checkout -q --detach", "git checkout -q -b new", "git switch -q side"],
    "checkout after a commit": ["echo 2 > a; git commit -qam x; git checkout -q side"],
    "rebase": ["git rebase -q side", "git checkout -q side; git rebase -q main"],
    "merge": ["git merge -q side", "git merge -q --no-commit side", "git checkout -q first; git merge -q main"],
    "cherry-pick": ["git cherry-pick side", "git cherry-pick clash"],
    "revert": ["git revert --no-edit HEAD", "git revert --no-commit HEAD"],
    "reset": ["git reset -q --hard HEAD~1", "git reset -q HEAD~1"],
    "stash": ["echo 2 > a; git stash -q"],
    "bisect": ["git bisect start HEAD first"],
    "pull": ["git pull -q . side", "git pull -q --rebase . side"],
    "": ["git status", "echo 2 > a; git add a", "git branch other", "git tag t", "echo 2 > new"],
}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    lines = (
        "git init -q -b main; git config pull.rebase false",
        "echo 1 > a; git add a; git commit -qm one; git branch first",
        "git checkout -q -b side; echo s > s; git add s; git commit -qm side",
        "git checkout -q -b clash main; echo clash > a; git commit -qam clash; git checkout -q main",
        "echo 1b > a; git commit -qam two; echo m > m; git add m; git commit -qm three",
    )
    for line in lines:
        run(folder, line)
    return folder


@pytest.mark.parametrize(("event", "command"), [(event, line) for event, lines in GIT.items() for line in lines])
def test_what_happened_to_a_git_repository(repo: Path, open_copy: Open, event: str, command: str) -> None:
    copy = open_copy(repo)
    before = copy.heads()
    assert copy.moved(before) == ""

    run(repo, command)

    told = copy.moved(before)
    # of several events that one is told which weighs most: a checkout before a rebase is not
    assert told == event.partition(" ")[0]


def test_the_end_of_what_was_under_way_is_told_by_its_name(repo: Path, open_copy: Open) -> None:
    copy = open_copy(repo)
    run(repo, "git merge -q clash")
    conflict = copy.heads()
    run(repo, "git merge --abort")
    assert copy.moved(conflict) == "merge"
    run(repo, "git rebase -q clash")
    under_way = copy.heads()
    run(repo, "echo r > a; git add a; git rebase --continue")
    assert copy.moved(under_way) == "rebase"
    run(repo, "git bisect start HEAD first")
    searching = copy.heads()
    run(repo, "git bisect reset")
    assert copy.moved(searching) == "bisect"


def test_the_commit_is_told_whether_refs_are_packed_or_not(repo: Path, open_copy: Open) -> None:
    copy = open_copy(repo)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repo, capture_output=True, check=True).stdout.decode()
    loose = copy.heads()
    run(repo, "git pack-refs --all")

    assert commit_of(loose) == commit_of(copy.heads()) == head.strip()
    assert copy.moved(loose) == ""


def test_the_head_of_a_worktree_and_of_a_nested_repository_is_told(repo: Path, open_copy: Open, tmp_path: Path) -> None:
    run(repo, "git worktree add -q ../tree side; git clone -q . nested")
    tree, copy = open_copy(tmp_path / "tree"), open_copy(repo)
    copy.reconcile()
    before, outer = tree.heads(), copy.heads()

    run(tmp_path / "tree", "git checkout -q --detach")
    assert (tree.moved(before), copy.moved(outer)) == ("checkout", "")
    run(repo / "nested", "git reset -q --hard HEAD~1")
    assert copy.moved(outer) == "reset"


def test_without_a_reflog_a_moved_head_is_told_all_the_same(repo: Path, open_copy: Open) -> None:
    run(repo, "git config core.logAllRefUpdates false; rm -r .git/logs")
    copy = open_copy(repo)
    before = copy.heads()
    run(repo, "git reset -q --hard HEAD~1")
    assert copy.moved(before) == "head-moved"
    assert copy.moved("of another version") == ""


HG = {
    "commit": ["echo 2 > a; hg commit -m x", "echo 2 > a; hg commit -m x; echo 3 > a; hg commit -m y"],
    "commit --amend": [
        "hg commit --amend -m y",
        "hg commit --amend -m y; hg commit --amend -m z",
        "echo 2 > a; hg commit -m x; hg commit --amend -m y",
    ],
    "update after a commit": [
        "echo 2 > a; hg commit -m x; hg update -q 0",
        "hg update -q 0; echo 2 > a; hg commit -m x",
        "echo 2 > a; hg commit -m x; hg commit --amend -m y; hg update -q side",
    ],
    "update to what came": ["hg clone -q . ../c; (cd ../c; echo c > c; hg commit -qAm c); hg pull -q -u ../c"],
    "merge and commit": [
        "hg merge -q side; hg commit -m x",
        "hg merge -q side; hg commit -m x; echo 2 > a; hg commit -m y",
    ],
    "update": ["hg update -q 0", "hg update -q side"],
    "graft": ["hg graft -q side"],
    "rebase": ["$HG rebase -q -d side"],
    "merge": ["hg merge -q side"],
    "shelve": ["echo 2 > a; $HG shelve -q"],
    "histedit": ["$HG histedit -q --commands ../commands 'tip^'"],
    "bisect": ["hg bisect --bad .; hg bisect --good 0"],
    "": ["hg status", "echo 2 > new; hg add new", "hg bookmark other"],
}
"""What a commit, which is no boundary in mining, must not hide: that files changed unasked in the same interval."""


@pytest.mark.parametrize(("event", "command"), [(event, line) for event, lines in HG.items() for line in lines])
def test_what_happened_to_a_mercurial_repository(tmp_path: Path, open_copy: Open, event: str, command: str) -> None:
    repo = tmp_path / "hg"
    repo.mkdir()
    lines = (
        "hg init; echo 1 > a; hg commit -qAm one; echo s > s; hg commit -qAm side; hg bookmark -i side",
        "hg update -q 0; echo m > m; hg commit -qAm two; echo n > n; hg commit -qAm three; echo o > o",
        "hg commit -qAm four; hg log -r 'tip' -T 'roll {node|short} four\n' > ../drop",
        "hg log -r 'tip^' -T 'pick {node|short} three\n' > ../commands; cat ../drop >> ../commands",
    )
    for line in lines:
        run(repo, line)
    copy = open_copy(repo)
    before = copy.heads()
    assert copy.moved(before) == ""

    run(repo, command)

    assert copy.moved(before) == event.partition(" ")[0]


def test_commits_are_told_even_where_hg_sets_the_same_time_again(tmp_path: Path, open_copy: Open) -> None:
    repo = tmp_path / "hg"
    repo.mkdir()
    run(repo, "hg init; echo 1 > a; hg commit -qAm one")
    log = repo / ".hg/store/00changelog.i"
    copy = open_copy(repo)
    before, then = copy.heads(), log.stat().st_mtime_ns
    run(repo, "echo 2 > a; hg commit -m x; echo 33 > a; hg commit -m y")
    os.utime(log, ns=(then, then))

    assert copy.moved(before) == "commit"
