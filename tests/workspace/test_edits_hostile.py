"""Hostile and malformed diffs, on a tree that has something to attack: each is refused by name, all or nothing.

Every diff is tried alone and behind a good part: then nothing of the good part may stay either. What an edit could
reach is the tree store alone, so "nothing outside" is checked twice: no result names a path outside, and what would
be written to disk stays below its folder.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from greenloop.records import EditError, TreeId
from greenloop.workspace.edits import apply, parse_unified
from greenloop.workspace.store import Entry, Mode, TreeStore

GOOD = "--- a/good.ml\n+++ b/good.ml\n@@ -1 +1 @@\n-good\n+better\n"
ONE = "@@ -1 +1 @@\n-let x = 1\n+let x = 2\n"
NEW = "@@ -0,0 +1 @@\n+owned\n"
A = "--- a/a.ml\n+++ b/a.ml\n"
GIT_A = "diff --git a/a.ml b/a.ml\n"


def plain(old: str, new: str, hunk: str = ONE) -> str:
    return f"--- {old}\n+++ {new}\n{hunk}"


def change(path: str) -> str:
    return plain(f"a/{path}", f"b/{path}")


def create(path: str) -> str:
    return plain("/dev/null", f"b/{path}", NEW)


def git_create(path: str, mode: str = "100644") -> str:
    return f"diff --git a/{path} b/{path}\nnew file mode {mode}\n--- /dev/null\n+++ b/{path}\n{NEW}"


def git_delete(path: str, mode: str = "100644") -> str:
    return f"diff --git a/{path} b/{path}\ndeleted file mode {mode}\n"


def rename(old: str, new: str) -> str:
    return f"diff --git a/{old} b/{new}\nsimilarity index 100%\nrename from {old}\nrename to {new}\n"


def cases() -> Iterator[tuple[str, str, str]]:
    """Yield (name, diff, the reason with which it is refused)."""
    outside = ["../x", "../../etc/passwd", "lib/../../x", "lib/..", "..", "x/../../../y", "../.git/config"]
    for path in outside:
        yield f"change {path}", change(path), "outside-tree"
        yield f"create {path}", create(path), "outside-tree"
        yield f"git create {path}", git_create(path), "outside-tree"
        yield f"delete {path}", git_delete(path), "outside-tree"
        yield f"rename to {path}", rename("a.ml", path), "outside-tree"
        yield f"rename from {path}", rename(path, "n.ml"), "outside-tree"
    for path in ("/etc/passwd", "//etc/passwd", "/a.ml"):
        yield f"absolute {path}", plain(path, path), "outside-tree"
        yield f"absolute below a/ {path}", change(path), "outside-tree"
        yield f"created absolute {path}", plain("/dev/null", path, NEW), "outside-tree"
    inside_vcs = [
        ".git/config", ".git/hooks/pre-commit", ".hg/hgrc", ".GIT/config", ".Git/x", "lib/.git/x", ".git./x", ".git /x",
        ".git::$INDEX_ALLOCATION/x", ".g\u200cit/config", ".hg/store/x", ".HG/x", "lib/.hg/hgrc", ".git",
    ]  # fmt: skip
    for path in inside_vcs:
        yield f"create {path!r}", create(path), "vcs-path"
        yield f"rename to {path!r}", rename("a.ml", path), "vcs-path"
    for path in ("GIT~1/config", "lib//x", "./a.ml", "lib/./x", "lib/", "x" * 300, "y/" * 3000 + "z"):
        reason = "vcs-path" if path.startswith("GIT~1") else "bad-path"
        yield f"create {path[:20]!r}", create(path), reason
    # through a link of the tree, to it, over it
    for path in ("out/x", "out/../x", "to_file/x", "to_folder/inner/x"):
        reason = "outside-tree" if ".." in path else "link"
        yield f"create through {path}", create(path), reason
        yield f"change through {path}", change(path), reason
        yield f"rename through {path}", rename("a.ml", path), reason
    for path in ("out", "to_file", "to_folder"):
        yield f"change the link {path}", change(path), "link"
        yield f"delete the link {path}", git_delete(path), "link"
        yield f"rename the link {path}", rename(path, "n"), "link"
        yield f"create over the link {path}", create(path), "link"
        yield f"rename over the link {path}", rename("a.ml", path), "link"
    # modes that a file cannot have
    for mode, reason in (
        ("120000", "link"), ("160000", "submodule"), ("040000", "mode"), ("104755", "mode"), ("106755", "mode"),
        ("100666", "mode"), ("100777", "mode"), ("000000", "mode"), ("1", "mode"), ("10064412345678901234", "mode"),
        ("020644", "mode"), ("060644", "mode"), ("010644", "mode"),
    ):  # fmt: skip
        yield f"create with mode {mode}", git_create("n.ml", mode), reason
        yield f"delete with mode {mode}", git_delete("a.ml", mode), reason
        yield f"new mode {mode}", f"{GIT_A}old mode 100644\nnew mode {mode}\n", reason
        yield f"index mode {mode}", f"{GIT_A}index 1234567..89abcde {mode}\n{A}{ONE}", reason
    # copies and binaries, from outside and from inside
    for source in ("../../secret", "/etc/passwd", "a.ml", "out/secret", ".git/config"):
        yield f"copy {source}", f"diff --git a/x b/n.ml\ncopy from {source}\ncopy to n.ml\n", "copy"
        yield f"copy to {source}", f"diff --git a/a.ml b/n.ml\ncopy to {source}\ncopy from a.ml\n", "copy"
    yield "binary", f"{GIT_A}index 1234567..89abcde 100644\nGIT binary patch\nliteral 1\nIcmZ\n\n", "binary"
    yield "binary differ", f"{GIT_A}Binary files a/a.ml and b/a.ml differ\n", "binary"
    # the tree says otherwise
    yield "create what is there", create("a.ml"), "ambiguous"
    yield "create where a folder is", create("lib"), "is-a-folder"
    yield "create below a file", create("a.ml/x"), "not-a-folder"
    yield "change what is not there", change("none.ml"), "no-file"
    yield "delete what is not there", git_delete("none.ml"), "no-file"
    yield "rename what is not there", rename("none.ml", "n.ml"), "no-file"
    yield "rename a folder", rename("lib", "n"), "is-a-folder"
    yield "rename onto a file", rename("a.ml", "lib/b.ml"), "exists"
    yield "rename onto a folder", rename("a.ml", "lib"), "is-a-folder"
    yield "rename below a file", rename("a.ml", "lib/b.ml/x"), "not-a-folder"
    yield "rename onto itself", rename("a.ml", "a.ml"), "names"
    yield "change a binary", change("binary"), "binary"
    yield "delete with other content", plain("a/a.ml", "/dev/null", "@@ -1 +0,0 @@\n-other\n"), "no-match"
    yield "no such line", plain("a/a.ml", "b/a.ml", "@@ -1 +1 @@\n-let y = 1\n+let y = 2\n"), "no-match"
    yield "line far away", plain("a/a.ml", "b/a.ml", "@@ -900,0 +901 @@\n+x\n"), "no-match"
    yield "two places", plain("a/twice.ml", "b/twice.ml", "@@ -9 +9 @@\n-same\n+other\n"), "ambiguous"
    # names that lie
    yield "names differ", plain("a/a.ml", "b/lib/b.ml"), "names"
    yield "git names differ", f"diff --git a/lib/b.ml b/lib/b.ml\n{A}{ONE}", "names"
    yield "old is null", f"{GIT_A}--- /dev/null\n+++ b/a.ml\n{NEW}", "names"
    yield "both null", plain("/dev/null", "/dev/null", NEW), "names"
    yield "rename to another", "diff --git a/a.ml b/n.ml\nrename from a.ml\nrename to m.ml\n", "names"
    yield "the same twice", f"{A}{ONE}{A}{ONE}", "duplicate-path"
    yield "created and deleted", f"{git_create('n.ml')}{git_delete('n.ml')}", "duplicate-path"
    yield "renamed and changed", f"{rename('a.ml', 'n.ml')}{GIT_A}{A}{ONE}", "duplicate-path"
    # bytes and quoting
    for quoted in ('"a/\\377"', '"a/\\400"', '"a/x', '"a/\\q"', '"a/\\000"', '"a/\\056\\056/x"', '"a/\\012/../x"'):
        reason = "outside-tree" if "056" in quoted or ".." in quoted else "bad-path"
        yield f"quoted {quoted}", f"--- {quoted}\n+++ {quoted}\n{ONE}", reason
    yield "quoted .git", '--- /dev/null\n+++ "b/.g\\151t/config"\n' + NEW, "vcs-path"
    yield "behind a quoted name", f'--- "a/x"y\n+++ "b/x"y\n{ONE}', "bad-path"
    yield "NUL in a line", f"{A}@@ -1 +1 @@\n-let x = 1\n+\0\n", "not-text"
    yield "NUL in a name", f"--- a/a\0.ml\n+++ b/a\0.ml\n{ONE}", "not-text"
    yield "half a surrogate", f"{A}@@ -1 +1 @@\n-let x = 1\n+\ud800\n", "not-text"
    # hunks that lie
    for header in ("-1,2 +1", "-1 +1,2", "-1,0 +1", "-2 +1", "-1 +2", "-0 +1", "-1 +0", "-1,1000000 +1,1000000"):
        yield f"hunk {header}", f"{A}@@ {header} @@\n-let x = 1\n+let x = 2\n", "counts"
    for header in ("-1 +1 ", "-a +b @@", "-1,-1 +1 @@", "-1 @@", "+1 -1 @@", "-99999999999 +1 @@", "- + @@"):
        yield f"header {header}", f"{A}@@ {header}\n-let x = 1\n+let x = 2\n", "malformed"
    yield "nothing changes", f"{A}@@ -1 +1 @@\n let x = 1\n", "malformed"
    yield "an empty hunk", f"{A}@@ -0,0 +0,0 @@\n", "malformed"
    yield "cut in a hunk", f"{A}@@ -1 +1 @@\n-let x = 1\n", "counts"
    yield "cut behind the names", A, "malformed"
    yield "cut behind one name", "--- a/a.ml\n", "malformed"
    yield "a merge's hunk", f"{A}@@@ -1 -1 +1 @@@\n- let x = 1\n++let x = 2\n", "malformed"
    yield "a combined diff", "diff --cc a.ml\nindex 1,2..3\n" + A + ONE, "malformed"
    yield "no newline first", f"{A}@@ -1 +1 @@\n\\ No newline at end of file\n-let x = 1\n+let x = 2\n", "malformed"
    yield "text behind the end", f"{A}@@ -1 +1,2 @@\n-let x = 1\n+x\n\\ No newline at end of file\n+y\n", "malformed"
    # what is no diff
    for text in (
        "Sure! Here is the patch:\n",
        "```diff\n",
        "*** a.ml\n--- a.ml\n",
        "1c1\n< let\n---\n> y\n",
        "<html>\n",
    ):
        yield f"prose {text[:8]!r}", f"{text}{A}{ONE}", "malformed"
    yield "prose behind", f"{A}{ONE}\nI hope this helps.\n", "malformed"
    yield "a shell behind", f"{A}{ONE}; rm -rf /\n", "malformed"
    yield "Index line", f"Index: a.ml\n=======\n{A}{ONE}", "malformed"
    yield "a mail", f"From 0123456 Mon Sep 17 00:00:00 2001\nSubject: [PATCH] x\n\n---\n{A}{ONE}", "malformed"
    yield "many files", "".join(git_create(f"n{n}") for n in range(1001)), "too-large"
    yield "many hunks", A + "".join(f"@@ -{n} +{n} @@\n-x\n+y\n" for n in range(1, 10_002)), "too-large"


CASES = tuple(cases())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def tree(store: TreeStore) -> TreeId:
    def file(content: bytes, mode: Mode = Mode.FILE) -> Entry:
        return Entry(mode, store.write_blob(content))

    return store.write_tree(
        {
            "a.ml": file(b"let x = 1\n"),
            "good.ml": file(b"good\n"),
            "twice.ml": file(b"same\nsame\n"),
            "lib/b.ml": file(b"let x = 1\n"),
            "binary": file(b"let x = 1\n\0\xff"),
            "out": file(b"../..", Mode.LINK),
            "to_file": file(b"a.ml", Mode.LINK),
            "to_folder": file(b"lib", Mode.LINK),
        }
    )


def test_there_are_enough_and_each_has_its_name() -> None:
    assert len(CASES) >= 150
    assert len({name for name, _, _ in CASES}) == len(CASES)


@pytest.mark.parametrize(("diff", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_it_is_refused_by_name_and_leaves_nothing(store: TreeStore, tree: TreeId, diff: str, reason: str) -> None:
    objects = sorted(path for path in store.path.rglob("*") if path.is_file())
    for text in (diff, GOOD + diff):
        with pytest.raises(EditError) as caught:
            apply(store, tree, parse_unified(text))
        # behind a good part, prose is a line too many of the last hunk
        assert caught.value.reason in ({reason, "counts"} if text is not diff else {reason}), str(caught.value)
        assert caught.value.message
    assert sorted(path for path in store.path.rglob("*") if path.is_file()) == objects


def test_what_is_accepted_stays_below_its_folder(store: TreeStore, tree: TreeId, tmp_path: Path) -> None:
    applied = apply(store, tree, parse_unified(GOOD + create("new/deep/file.ml") + rename("lib/b.ml", "moved.ml")))
    store.materialise(applied.tree, tmp_path / "inside" / "w")
    assert [path.name for path in tmp_path.iterdir()] == ["inside"]
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["w"]
    assert (tmp_path / "inside/w/good.ml").read_text() == "better\n"
