"""The strict reader of diffs: what it takes, and what it refuses by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.records import (
    Block,
    DeleteFile,
    EditError,
    FileEdit,
    RenameFile,
    ReplaceBlocks,
)
from greenloop.workspace.edits import parse_unified
from greenloop.workspace.edits.unified import MAX_DIFF_BYTES, MAX_DIFF_LINES

GIT = "diff --git a/a.ml b/a.ml\n"
NAMES = "--- a/a.ml\n+++ b/a.ml\n"
HUNK = "@@ -1,2 +1,2 @@\n a\n-b\n+c\n"


def changed(path: str, search: str, replace: str, line: int = 1) -> ReplaceBlocks:
    return ReplaceBlocks(path=path, blocks=(Block(search=search, replace=replace, line=line),))


def created(path: str, content: str, executable: bool | None = None) -> ReplaceBlocks:
    return ReplaceBlocks(path=path, blocks=(Block(search="", replace=content),), executable=executable)


CHANGE = changed("a.ml", "a\nb\n", "a\nc\n")

GOOD: list[tuple[str, tuple[FileEdit, ...]]] = [
    (NAMES + HUNK, (CHANGE,)),
    (GIT + NAMES + HUNK, (CHANGE,)),
    (GIT + "index 1234567..89abcde 100644\n" + NAMES + HUNK, (CHANGE,)),
    ("--- a.ml\n+++ a.ml\n" + HUNK, (CHANGE,)),
    ("--- a/a.ml\t2026-11-01 10:00:00.0 +0100\n+++ b/a.ml\t2026-11-01 10:00:01.0 +0100\n" + HUNK, (CHANGE,)),
    ("diff -r 0123456789ab a.ml\n" + NAMES + HUNK, (CHANGE,)),
    ("diff -u a/a.ml b/a.ml\n" + NAMES + HUNK + "\n\n", (CHANGE,)),
    ((GIT + NAMES + HUNK).replace("\n", "\r\n"), (CHANGE,)),
    (NAMES + "@@ -1,2 +1,2 @@ let f x =\n a\n-b\n+c\n", (CHANGE,)),
    (NAMES + "@@ -1,3 +1,3 @@\n a\n\n-b\n+c\n", (changed("a.ml", "a\n\nb\n", "a\n\nc\n"),)),
    (NAMES + "@@ -1 +1 @@\n-a\r\n+b\r\n", (changed("a.ml", "a\r\n", "b\r\n"),)),
    (NAMES + "@@ -3,0 +4,2 @@\n+x\n+y\n", (changed("a.ml", "", "x\ny\n", 4),)),
    (NAMES + "@@ -0,0 +1 @@\n+x\n", (changed("a.ml", "", "x\n", 1),)),
    (NAMES + "@@ -3,2 +2,0 @@\n-x\n-y\n", (changed("a.ml", "x\ny\n", "", 3),)),
    (NAMES + "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n", (changed("a.ml", "a", "a\n"),)),
    (NAMES + "@@ -1 +1 @@\n-a\n+a\n\\ No newline at end of file\n", (changed("a.ml", "a\n", "a"),)),
    (NAMES + "@@ -1,2 +1,2 @@\n-a\n+b\n z\n\\ No newline at end of file\n", (changed("a.ml", "a\nz", "b\nz"),)),
    (NAMES + "@@ -1 +1,2 @@\n+x\n a\n@@ -9 +9,0 @@\n-i\n",
     (ReplaceBlocks(path="a.ml", blocks=(Block(search="a\n", replace="x\na\n", line=1),
                                         Block(search="i\n", replace="", line=9))),)),
    (GIT + "new file mode 100644\n--- /dev/null\n+++ b/a.ml\n@@ -0,0 +1 @@\n+x\n", (created("a.ml", "x\n"),)),
    (GIT + "new file mode 100755\n--- /dev/null\n+++ b/a.ml\n@@ -0,0 +1 @@\n+x\n", (created("a.ml", "x\n", True),)),
    (GIT + "new file mode 100644\nindex 0000000..e69de29\n", (created("a.ml", ""),)),
    ("--- /dev/null\n+++ b/a.ml\n@@ -0,0 +1 @@\n+x\n", (created("a.ml", "x\n"),)),
    (GIT + "deleted file mode 100644\n--- a/a.ml\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
     (changed("a.ml", "x\n", ""), DeleteFile(path="a.ml"))),
    (GIT + "deleted file mode 100644\nindex e69de29..0000000\n", (DeleteFile(path="a.ml"),)),
    ("--- a/a.ml\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n", (changed("a.ml", "x\n", ""), DeleteFile(path="a.ml"))),
    (GIT + "old mode 100644\nnew mode 100755\n", (ReplaceBlocks(path="a.ml", blocks=(), executable=True),)),
    (GIT + "old mode 100755\nnew mode 100644\n" + NAMES + HUNK,
     (CHANGE.model_copy(update={"executable": False}),)),
    ("diff --git a/a.ml b/b.ml\nsimilarity index 100%\nrename from a.ml\nrename to b.ml\n",
     (RenameFile(path="a.ml", new_path="b.ml"),)),
    ("diff --git a/a.ml b/b.ml\nsimilarity index 90%\nrename from a.ml\nrename to b.ml\n"
     "--- a/a.ml\n+++ b/b.ml\n" + HUNK,
     (RenameFile(path="a.ml", new_path="b.ml"), changed("b.ml", "a\nb\n", "a\nc\n"))),
    ("diff --git a/x y b/x y\n--- a/x y\t\n+++ b/x y\t\n" + HUNK, (changed("x y", "a\nb\n", "a\nc\n"),)),
    ("diff --git a/x b/x b/x b/x\n--- a/x b/x\t\n+++ b/x b/x\t\n" + HUNK, (changed("x b/x", "a\nb\n", "a\nc\n"),)),
    ('diff --git "a/\\303\\251\\t.ml" "b/\\303\\251\\t.ml"\n--- "a/\\303\\251\\t.ml"\n+++ "b/\\303\\251\\t.ml"\n'
     + HUNK,
     (changed("é\t.ml", "a\nb\n", "a\nc\n"),)),
    ('diff --git a/plain "b/\\"odd\\""\nrename from plain\nrename to "\\"odd\\""\n',
     (RenameFile(path="plain", new_path='"odd"'),)),
    ('diff --git "a/\\"odd\\"" b/plain\nrename from "\\"odd\\""\nrename to plain\n',
     (RenameFile(path='"odd"', new_path="plain"),)),
    (GIT.replace("a.ml", "n") + "new file mode 100644\n" + GIT + "deleted file mode 100644\n",
     (DeleteFile(path="a.ml"), created("n", ""))),
    (GIT + NAMES + HUNK + GIT.replace("a.ml", "b.ml") + NAMES.replace("a.ml", "b.ml") + HUNK,
     (CHANGE, changed("b.ml", "a\nb\n", "a\nc\n"))),
]  # fmt: skip


@pytest.mark.parametrize(("diff", "files"), GOOD)
def test_what_is_read(diff: str, files: tuple[FileEdit, ...]) -> None:
    assert parse_unified(diff).files == files


BAD = [
    ("", "empty"),
    ("\n \n", "empty"),
    ("a\0", "not-text"),
    ("\ud800", "not-text"),
    ("x" * (MAX_DIFF_BYTES + 1), "too-large"),
    ("é" * (MAX_DIFF_BYTES // 2 + 1), "too-large"),
    ("\n" * MAX_DIFF_LINES + "x", "too-large"),
    ("".join(f"diff --git a/{n} b/{n}\nnew file mode 100644\n" for n in range(1001)), "too-large"),
    (NAMES + "".join(f"@@ -{n} +{n} @@\n-a\n+b\n" for n in range(1, 10_002)), "too-large"),
    # prose before, between and after, and fences
    ("Here is the diff:\n" + NAMES + HUNK, "malformed"),
    ("```diff\n" + NAMES + HUNK + "```\n", "malformed"),
    (NAMES + HUNK + "That is all.\n", "malformed"),
    ("From 0123456 Mon Sep 17\nSubject: x\n" + NAMES + HUNK, "malformed"),
    ("Index: a.ml\n" + NAMES + HUNK, "malformed"),
    # links, submodules, copies, binary
    (GIT + "new file mode 120000\n--- /dev/null\n+++ b/a.ml\n@@ -0,0 +1 @@\n+/etc/passwd\n", "link"),
    (GIT + "index 1234567..89abcde 120000\n" + NAMES + HUNK, "link"),
    (GIT + "old mode 100644\nnew mode 120000\n", "link"),
    (GIT + "deleted file mode 120000\n", "link"),
    (GIT + "new file mode 160000\n", "submodule"),
    (GIT + "index 1234567..89abcde 160000\n" + NAMES + "@@ -1 +1 @@\n-Subproject\n+Subproject x\n", "submodule"),
    (GIT + "new file mode 100600\n", "mode"),
    (GIT + "new file mode 104755\n", "mode"),
    (GIT + "new file mode 040000\n", "mode"),
    ("diff --git a/secret b/a.ml\nsimilarity index 100%\ncopy from ../../secret\ncopy to a.ml\n", "copy"),
    ("diff --git a/b.ml b/a.ml\ncopy from b.ml\ncopy to a.ml\n", "copy"),
    (GIT + "index 1234567..89abcde 100644\nBinary files a/a.ml and b/a.ml differ\n", "binary"),
    (GIT + "GIT binary patch\nliteral 0\nHcmV?d00001\n", "binary"),
    # paths
    ("--- a/../x\n+++ b/../x\n" + HUNK, "outside-tree"),
    ("--- /etc/passwd\n+++ /etc/passwd\n" + HUNK, "outside-tree"),
    ("--- a//etc/passwd\n+++ b//etc/passwd\n" + HUNK, "outside-tree"),
    ("diff --git a/x b/../x\nrename from x\nrename to ../x\n", "outside-tree"),
    ("--- a/.git/config\n+++ b/.git/config\n" + HUNK, "vcs-path"),
    ("--- /dev/null\n+++ b/.GIT/hooks/x\n@@ -0,0 +1 @@\n+x\n", "vcs-path"),
    ("--- a/x/.hg/hgrc\n+++ b/x/.hg/hgrc\n" + HUNK, "vcs-path"),
    ('--- "a/\\056git/x"\n+++ "b/\\056git/x"\n' + HUNK, "vcs-path"),
    ('--- "a/\\377"\n+++ "b/\\377"\n' + HUNK, "bad-path"),
    ('--- "a/\\400"\n+++ "b/\\400"\n' + HUNK, "bad-path"),
    ('--- "a/x\n+++ "b/x\n' + HUNK, "bad-path"),
    ('--- "a/\\q"\n+++ "b/\\q"\n' + HUNK, "bad-path"),
    ('--- "a/\\000"\n+++ "b/\\000"\n' + HUNK, "bad-path"),
    ('--- "a/x" y\n+++ "b/x" y\n' + HUNK, "bad-path"),
    ("--- a/\n+++ b/\n" + HUNK, "bad-path"),
    # names that disagree
    ("--- a/a.ml\n+++ b/b.ml\n" + HUNK, "names"),
    ("--- a.ml.orig\n+++ a.ml\n" + HUNK, "names"),
    ("--- /dev/null\n+++ /dev/null\n@@ -0,0 +1 @@\n+x\n", "names"),
    (GIT + "--- a/b.ml\n+++ b/b.ml\n" + HUNK, "names"),
    (GIT + "--- /dev/null\n+++ b/a.ml\n@@ -0,0 +1 @@\n+x\n", "names"),
    (GIT + "new file mode 100644\n" + NAMES + "@@ -0,0 +1 @@\n+x\n", "names"),
    ("diff --git a/a.ml b/b.ml\n--- a/a.ml\n+++ b/b.ml\n" + HUNK, "names"),
    ("diff --git a/a.ml b/b.ml\nrename from a.ml\nrename to c.ml\n", "names"),
    ("diff --git a.ml a.ml\n--- a.ml\n+++ a.ml\n" + HUNK, "names"),
    ("diff --git \n", "names"),
    (GIT + NAMES + HUNK + GIT + NAMES + HUNK, "duplicate-path"),
    (NAMES + HUNK + "diff --git a/b.ml b/a.ml\nrename from b.ml\nrename to a.ml\n", "duplicate-path"),
    # hunks that lie
    (NAMES + "@@ -1,3 +1,2 @@\n a\n-b\n+c\n", "counts"),
    (NAMES + "@@ -1,2 +1,3 @@\n a\n-b\n+c\n", "counts"),
    (NAMES + "@@ -1,1 +1,2 @@\n a\n-b\n+c\n", "counts"),
    (NAMES + "@@ -1,2 +1,1 @@\n a\n-b\n+c\n", "counts"),
    (NAMES + "@@ -1,2 +1,2 @@\n a\n-b\n+c\n d\n", "counts"),
    (NAMES + "@@ -1,2 +2,2 @@\n a\n-b\n+c\n", "counts"),
    (NAMES + HUNK + "@@ -2 +2 @@\n-b\n+c\n", "counts"),
    (NAMES + HUNK + "@@ -9 +10 @@\n-b\n+c\n", "counts"),
    (NAMES + "@@ -0,1 +1,1 @@\n-b\n+c\n", "counts"),
    (NAMES + "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n\\ No newline at end of file\n@@ -5 +5 @@\n-a\n+b\n",
     "counts"),
    (NAMES + "@@ -1,2 +1,2 @@\n-a\n\\ No newline at end of file\n-b\n+c\n+d\n", "malformed"),
    (NAMES + "@@ -1 +1 @@\n\\ No newline at end of file\n-a\n+b\n", "malformed"),
    (NAMES + "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n\\ No newline at end of file\n+b\n", "malformed"),
    (NAMES + "@@ -1 +1 @@\n-a\n\\ anything\n+b\n", "malformed"),
    (NAMES + "@@ -1 +1 @@\n a\n", "malformed"),
    (NAMES + "@@ -0,0 +0,0 @@\n", "malformed"),
    (NAMES + "@@ -1,2 @@\n a\n", "malformed"),
    (NAMES + "@@ -1,99999999999999999999 +1 @@\n a\n", "malformed"),
    (NAMES, "malformed"),
    ("--- a/a.ml\n", "malformed"),
    ("--- a/a.ml\n" + HUNK, "malformed"),
    (GIT, "malformed"),
    (GIT + "index 1234567..89abcde 100644\n", "malformed"),
    (GIT + "old mode 100644\n", "malformed"),
    (GIT + "old mode 100644\nold mode 100644\nnew mode 100755\n", "malformed"),
    (GIT + "new file mode 100644\ndeleted file mode 100644\n", "malformed"),
    (GIT + "new file mode 100644\nold mode 100644\n", "malformed"),
    (GIT + "new file mode 100644\n--- /dev/null\n+++ b/a.ml\n@@ -1 +1 @@\n-a\n+x\n", "malformed"),
    (GIT + "deleted file mode 100644\n--- a/a.ml\n+++ /dev/null\n@@ -1,2 +1 @@\n-a\n x\n", "malformed"),
    ("diff --git a/a.ml b/b.ml\nrename from a.ml\n", "malformed"),
    ("diff --git a/a.ml b/b.ml\nnew file mode 100644\nrename from a.ml\nrename to b.ml\n", "malformed"),
    ("diff --git a/a.ml b/b.ml\nrename from a.ml\nrename from a.ml\nrename to b.ml\n", "malformed"),
]  # fmt: skip


@pytest.mark.parametrize(("diff", "reason"), BAD, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(BAD)])
def test_what_is_refused_by_name(diff: str, reason: str) -> None:
    with pytest.raises(EditError) as caught:
        parse_unified(diff)
    assert caught.value.reason == reason


PIECES = st.sampled_from(
    [GIT, NAMES, HUNK, "--- a/a.ml\n", "+++ b/a.ml\n", "@@ -1 +1 @@\n", "@@ -1,2 +1,2 @@\n", "-a\n", "+b\n", " c\n",
     "\n", "\\ No newline at end of file\n", "new file mode 100644\n", "rename from a.ml\n", "rename to b.ml\n",
     "index 1234..5678\n", "--- /dev/null\n", "+++ /dev/null\n", "diff --git a/ b/\n", "old mode 100644\n",
     "new mode 100755\n", '"', "diff "]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(diff=st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=12).map("".join))
def test_any_text_gives_an_edit_or_a_named_refusal(diff: str) -> None:
    try:
        edit = parse_unified(diff)
    except EditError as error:
        assert error.reason  # noqa: PT017
        return
    assert edit.files


@pytest.mark.parametrize(
    "diff",
    ["diff --git a/" + " b/" * 1_000_000 + "\n", "--- " + '"' * 1_000_000 + "\n", '--- "' + "a" * 1_000_000 + "\n",
     NAMES + "@@ -1,300000 +1,300000 @@\n" + " a\n" * 300_000, NAMES + "\n" * 300_000 + "x\n"],
    ids=["names", "quotes", "open", "context", "blank"],
)  # fmt: skip
def test_diffs_made_to_be_slow_are_not(diff: str) -> None:
    # the suite's own time limit is the judge: anything quadratic here takes hours
    with pytest.raises(EditError):
        parse_unified(diff)
