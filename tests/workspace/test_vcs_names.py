"""Watching names: whatever moves one changes the stamp, and a fresh stamp proves nothing."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from greenloop.workspace.vcs import NameWatch


def run(folder: Path, *argv: str) -> None:
    subprocess.run(argv, cwd=folder, capture_output=True, check=True)


@pytest.fixture
def git(tmp_path: Path) -> Path:
    folder = tmp_path / "git"
    folder.mkdir()
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "git", "commit", "-q", "--allow-empty", "-m", "one")
    run(folder, "git", "branch", "deep/er/side")
    return folder


@pytest.fixture
def hg(tmp_path: Path) -> Path:
    folder = tmp_path / "hg"
    run(tmp_path, "hg", "init", "hg")
    (folder / "a").write_text("a")
    run(folder, "hg", "commit", "-qAm", "one")
    return folder


GIT_MOVES: list[Callable[[Path], None]] = [
    lambda at: run(at, "git", "commit", "-q", "--allow-empty", "-m", "two"),
    lambda at: run(at, "git", "tag", "v1"),
    lambda at: run(at, "git", "branch", "-f", "deep/er/side", "HEAD@{0}"),
    lambda at: run(at, "git", "branch", "-D", "deep/er/side"),
    lambda at: run(at, "git", "checkout", "-q", "-b", "other"),
    lambda at: run(at, "git", "pack-refs", "--all"),
    lambda at: run(at, "git", "symbolic-ref", "HEAD", "refs/heads/main"),
]
HG_MOVES: list[Callable[[Path], None]] = [
    lambda at: run(at, "hg", "tag", "--local", "v1"),
    lambda at: run(at, "hg", "bookmark", "b"),
    lambda at: run(at, "hg", "commit", "-q", "--config", "ui.allowemptycommit=yes", "-m", "two"),
    lambda at: run(at, "hg", "update", "-q", "null"),
]


def test_whatever_moves_a_git_name_changes_the_stamp(git: Path) -> None:
    run(git, "git", "commit", "-q", "--allow-empty", "-m", "again")
    for number, move in enumerate(GIT_MOVES):
        if number == 2:
            run(git, "git", "commit", "-q", "--allow-empty", "-m", "three")
        before = NameWatch(git).stamp()
        time.sleep(0.02)
        move(git)
        assert NameWatch(git).stamp() != before, number


def test_whatever_moves_a_mercurial_name_changes_the_stamp(hg: Path) -> None:
    for number, move in enumerate(HG_MOVES):
        before = NameWatch(hg).stamp()
        move(hg)
        assert NameWatch(hg).stamp() != before, number


def test_a_quiet_repository_keeps_its_stamp(git: Path, hg: Path) -> None:
    for root in (git, hg):
        stamp = NameWatch(root).stamp()
        assert stamp
        run(root, "git" if root == git else "hg", "log")
        assert NameWatch(root).stamp() == stamp


def test_a_stamp_is_believed_only_when_it_is_older_than_a_tick(git: Path) -> None:
    now = [time.time_ns()]
    watch = NameWatch(git, now_ns=lambda: now[0])
    stamp = watch.stamp()
    assert stamp is not None
    assert not watch.settled(stamp)
    now[0] += 3_000_000_000
    assert watch.settled(stamp)


def test_bare_repositories_worktrees_and_folders_below_are_watched(git: Path, tmp_path: Path) -> None:
    bare, side = tmp_path / "bare.git", tmp_path / "side"
    run(git, "git", "clone", "-q", "--bare", ".", str(bare))
    run(git, "git", "worktree", "add", "-q", str(side), "deep/er/side")
    (side / "below").mkdir()
    for place, moved in ((bare, bare), (side, git), (side / "below", git), (git, side)):
        before = NameWatch(place).stamp()
        assert before
        time.sleep(0.02)
        run(moved, "git", "tag", f"t{time.time_ns()}")
        assert NameWatch(place).stamp() != before


def test_where_nothing_cheap_can_tell_there_is_no_stamp(git: Path, tmp_path: Path) -> None:
    assert NameWatch(tmp_path).stamp() is None
    heads = git / ".git/refs/heads"
    for number in range(600):
        (heads / f"b{number}").write_text((heads / "main").read_text())
    assert NameWatch(git).stamp() is None
