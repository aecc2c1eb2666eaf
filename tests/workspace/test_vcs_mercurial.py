"""Reading a Mercurial checkout: the same answers as for git, and not a byte or time stamp of ``.hg`` changes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.workspace.checkouts import fill, fingerprint

from greenloop.records import InputError
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.vcs import detect, mercurial, read_checkout
from greenloop.workspace.vcs.listing import GENERATED_FOLDERS

SLOW = ("--config", "storage.dirstate-v2.slow-path=allow")


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    hg(tmp_path, "init", "repo")
    return folder


def hg(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["hg", "--config", "ui.username=ann", *SLOW, *arguments], cwd=folder, capture_output=True, check=True
    )
    return done.stdout.decode().strip()


def commit(folder: Path, files: dict[str, str]) -> str:
    fill(folder, files)
    hg(folder, "commit", "-q", "--addremove", "-m", "a change")
    return hg(folder, "log", "-r", ".", "-T", "{node}")


def read(folder: Path, store: TreeStore) -> dict[str, bytes]:
    tree = read_checkout(folder, store).tree
    return {path: store.read_blob(entry.blob) for path, entry in store.files(tree).items()}


def test_the_working_copy_is_read_as_it_is(repo: Path, store: TreeStore) -> None:
    head = commit(repo, {"kept.ml": "a\n", "edited.ml": "old\n", "deleted.ml": "x", "sub/r.ml": "x"})
    fill(repo, {"edited.ml": "new\n", "untracked/b.ml": "b\n", "spa ce  é": "s"})
    (repo / "deleted.ml").unlink()
    (repo / "sub/r.ml").chmod(0o755)
    (repo / "link").symlink_to("kept.ml")

    checkout = read_checkout(repo, store)

    assert {path: (entry.mode, store.read_blob(entry.blob)) for path, entry in store.files(checkout.tree).items()} == {
        "edited.ml": (Mode.FILE, b"new\n"),
        "kept.ml": (Mode.FILE, b"a\n"),
        "link": (Mode.LINK, b"kept.ml"),
        "spa ce  é": (Mode.FILE, b"s"),
        "sub/r.ml": (Mode.EXECUTABLE, b"x"),
        "untracked/b.ml": (Mode.FILE, b"b\n"),
    }
    assert (checkout.vcs, checkout.root, checkout.head, checkout.skipped) == ("hg", repo, head, ())


def test_ignore_rules_hold_and_what_tools_generate_is_left_out(repo: Path, store: TreeStore) -> None:
    commit(repo, {".hgignore": "syntax: glob\n*.o\nsyntax: regexp\n^private/\n", "_build/tracked": "t"})
    fill(repo, {"a.o": "", "private/x": "", "lib/private/x": "", "_build/log": "", "lib/_build/log": ""})

    assert set(read(repo, store)) == {".hgignore", "_build/tracked", "lib/private/x"}


def test_the_file_of_ignore_rules_lists_all_that_tools_generate(repo: Path, store: TreeStore) -> None:
    fill(repo, {f"{place}{name}/x": "" for place in ("", "lib/") for name in GENERATED_FOLDERS})
    fill(repo, {"lib/a": "a"})

    assert set(read(repo, store)) == {"lib/a"}


def test_a_repository_without_commits_is_read(repo: Path, store: TreeStore) -> None:
    assert read_checkout(repo, store).tree == store.empty
    fill(repo, {"a": "a"})

    checkout = read_checkout(repo, store)

    assert (checkout.head, set(store.files(checkout.tree))) == ("", {"a"})


def test_a_folder_below_the_root_is_read_alone(repo: Path, store: TreeStore) -> None:
    head = commit(repo, {"lib/a.ml": "a", "library/b.ml": "b", ".hgignore": "\\.o$\n"})
    fill(repo, {"lib/x.o": "", "lib/new.ml": "n"})

    checkout = read_checkout(repo / "lib", store)

    assert (set(store.files(checkout.tree)), checkout.root, checkout.head) == (
        {"a.ml", "new.ml"}, repo / "lib", head,
    )  # fmt: skip


def test_a_folder_that_the_repository_ignores_is_read_as_a_plain_one(repo: Path, store: TreeStore) -> None:
    commit(repo, {".hgignore": "^build/\n"})
    fill(repo, {"build/demo/a.ml": "a"})

    checkout = read_checkout(repo / "build/demo", store)

    assert (checkout.vcs, set(store.files(checkout.tree))) == ("plain", {"a.ml"})
    assert detect(repo).vcs == "hg"


def test_nested_repositories_are_read(repo: Path, store: TreeStore) -> None:
    commit(repo, {"lib/a": "a"})
    hg(repo, "init", "lib/sub")
    fill(repo, {"lib/sub/x": "x", "top/x": "x"})
    subprocess.run(["git", "init", "-q", "top"], cwd=repo, check=True)

    checkout = read_checkout(repo, store)

    assert set(store.files(checkout.tree)) == {"lib/a", "lib/sub/x", "top/x"}
    assert checkout.skipped == ()


def test_a_git_repository_beside_the_hg_one_is_not_read_as_files(repo: Path, store: TreeStore) -> None:
    commit(repo, {"lib/a": "a"})
    subprocess.run(["git", "init", "-q", "."], cwd=repo, check=True)

    assert set(read(repo, store)) == {"lib/a"}


def test_names_that_hg_cannot_print_in_columns_are_reported(repo: Path, store: TreeStore) -> None:
    fill(repo, {"good": "g", "blank at end ": "b", "line\nbreak": "l"})
    (repo / os.fsdecode(b"latin\xe9")).write_text("l")

    checkout = read_checkout(repo, store)

    assert set(store.files(checkout.tree)) == {"good"}
    assert {item.path: item.reason for item in checkout.skipped} == {
        "blank at end ": "its name holds a line break or ends in a blank",
        "line\nbreak": "its name holds a line break or ends in a blank",
        "latin\\xe9": "its name is not UTF-8",
    }


@pytest.mark.parametrize("format_", ["dirstate-v1", "dirstate-v2"])
def test_reading_changes_nothing_below_hg(tmp_path: Path, store: TreeStore, format_: str) -> None:
    wanted = "yes" if format_ == "dirstate-v2" else "no"
    hg(tmp_path, "--config", f"format.use-dirstate-v2={wanted}", "init", "repo")
    repo = tmp_path / "repo"
    head = commit(repo, {"a": "one\n", "b/c": "two\n", "d": "three\n", "e": "four\n"})
    hg(repo, "status")
    # ambiguous entries, which `hg status` compares by content and then writes down as clean
    for path in ("a", "b/c"):
        os.utime(repo / path, ns=(1_600_000_000_000_000_000, 1_600_000_000_000_000_000))
    hg(repo, "debugrebuilddirstate")
    hg(repo, "rm", "d")
    hg(repo, "forget", "e")
    fill(repo, {"new": "x"})
    # and caches that are missing, which `hg status` makes
    subprocess.run(["rm", "-rf", ".hg/wcache", ".hg/cache"], cwd=repo, check=True)
    fill(repo, {".hg/hgrc": "[extensions]\nblackbox=\nfsmonitor=\n"})
    before = fingerprint(repo / ".hg")

    first = read_checkout(repo, store)
    read_checkout(repo / "b", store)
    detect(repo / "b")

    assert fingerprint(repo / ".hg") == before
    assert (first.head, set(store.files(first.tree))) == (head, {"a", "b/c", "e", "new"})
    # the trap was set: hg status does write here
    hg(repo, "status")
    assert fingerprint(repo / ".hg") != before


def test_the_head_follows_commits_and_updates(repo: Path) -> None:
    assert mercurial.head(repo) == ""
    first = commit(repo, {"a": "1"})
    assert mercurial.head(repo) == first
    second = commit(repo, {"a": "2"})
    assert mercurial.head(repo) == second
    hg(repo, "update", "-q", first)
    assert mercurial.head(repo) == first


def test_no_hook_and_no_extension_of_the_repository_is_run(repo: Path, store: TreeStore, tmp_path: Path) -> None:
    fill(repo, {".hgignore": "out/\n", "a": "a", "out/b": "b"})
    extension = tmp_path / "extension.py"
    extension.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n")
    hooks = "".join(f"pre-{command} = touch {tmp_path}/ran\n" for command in ("debugwalk", "debugignore"))
    (repo / ".hg/hgrc").write_text(f"[extensions]\nx = {extension}\n[hooks]\n{hooks}")

    assert detect(repo / "out").vcs == "plain"
    assert set(read(repo, store)) == {".hgignore", "a"}
    assert not (tmp_path / "ran").exists()


def test_a_broken_repository_is_one_clear_error(repo: Path, store: TreeStore) -> None:
    commit(repo, {"a": "a"})
    (repo / ".hg/requires").write_text("a-feature-of-the-future\n")

    with pytest.raises(InputError, match="hg cannot read this repository"):
        read_checkout(repo, store)


def test_without_hg_the_error_says_how_to_get_it(repo: Path, tmp_path: Path) -> None:
    (tmp_path / "git").symlink_to(shutil.which("git") or "")
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
    assert "hg is not installed" in done.stdout
    assert "apt-get install mercurial" in done.stdout
