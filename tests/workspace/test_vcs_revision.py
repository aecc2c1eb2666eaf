"""Reading a commit: the tree is the commit's, whatever lies in the checkout, and the repository stays as it was."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.workspace.checkouts import fingerprint

from greenloop.records import InputError
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.vcs import read_checkout, read_revision, resolve_revision

VCS = ("git", "hg")


class Repo:
    """A repository of either kind, written to by its own program."""

    def __init__(self, vcs: str, root: Path) -> None:
        self.vcs, self.root = vcs, root
        root.mkdir(parents=True)
        self("init", *(("-q", "-b", "main") if vcs == "git" else ()))

    def __call__(self, *arguments: str, given: bytes = b"") -> str:
        named = ("-c", "protocol.file.allow=always") if self.vcs == "git" else ("--config", "extensions.share=")
        done = subprocess.run(
            [self.vcs, *named, *arguments], cwd=self.root, input=given, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: Mapping[str, str | bytes]) -> str:
        self.write(files)
        if self.vcs == "git":
            self("add", "-A")
            self("commit", "-q", "-m", "a change")
            return self("rev-parse", "HEAD")
        self("commit", "-q", "--addremove", "-m", "a change")
        return self("log", "-r", ".", "-T", "{node}")

    def tag(self, name: str) -> None:
        self("tag", name)


@pytest.fixture(params=VCS)
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Repo:
    return Repo(request.param, tmp_path / "repo")


@pytest.fixture
def git(tmp_path: Path) -> Repo:
    return Repo("git", tmp_path / "repo")


@pytest.fixture
def hg(tmp_path: Path) -> Repo:
    return Repo("hg", tmp_path / "repo")


def contents(store: TreeStore, tree: str) -> dict[str, tuple[Mode, bytes]]:
    return {path: (entry.mode, store.read_blob(entry.blob)) for path, entry in store.files(tree).items()}


def test_a_commit_is_read_as_it_was_not_as_the_checkout_is(repo: Repo, store: TreeStore) -> None:
    repo.write({"run.sh": "#!/bin/sh\n", "deep/er/é.ml": "let é = ()\n", "spa ce  ": "x"})
    (repo.root / "run.sh").chmod(0o755)
    (repo.root / "deep/link").symlink_to("../../outside")
    first = repo.commit({})
    second = repo.commit({"run.sh": "#!/bin/bash\n", "new.ml": b"\r\n\0binary\xff"})
    repo.write({"run.sh": "dirty\n", "untracked.ml": "x"})

    found = read_revision(repo.root, first, store)

    assert (found.commit, found.skipped) == (first, ())
    assert contents(store, found.tree) == {
        "deep/er/é.ml": (Mode.FILE, "let é = ()\n".encode()),
        "deep/link": (Mode.LINK, b"../../outside"),
        "run.sh": (Mode.EXECUTABLE, b"#!/bin/sh\n"),
        "spa ce  ": (Mode.FILE, b"x"),
    }
    newer = contents(store, read_revision(repo.root, second, store).tree)
    assert newer["new.ml"] == (Mode.FILE, b"\r\n\0binary\xff")
    assert newer["run.sh"] == (Mode.EXECUTABLE, b"#!/bin/bash\n")


def test_a_commit_and_its_clean_checkout_are_the_same_tree(repo: Repo, store: TreeStore) -> None:
    commit = repo.commit({"a.ml": "a\n", "b/c.ml": "c\n", "large.bin": b"x" * 1_000_001})
    found, checkout = read_revision(repo.root, commit, store), read_checkout(repo.root, store)
    assert found.tree == checkout.tree
    assert [skipped.path for skipped in found.skipped] == ["large.bin"]
    if repo.vcs == "git":
        small = repo.commit({"large.bin": "small now"})
        assert read_revision(repo.root, small, store).tree == repo("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize("name", ["v1.0", "topic/one", "HEAD~1", "main~1", "short", "refs/tags/v1.0"])
def test_git_names_lead_to_their_commits(git: Repo, store: TreeStore, name: str) -> None:
    first = git.commit({"a": "1"})
    git.tag("v1.0")
    git("tag", "-a", "annotated", "-m", "text")
    git("branch", "topic/one")
    git.commit({"a": "2"})
    rev = first[:9] if name == "short" else name
    assert resolve_revision(git.root, rev) == first
    assert resolve_revision(git.root, "annotated") == first


def test_mercurial_names_lead_to_their_changesets(hg: Repo, store: TreeStore) -> None:
    hg("branch", "stable")
    first = hg.commit({"a": "1"})
    hg("bookmark", "-i", "book mark")
    hg("tag", "--local", "local")
    hg("branch", "other")
    hg.commit({"a": "2"})
    hg("tag", "-r", "0", "v1.0")
    hg("update", "-q", "0")
    for name in ("v1.0", "book mark", "stable", "local", "0", first[:9], "."):
        assert resolve_revision(hg.root, name) == first, name


TRAP = "#!/bin/sh\ntouch '{mark}'\ncat\n"


@pytest.mark.parametrize("caches", [True, False])
def test_nothing_of_the_repository_changes_and_nothing_of_it_runs(
    repo: Repo, store: TreeStore, tmp_path: Path, caches: bool
) -> None:
    trap, mark = tmp_path / "trap", tmp_path / "sprung"
    trap.write_text(TRAP.format(mark=mark))
    trap.chmod(0o755)
    (tmp_path / "trap.py").write_text(f"open({str(mark)!r}, 'w')\n")
    repo.commit({"a.txt": "text\n", ".gitattributes": "*.txt filter=trap diff=trap text eol=crlf\n"})
    repo.tag("v1")
    repo.commit({"b/c.txt": "more\n", ".hgeol": "[patterns]\n** = CRLF\n"})
    if repo.vcs == "git":
        for setting in ("core.fsmonitor", "filter.trap.smudge", "filter.trap.clean", "filter.trap.process",
                        "diff.trap.textconv", "gpg.program", "core.sshCommand", "core.pager", "core.editor",
                        "core.alternateRefsCommand"):  # fmt: skip
            repo("config", setting, str(trap))
        repo("config", "log.showSignature", "true")
        repo("config", "alias.cat-file", f"!{trap}")
        for hook in (
            "post-checkout",
            "pre-auto-gc",
            "reference-transaction",
            "post-index-change",
            "fsmonitor-watchman",
        ):
            (repo.root / ".git/hooks" / hook).write_text(TRAP.format(mark=mark))
            (repo.root / ".git/hooks" / hook).chmod(0o755)
    else:
        (repo.root / ".hg/hgrc").write_text(
            f"[extensions]\ntrap = {tmp_path / 'trap.py'}\neol =\n[decode]\n** = pipe: {trap}\n"
            f"[hooks]\npre-archive = {trap}\npre-log = {trap}\n[extdata]\nrun = shell: {trap}\n"
            f"[alias]\nlog = !{trap}\narchive = !{trap}\n"
        )
        if not caches:
            subprocess.run(["rm", "-rf", str(repo.root / ".hg/cache"), str(repo.root / ".hg/wcache")], check=True)
    before = fingerprint(repo.root)
    names = ("v1", "HEAD", "main~1") if repo.vcs == "git" else ("v1", "tip", "default", ".")

    for name in names:
        tree = read_revision(repo.root, name, store).tree
        assert store.read(tree, "a.txt") == b"text\n"
    with pytest.raises(InputError):
        resolve_revision(repo.root, "no-such-name")

    assert fingerprint(repo.root) == before
    assert not mark.exists()


def test_what_names_no_commit_is_refused(repo: Repo) -> None:
    repo.commit({"a.txt": "a"})
    for rev in ("--output=/tmp/x", "-1", "", "no-such", "v1\nmain", "v1\0", "main..v1", "HEAD:a.txt", "@{-1}"):
        with pytest.raises(InputError):
            resolve_revision(repo.root, rev)


def test_a_revset_is_no_name(hg: Repo) -> None:
    hg.commit({"a.txt": "a"})
    for revset in ("all()", "extdata(run)", 'outgoing("ssh://example.org/x")', "tip or 0", 'tip" or "0', "a\\x"):
        with pytest.raises(InputError, match=r"no revision|no name of a revision"):
            resolve_revision(hg.root, revset)


def test_a_repository_without_commits_says_so(repo: Repo, store: TreeStore) -> None:
    with pytest.raises(InputError, match="no commit yet"):
        read_revision(repo.root, "HEAD" if repo.vcs == "git" else "tip", store)


def test_a_folder_under_no_version_control_says_so(tmp_path: Path, store: TreeStore) -> None:
    with pytest.raises(InputError, match="no git or Mercurial repository"):
        read_revision(tmp_path, "main", store)


def test_a_folder_below_the_root_is_read_alone(repo: Repo, store: TreeStore) -> None:
    commit = repo.commit({"top.ml": "t", "sub/a.ml": "a", "sub/deep/b.ml": "b", "subway.ml": "s"})
    tree = read_revision(repo.root / "sub", commit, store).tree
    assert list(store.files(tree)) == ["a.ml", "deep/b.ml"]
    (repo.root / "fresh").mkdir()
    (repo.root / "fresh/x.ml").write_text("x")
    with pytest.raises(InputError, match="no folder 'fresh'"):
        read_revision(repo.root / "fresh", commit, store)


def test_a_damaged_repository_is_one_clear_error(repo: Repo, store: TreeStore) -> None:
    commit = repo.commit({"a.ml": "a" * 100, "b.ml": "b"})
    if repo.vcs == "git":
        blob = repo("rev-parse", "HEAD:a.ml")
        (repo.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    else:
        (repo.root / ".hg/store/data/a.ml.i").unlink()
    with pytest.raises(InputError) as raised:
        read_revision(repo.root, commit, store)
    assert str(repo.root) in str(raised.value)


def test_a_commit_without_files_is_the_empty_tree(repo: Repo, store: TreeStore) -> None:
    repo.commit({"a.ml": "a"})
    (repo.root / "a.ml").unlink()
    assert read_revision(repo.root, repo.commit({}), store).tree == store.empty


# git alone


def test_bare_repositories_and_worktrees_are_read(git: Repo, store: TreeStore, tmp_path: Path) -> None:
    commit = git.commit({"a.ml": "a"})
    git("clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    for root in (tmp_path / "bare.git", tmp_path / "side"):
        assert read_revision(root, "HEAD", store).commit == commit


def test_submodules_and_names_that_are_no_text_are_reported(git: Repo, store: TreeStore, tmp_path: Path) -> None:
    inner = Repo("git", tmp_path / "inner")
    inner.commit({"i.ml": "i"})
    git.commit({"a.ml": "a"})
    git("submodule", "--quiet", "add", str(inner.root), "lib")
    (git.root / os.fsdecode(b"caf\xe9.ml")).write_text("x")
    commit = git.commit({})

    found = read_revision(git.root, commit, store)

    assert set(store.files(found.tree)) == {"a.ml", ".gitmodules"}
    assert {(skipped.path, skipped.reason) for skipped in found.skipped} == {
        ("lib", "a submodule, not read"),
        ("caf\\xe9.ml", "its name is not UTF-8"),
    }


def hostile(git: Repo, *entries: tuple[str, str]) -> str:
    """Commit a tree that git itself would not make: (mode, path) → an empty file, or a folder that holds one."""
    blob = git("hash-object", "-w", "--stdin")
    inner = git("mktree", given=f"100644 blob {blob}\tx\n".encode())
    raw = b"".join(
        mode.encode() + b" " + name.encode() + b"\0" + bytes.fromhex(inner if mode == "40000" else blob)
        for mode, name in entries
    )
    tree = git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", given=raw)
    return git("commit-tree", tree, "-m", "hostile")


@pytest.mark.parametrize(
    "entries",
    [
        (("40000", ".."),),
        (("100644", ".."),),
        (("100644", "/etc/passwd"),),
        (("100644", "a//b"),),
        (("120000", "a"), ("40000", "a")),
        (("100644", "a"), ("100644", "a")),
        (("100644", "."),),
        (("100644", ""),),
    ],
)
def test_a_hostile_tree_is_refused(git: Repo, store: TreeStore, entries: tuple[tuple[str, str], ...]) -> None:
    commit = hostile(git, *entries)
    with pytest.raises(InputError):
        read_revision(git.root, commit, store)


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", ".hg", ".git "])
def test_version_controls_own_files_stay_out(git: Repo, store: TreeStore, name: str) -> None:
    found = read_revision(git.root, hostile(git, ("40000", name), ("100644", "fine")), store)
    assert list(store.files(found.tree)) == ["fine"]
    assert [skipped.path for skipped in found.skipped] == [f"{name}/x"]


def test_a_replacement_is_not_taken_for_the_commit(git: Repo, store: TreeStore) -> None:
    first = git.commit({"a": "1"})
    second = git.commit({"a": "2"})
    git("replace", first, second)
    assert store.read(read_revision(git.root, first, store).tree, "a") == b"1"


def test_a_shallow_clone_says_that_it_is_one(git: Repo, store: TreeStore, tmp_path: Path) -> None:
    first = git.commit({"a": "1"})
    last = git.commit({"a": "2"})
    clone = tmp_path / "clone"
    git("clone", "-q", "--depth", "1", f"file://{git.root}", str(clone))
    assert read_revision(clone, last, store).commit == last
    with pytest.raises(InputError, match="shallow"):
        read_revision(clone, first, store)


@pytest.mark.parametrize("missing", ["blob:none", "tree:0"])
def test_what_a_partial_clone_lacks_is_said_and_not_fetched(
    git: Repo, store: TreeStore, tmp_path: Path, missing: str
) -> None:
    first = git.commit({"a": "1", "sub/b": "1"})
    last = git.commit({"a": "2", "sub/b": "2"})
    git("config", "uploadpack.allowFilter", "true")
    clone, mark = tmp_path / "clone", tmp_path / "sprung"
    git("clone", "-q", f"--filter={missing}", f"file://{git.root}", str(clone))
    assert read_revision(clone, last, store).commit == last
    trap = tmp_path / "trap"
    trap.write_text(TRAP.format(mark=mark))
    trap.chmod(0o755)
    subprocess.run(["git", "config", "remote.origin.uploadpack", str(trap)], cwd=clone, check=True)
    before = fingerprint(clone / ".git")

    with pytest.raises(InputError, match="missing"):
        read_revision(clone, first, store)

    assert fingerprint(clone / ".git") == before
    assert not mark.exists()


# Mercurial alone


def test_what_was_made_by_hg_share_is_read_and_neither_repository_changes(
    hg: Repo, store: TreeStore, tmp_path: Path
) -> None:
    first = hg.commit({"a": "1"})
    hg.tag("v1")
    hg("share", "-q", "-U", "--config", "format.use-share-safe=no", ".", str(tmp_path / "old"))
    hg("share", "-q", "-U", "--relative", ".", str(tmp_path / "shared"))
    subprocess.run(["rm", "-rf", str(hg.root / ".hg/cache")], check=True)
    before = fingerprint(tmp_path)
    for root in (tmp_path / "shared", tmp_path / "old"):
        assert read_revision(root, "v1", store).commit == first
    after = fingerprint(tmp_path)
    store_at = str(store.path)
    assert {p: s for p, s in after.items() if not p.startswith(store_at)} == {
        p: s for p, s in before.items() if not p.startswith(store_at)
    }


def test_a_hidden_changeset_is_not_read(hg: Repo, store: TreeStore) -> None:
    hg.commit({"a": "1"})
    gone = hg.commit({"a": "2"})
    hg("--config", "experimental.evolution=all", "debugobsolete", gone)
    hg("update", "-q", "0")
    with pytest.raises(InputError, match="no revision"):
        read_revision(hg.root, gone, store)
