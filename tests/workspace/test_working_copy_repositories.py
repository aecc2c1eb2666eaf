"""``WorkingCopy`` on repositories: nested ones, submodules, worktrees, ignore rules that change, and hands off."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import pytest
from tests.workspace.checkouts import fill, git, hg

from greenloop.records import InputError
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import Skipped, WorkingCopy

Open = Callable[..., WorkingCopy]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


@pytest.fixture
def open_copy(store: TreeStore, tmp_path: Path) -> Iterator[Open]:
    opened: list[WorkingCopy] = []

    def one(root: Path) -> WorkingCopy:
        for copy in opened:
            copy.close()
        opened.append(WorkingCopy(root, store, tmp_path / "cache"))
        return opened[-1]

    yield one
    for copy in opened:
        copy.close()


def commit(folder: Path, files: dict[str, str]) -> str:
    fill(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


def names(store: TreeStore, tree: str) -> set[str]:
    return set(store.files(tree))


def reasons(skipped: tuple[Skipped, ...]) -> dict[str, str]:
    return {item.path: item.reason for item in skipped}


def fingerprint(folder: Path) -> dict[str, tuple[int, int, int, int, str]]:
    """Every path below ``folder``, itself too, with mode, inode, both change times and content."""
    found = {}
    for path in sorted((folder, *folder.rglob("*"))):
        status = path.lstat()
        content = sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = (status.st_mode, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, content)
    return found


def test_nested_repositories_are_read_by_their_own_rules(
    repo: Path, store: TreeStore, open_copy: Open, tmp_path: Path
) -> None:
    commit(repo, {".gitignore": "*.o\n", "a": "a"})
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    commit(other, {"x": "x"})
    git(repo, "submodule", "--quiet", "add", str(other), "vendor/sub")
    git(repo, "clone", "-q", str(other), "nested")
    fill(repo, {"nested/.gitignore": "*.tmp\n", "nested/y.tmp": "", "nested/z.o": "kept: not its rule"})
    hg(repo, "init", "mercurial")
    fill(repo, {"mercurial/.hgignore": "secret\n", "mercurial/secret": "", "mercurial/m": "m", "vendor/sub/new": "n"})
    git(repo / "nested", "clone", "-q", str(other), "deeper")

    copy = open_copy(repo)
    reading = copy.reconcile()

    expected = {
        ".gitignore", ".gitmodules", "a", "vendor/sub/x", "vendor/sub/new", "nested/x", "nested/.gitignore",
        "nested/z.o", "nested/deeper/x", "mercurial/.hgignore", "mercurial/m",
    }  # fmt: skip
    assert (names(store, reading.tree), reading.skipped) == (expected, ())
    assert copy.reconcile().changed == ()
    fill(repo, {".gitignore": "*.o\n# other rules\n"})
    assert copy.reconcile().changed == (".gitignore",)
    fill(repo, {"nested/deeper/x": "changed", "vendor/sub/x": "changed", "mercurial/m": "changed", "nested/y.tmp": "2"})
    told = copy.touch([b"nested/deeper/x", b"vendor/sub/x", b"mercurial/m", b"nested/y.tmp"])
    assert (told.changed, told.full) == (("mercurial/m", "nested/deeper/x", "vendor/sub/x"), False)
    assert copy.reconcile().changed == ()
    assert open_copy(repo).reconcile().tree == told.tree


def test_a_nested_repository_may_forbid_recording(repo: Path, store: TreeStore, open_copy: Open) -> None:
    commit(repo, {"a": "a"})
    (repo / "nested").mkdir()
    git(repo / "nested", "init", "-q")
    fill(repo, {"nested/x": "x"})
    copy = open_copy(repo)
    assert names(store, copy.reconcile().tree) == {"a", "nested/x"}
    fill(repo, {"nested/.greenloop-no-record": ""})

    told = copy.touch([b"nested/.greenloop-no-record"])

    assert names(store, told.tree) == {"a"}
    assert reasons(told.skipped) == {"nested/": "a nested repository that forbids recording (.greenloop-no-record)"}
    fill(repo, {"nested/x": "changed"})
    assert copy.touch([b"nested/x"]).changed == ()
    assert names(store, open_copy(repo).reconcile().tree) == {"a"}


@pytest.mark.parametrize("told", [True, False])
def test_submodules_and_repositories_come_and_go(
    repo: Path, store: TreeStore, open_copy: Open, tmp_path: Path, told: bool
) -> None:
    commit(repo, {"a": "a"})
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    commit(other, {"x": "x", ".gitignore": "*.o\n"})
    fill(repo, {"lib/y": "y", "lib/z.o": "o"})
    copy = open_copy(repo)
    copy.reconcile()

    def look(*paths: bytes) -> set[str]:
        return names(store, (copy.touch(paths) if told else copy.reconcile()).tree)

    git(repo, "submodule", "--quiet", "add", str(other), "sub")
    with_sub = {".gitmodules", "a", "lib/y", "lib/z.o", "sub/.gitignore", "sub/x"}
    assert look(b"sub", b".gitmodules") == with_sub
    git(repo / "lib", "init", "-q")
    (repo / "lib/.git/info/exclude").write_text("*.o\n")
    assert look(b"lib/.git/HEAD") == with_sub - {"lib/z.o"}
    subprocess.run(["rm", "-r", repo / "lib/.git"], check=True)
    assert look(b"lib/.git/HEAD") == with_sub
    git(repo, "rm", "-q", "-f", "sub")
    assert look(b"sub", b"sub/x", b".gitmodules") == {".gitmodules", "a", "lib/y", "lib/z.o"}


def test_a_nested_repository_that_git_refuses_is_told(repo: Path, store: TreeStore, open_copy: Open) -> None:
    commit(repo, {"a": "a"})
    (repo / "broken").mkdir()
    git(repo / "broken", "init", "-q")
    fill(repo, {"broken/x": "x", "broken/.git/config": "[nonsense\n"})

    reading = open_copy(repo).reconcile()

    assert names(store, reading.tree) == {"a"}
    ((path, reason),) = reasons(reading.skipped).items()
    assert path == "broken/"
    assert reason.startswith("a nested repository that cannot be read")


def test_what_becomes_ignored_leaves_and_what_is_tracked_stays(repo: Path, store: TreeStore, open_copy: Open) -> None:
    commit(repo, {"a.o": "tracked", "b.ml": "b"})
    fill(repo, {"c.o": "not tracked", "d/e": "e"})
    copy = open_copy(repo)
    assert names(store, copy.reconcile().tree) == {"a.o", "b.ml", "c.o", "d/e"}

    fill(repo, {".gitignore": "*.o\n"})
    assert names(store, copy.touch([b".gitignore"]).tree) == {".gitignore", "a.o", "b.ml", "d/e"}
    (repo / ".git/info/exclude").write_text("d/\n")
    assert names(store, copy.touch([]).tree) == {".gitignore", "a.o", "b.ml"}
    git(repo, "add", "-f", "c.o")
    assert names(store, copy.touch([]).tree) == {".gitignore", "a.o", "b.ml", "c.o"}
    rules = repo.parent / "rules"
    rules.write_text("b.*\n")
    git(repo, "rm", "-q", "--cached", "b.ml")
    git(repo, "config", "core.excludesFile", str(rules))
    assert names(store, copy.reconcile().tree) == {".gitignore", "a.o", "c.o"}
    rules.write_text("")
    assert names(store, copy.reconcile().tree) == {".gitignore", "a.o", "b.ml", "c.o"}


def test_what_tools_generate_is_read_where_it_is_tracked(repo: Path, store: TreeStore, open_copy: Open) -> None:
    commit(repo, {"node_modules/kept.js": "1"})
    fill(repo, {"_build/log": "x", "node_modules/new.js": "x"})
    copy = open_copy(repo)
    assert names(store, copy.reconcile().tree) == {"node_modules/kept.js"}
    fill(repo, {"node_modules/kept.js": "2", "_build/log": "y"})

    told = copy.touch([b"node_modules/kept.js", b"node_modules/new.js", b"_build/log"])

    assert (told.changed, told.full) == (("node_modules/kept.js",), False)


def test_a_build_into_an_ignored_folder_is_no_reason_to_look_at_all(repo: Path, open_copy: Open) -> None:
    commit(repo, {".gitignore": "/target/\n", "a": "a"})
    copy = open_copy(repo)
    copy.reconcile()
    fill(repo, {f"target/debug/f{n}": "x" for n in range(2_000)} | {"a": "b"})

    told = copy.touch([b"a", *(f"target/debug/f{n}".encode() for n in range(2_000))])

    assert (told.changed, told.full) == (("a",), False)


def test_conversions_never_decide_what_is_recorded(repo: Path, store: TreeStore, open_copy: Open) -> None:
    commit(repo, {".gitattributes": "* text=auto eol=lf\n*.c ident filter=lfs\n", "a.c": "/* $Id$ */\r\n", "b": "x\n"})
    git(repo, "config", "filter.lfs.clean", "echo converted")
    git(repo, "config", "core.autocrlf", "true")
    copy = open_copy(repo)
    assert store.read(copy.reconcile().tree, "a.c") == b"/* $Id$ */\r\n"
    (repo / "b").write_bytes(b"x\r")
    (repo / "a.c").write_bytes(b"/* $Id: 1234$ */\r\n")

    tree = copy.reconcile().tree

    assert (store.read(tree, "a.c"), store.read(tree, "b")) == (b"/* $Id: 1234$ */\r\n", b"x\r")


def test_a_change_that_no_time_stamp_shows_is_seen(repo: Path, store: TreeStore, open_copy: Open) -> None:
    fill(repo, {"a": "one\n"})
    os.utime(repo / "a", ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    copy = open_copy(repo)
    copy.reconcile()
    for content in (b"two\n", b"six\n", b"ten\n"):
        (repo / "a").write_bytes(content)
        os.utime(repo / "a", ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
        copy = open_copy(repo)
        assert store.read(copy.reconcile().tree, "a") == content


def test_a_folder_below_the_root_is_read_alone(repo: Path, store: TreeStore, open_copy: Open) -> None:
    commit(repo, {"lib/a": "a", "lib/.gitignore": "*.tmp\n", "bin/b": "b", ".gitignore": "*.o\n"})
    fill(repo, {"lib/x.o": "", "lib/y.tmp": "", "lib/new": "n"})
    copy = open_copy(repo / "lib")
    assert names(store, copy.reconcile().tree) == {".gitignore", "a", "new"}
    fill(repo, {".gitignore": "*.o\nnew\n"})
    assert names(store, copy.reconcile().tree) == {".gitignore", "a"}
    fill(repo, {"lib/a": "changed", "lib/d/e": "e", "bin/b": "changed"})
    assert copy.touch([b"a", b"d"]).changed == ("a", "d/e")


def test_a_worktree_is_read_by_its_own_index(repo: Path, store: TreeStore, open_copy: Open, tmp_path: Path) -> None:
    commit(repo, {".gitignore": "*.o\n", "a": "a"})
    tree = tmp_path / "tree"
    git(repo, "worktree", "add", "-q", str(tree), "-b", "side")
    fill(tree, {"b.o": "b"})
    copy = open_copy(tree)
    assert names(store, copy.reconcile().tree) == {".gitignore", "a"}
    git(tree, "add", "-f", "b.o")
    assert names(store, copy.touch([]).tree) == {".gitignore", "a", "b.o"}


def test_an_empty_repository_and_a_locked_one_are_read(repo: Path, store: TreeStore, open_copy: Open) -> None:
    copy = open_copy(repo)
    assert copy.reconcile().tree == store.empty
    commit(repo, {"a": "a"})
    (repo / ".git/index.lock").write_bytes(b"")
    fill(repo, {"b": "b"})

    assert names(store, copy.reconcile().tree) == {"a", "b"}
    assert (repo / ".git/index.lock").exists()


def test_a_broken_repository_is_one_clear_error(repo: Path, open_copy: Open) -> None:
    commit(repo, {"a": "a"})
    (repo / ".git/index").write_bytes(b"nonsense")

    with pytest.raises(InputError, match="git cannot read this repository"):
        open_copy(repo).reconcile()


def test_mercurial_is_read_by_its_own_rules(store: TreeStore, open_copy: Open, tmp_path: Path) -> None:
    hg(tmp_path, "init", "repo2")
    repo = tmp_path / "repo2"
    fill(repo, {".hgignore": "syntax: glob\n*.o\n", "a": "a", "b.o": "ignored", "c.o": "tracked", "_build/log": "x"})
    hg(repo, "add", "c.o", "a", ".hgignore")
    hg(repo, "commit", "-m", "x")
    copy = open_copy(repo)
    assert names(store, copy.reconcile().tree) == {".hgignore", "a", "c.o"}
    fill(repo, {"a": "changed", "c.o": "changed"})
    told = copy.touch([b"a", b"c.o", b"_build/log"])
    assert (told.changed, told.full) == (("a", "c.o"), False)
    fill(repo, {"d": "new"})
    told = copy.touch([b"d"])
    assert (told.changed, told.full) == (("d",), True)
    (repo / "a").unlink()
    fill(repo, {".hgignore": "syntax: glob\n*.o\nd\n"})
    assert names(store, copy.touch([b"a", b".hgignore"]).tree) == {".hgignore", "c.o"}
    assert names(store, copy.reconcile().tree) == {".hgignore", "c.o"}


@pytest.mark.parametrize("vcs", ["git", "hg"])
def test_reading_changes_nothing(store: TreeStore, open_copy: Open, tmp_path: Path, vcs: str) -> None:
    (tmp_path / "work").mkdir()
    repo = tmp_path / "work"
    (git if vcs == "git" else hg)(repo, "init", "-q")
    fill(repo, {"a": "one\n", "b/c": "two\n"})
    (git if vcs == "git" else hg)(repo, "add", "a", "b/c")
    (git if vcs == "git" else hg)(repo, "commit", "-m", "x")
    # the repository's own index holds stale time stamps now: `git status` and `hg status` would write it back
    for path in ("a", "b/c"):
        os.utime(repo / path, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    fill(repo, {"new": "x"})
    before = fingerprint(repo)

    copy = open_copy(repo)
    token = copy.heads()
    copy.reconcile()
    copy.touch([b"a", b"new", b"b", b"unknown"])
    copy.reconcile()
    copy.moved(token)
    copy.moved(token.replace("a", "b"))

    assert fingerprint(repo) == before


READ = """
import sys
from pathlib import Path
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import WorkingCopy
root, store, cache = map(Path, sys.argv[1:])
copy = WorkingCopy(root, TreeStore(store), cache)
print("ready", flush=True)
n = 0
while True:
    copy.reconcile()
    copy.touch([b"d0/f0", b"new"])
"""


@pytest.mark.slow
def test_killed_at_any_moment_nothing_of_the_folder_changes_and_the_next_reading_is_right(
    repo: Path, store: TreeStore, tmp_path: Path
) -> None:
    commit(repo, {f"d{n % 9}/f{n}": f"{n}\n" for n in range(2_000)})
    expected = git(repo, "rev-parse", "HEAD^{tree}")
    before = fingerprint(repo)
    for round_ in range(25):
        process = subprocess.Popen(
            [sys.executable, "-c", READ, str(repo), str(store.path), str(tmp_path / "cache")], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.03 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert fingerprint(repo) == before
    copy = WorkingCopy(repo, TreeStore(store.path), tmp_path / "cache")
    assert copy.reconcile().tree == expected
    copy.close()
