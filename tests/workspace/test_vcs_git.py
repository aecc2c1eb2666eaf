"""Reading a git checkout: what is in the tree, what is left out and why, and that ``.git`` stays as it was."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from tests.workspace.checkouts import fill, fingerprint, git

from greenloop.records import InputError
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.vcs import Place, detect, read_checkout


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


def commit(folder: Path, files: dict[str, str]) -> str:
    fill(folder, files)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "a change")
    return git(folder, "rev-parse", "HEAD")


def read(folder: Path, store: TreeStore) -> dict[str, bytes]:
    tree = read_checkout(folder, store).tree
    return {path: store.read_blob(entry.blob) for path, entry in store.files(tree).items()}


def test_the_working_copy_is_read_not_the_index(repo: Path, store: TreeStore) -> None:
    commit(repo, {"kept.ml": "let a = 1\n", "edited.ml": "old\n", "deleted.ml": "x\n", "staged.ml": "x\n"})
    fill(repo, {"edited.ml": "new\n", "untracked/b.ml": "let b = 2\n"})
    (repo / "deleted.ml").unlink()
    git(repo, "rm", "-q", "staged.ml")

    assert read(repo, store) == {
        "edited.ml": b"new\n",
        "kept.ml": b"let a = 1\n",
        "untracked/b.ml": b"let b = 2\n",
    }


def test_a_clean_checkout_has_the_tree_that_git_committed(repo: Path, store: TreeStore) -> None:
    fill(repo, {"run.sh": "#!/bin/sh\n", "sub/é.ml": "let é = ()\n"})
    (repo / "run.sh").chmod(0o755)
    (repo / "sub/link").symlink_to("../run.sh")
    head = commit(repo, {})

    checkout = read_checkout(repo, store)

    assert checkout.tree == git(repo, "rev-parse", "HEAD^{tree}")
    assert (checkout.vcs, checkout.root, checkout.head, checkout.skipped) == ("git", repo, head, ())


def test_ignore_rules_of_every_level_hold(repo: Path, store: TreeStore) -> None:
    fill(repo, {".gitignore": "*.o\n!keep.o\n", "sub/.gitignore": "/tmp\n", ".git/info/exclude": "private\n"})
    fill(repo, {"a.o": "", "keep.o": "", "sub/tmp/x": "", "tmp/x": "", "private": ""})

    assert set(read(repo, store)) == {".gitignore", "sub/.gitignore", "keep.o", "tmp/x"}


def test_what_tools_generate_is_left_out_even_where_nobody_ignores_it_unless_it_is_tracked(
    repo: Path, store: TreeStore
) -> None:
    commit(repo, {"node_modules/vendored.js": "1\n"})
    fill(repo, {"_build/log": "x", "lib/_build/log": "x", "node_modules/new.js": "x", "builds/x": "x"})

    assert set(read(repo, store)) == {"node_modules/vendored.js", "builds/x"}


def test_links_are_stored_and_never_followed(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    fill(tmp_path, {"outside/secret": "s3cret"})
    fill(repo, {"real/a": "a"})
    (repo / "out").symlink_to(tmp_path / "outside")
    (repo / "dangling").symlink_to("nowhere")

    checkout = read_checkout(repo, store)
    files = store.files(checkout.tree)

    assert {path: entry.mode for path, entry in files.items()} == {
        "dangling": Mode.LINK, "out": Mode.LINK, "real/a": Mode.FILE,
    }  # fmt: skip
    assert store.read(checkout.tree, "out") == os.fsencode(tmp_path / "outside")


def test_a_tracked_folder_replaced_by_a_link_is_not_read_through_it(
    repo: Path, store: TreeStore, tmp_path: Path
) -> None:
    commit(repo, {"lib/a.ml": "ours", "lib/deep/b.ml": "ours"})
    fill(tmp_path, {"outside/a.ml": "theirs", "outside/deep/b.ml": "theirs"})
    subprocess.run(["rm", "-r", "lib"], cwd=repo, check=True)
    (repo / "lib").symlink_to(tmp_path / "outside")

    assert set(read(repo, store)) == {"lib"}


def test_submodules_and_nested_repositories_are_read(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    commit(other, {"x": "x"})
    git(repo, "submodule", "--quiet", "add", str(other), "vendor/sub")
    commit(repo, {"a": "a"})
    git(repo, "clone", "-q", str(other), "nested")

    checkout = read_checkout(repo, store)

    assert set(store.files(checkout.tree)) == {".gitmodules", "a", "nested/x", "vendor/sub/x"}
    assert checkout.skipped == ()


def test_with_a_cache_the_next_reading_is_of_what_changed(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    commit(repo, {"a": "a", "b": "b"})
    for path in ("a", "b"):
        os.utime(repo / path, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    scanned: list[str] = []

    def screen(path: str, content: bytes) -> str | None:
        scanned.append(path)
        return None

    for content in ("b", "changed"):
        fill(repo, {"b": content})
        checkout = read_checkout(repo, store, screen=screen, cache=tmp_path / "cache")
        assert store.read(checkout.tree, "b") == content.encode()

    assert sorted(scanned) == ["a", "b", "b"]


def test_a_folder_below_the_root_is_read_alone(repo: Path, store: TreeStore) -> None:
    head = commit(repo, {"lib/a.ml": "a", "lib/.gitignore": "*.tmp\n", "bin/b.ml": "b", ".gitignore": "*.o\n"})
    fill(repo, {"lib/x.o": "", "lib/y.tmp": "", "lib/new.ml": "n"})

    checkout = read_checkout(repo / "lib", store)

    assert set(store.files(checkout.tree)) == {".gitignore", "a.ml", "new.ml"}
    assert (checkout.root, checkout.head) == (repo / "lib", head)


def test_a_folder_that_the_repository_ignores_is_read_as_a_plain_one(repo: Path, store: TreeStore) -> None:
    commit(repo, {".gitignore": "build/\n"})
    fill(repo, {"build/demo/a.ml": "a", "build/demo/_build/x": "x"})

    checkout = read_checkout(repo / "build/demo", store)

    assert (checkout.vcs, set(store.files(checkout.tree))) == ("plain", {"a.ml"})


def test_a_repository_without_commits_is_read(repo: Path, store: TreeStore) -> None:
    fill(repo, {"a": "a"})

    checkout = read_checkout(repo, store)

    assert (checkout.head, set(store.files(checkout.tree))) == ("", {"a"})


def test_an_empty_repository_gives_the_empty_tree(repo: Path, store: TreeStore) -> None:
    assert read_checkout(repo, store).tree == store.empty


def test_a_worktree_is_read(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    commit(repo, {"a": "a"})
    git(repo, "worktree", "add", "-q", str(tmp_path / "tree"), "-b", "side")
    fill(tmp_path / "tree", {"b": "b"})

    assert set(read(tmp_path / "tree", store)) == {"a", "b"}


def test_files_in_conflict_are_read_once_as_they_lie_there(repo: Path, store: TreeStore) -> None:
    commit(repo, {"a": "base\n"})
    git(repo, "checkout", "-q", "-b", "side")
    commit(repo, {"a": "side\n"})
    git(repo, "checkout", "-q", "main")
    commit(repo, {"a": "main\n"})
    merge = subprocess.run(["git", "merge", "-q", "side"], cwd=repo, capture_output=True, check=False)
    assert merge.returncode == 1

    assert b"<<<<<<<" in read(repo, store)["a"]


def test_reading_leaves_git_and_the_files_byte_identical(repo: Path, store: TreeStore) -> None:
    commit(repo, {"a": "one\n", "b/c": "two\n"})
    # the index holds stale time stamps now: `git status` would write it back
    for path in ("a", "b/c"):
        os.utime(repo / path, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    fill(repo, {"new": "x"})
    git(repo, "config", "core.fsmonitor", "false")
    before = fingerprint(repo)

    read_checkout(repo, store)

    assert fingerprint(repo) == before


def test_a_program_that_the_repository_names_is_not_run(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    commit(repo, {"a": "a"})
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    git(repo, "config", "core.fsmonitor", str(hook))

    read_checkout(repo, store)

    assert not (tmp_path / "ran").exists()


def test_what_a_partial_clone_lacks_is_not_fetched(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    lacking = commit(repo, {"a": "a"})
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    for name, value in {
        "core.repositoryformatversion": "1",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": "ssh://localhost/x",
        "core.sshCommand": str(program),
        "protocol.ssh.allow": "always",
    }.items():
        git(repo, "config", name, value)
    (repo / ".git/objects" / lacking[:2] / lacking[2:]).unlink()

    with suppress(InputError):
        read_checkout(repo, store)
    assert not (tmp_path / "ran").exists()


def test_a_broken_repository_is_one_clear_error(repo: Path, store: TreeStore) -> None:
    commit(repo, {"a": "a"})
    (repo / ".git/index").write_bytes(b"nonsense")

    with pytest.raises(InputError, match="git cannot read this repository") as caught:
        read_checkout(repo, store)
    assert str(repo) in caught.value.message


def test_without_git_the_error_says_how_to_get_it(repo: Path, tmp_path: Path) -> None:
    # another process with another PATH: nothing of this one is changed
    code = (
        "import sys; from pathlib import Path; from greenloop.workspace.store import TreeStore\n"
        "from greenloop.workspace.vcs import read_checkout\n"
        "from greenloop.records import EnvironmentFault\n"
        "try: read_checkout(Path(sys.argv[1]), TreeStore(Path(sys.argv[2])))\n"
        "except EnvironmentFault as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(repo), str(tmp_path / "s")],
        env={"PATH": str(tmp_path)}, capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert "git is not installed" in done.stdout
    assert "apt-get install git" in done.stdout


def test_started_from_a_hook_the_folder_named_is_read(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    commit(repo, {"a": "a"})
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    fill(other, {"b": "b"})
    hook = repo / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        f"#!{sys.executable}\nfrom pathlib import Path\nfrom greenloop.workspace.store import TreeStore\n"
        "from greenloop.workspace.vcs import read_checkout\n"
        f"store = TreeStore(Path({str(store.path)!r}))\n"
        f"checkout = read_checkout(Path({str(other)!r}), store)\n"
        f"Path({str(tmp_path / 'said')!r}).write_text(' '.join(store.files(checkout.tree)))\n"
    )
    hook.chmod(0o755)
    commit(repo, {"a": "changed"})

    assert (tmp_path / "said").read_text() == "b"


def test_a_folder_deep_below_an_ignored_one_is_plain(tmp_path: Path) -> None:
    """git's own listing ends in an internal error there, so it is asked in another way."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitignore").write_text("/build/\n")
    deep = tmp_path / "build" / "demo" / "workspace"
    deep.mkdir(parents=True)
    (deep / "a.ml").write_text("let x = 1\n")
    assert detect(deep) == Place("plain", deep)
    assert detect(tmp_path) == Place("git", tmp_path)
