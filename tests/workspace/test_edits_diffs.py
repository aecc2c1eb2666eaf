"""Diffs that are written: the real ``git apply`` takes them back, and so does our own strict reader."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import EditError, Rung, TreeId
from greenloop.workspace.edits import apply, changed_lines, parse_unified, render_unified
from greenloop.workspace.store import Entry, Mode, TreeStore

Files = dict[str, tuple[str, bool]]

LINES = st.sampled_from(
    ["let x = 1\n", "end\n", "\n", "é 漢\n", "a\r\n", "--- a/x\n", "+++ b/x\n", "@@ -1 +1 @@\n", "\\ No\n"]
)
TEXTS = st.builds(
    lambda lines, last: "".join(lines) + last,
    st.lists(LINES, max_size=14),
    st.sampled_from(["", "", "no end", "\r", "\x0b\u2028"]),
)
NAMES = st.sampled_from(
    ["a.ml", "lib/a.ml", "lib/dune", "with blank", "b/with blank b/x", "é.ml", 'quo"te', "back\\slash", "tab\tname",
     "new\nline", "\x01\x7f", "d", "d/e", "d/e/f", "-dash", " lead", "trail ", "a/a.ml", "b/b.ml"]
)  # fmt: skip


def consistent(files: Files) -> bool:
    return not any(other.startswith(path + "/") for path in files for other in files)


TREES = st.dictionaries(NAMES, st.tuples(TEXTS, st.booleans()), max_size=6).filter(consistent)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("store"))


def write(store: TreeStore, files: Files) -> TreeId:
    return store.write_tree(
        {
            path: Entry(Mode.EXECUTABLE if executable else Mode.FILE, store.write_blob(text.encode()))
            for path, (text, executable) in files.items()
        }
    )


def git(folder: Path, *arguments: str, text: str = "") -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=text.encode(), capture_output=True, check=False, env=environment
    )
    assert done.returncode == 0, (arguments, done.stderr.decode(), text)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scratch")
    git(folder, "init", "-q")
    git(folder, "config", "core.autocrlf", "false")
    return folder


def checkout(store: TreeStore, scratch: Path, tree: TreeId) -> None:
    """Make the scratch repository's index and files those of ``tree``."""
    (scratch / ".git/objects/info/alternates").write_text(f"{store.path}/objects\n")
    git(scratch, "read-tree", "--reset", "-u", tree)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=TREES, after=TREES)
def test_git_apply_and_our_reader_take_it_back(store: TreeStore, scratch: Path, before: Files, after: Files) -> None:
    base, target = write(store, before), write(store, after)
    diff = render_unified(store, base, target)
    if base == target:
        assert diff == ""
        return
    checkout(store, scratch, base)
    git(scratch, "apply", "--index", "--whitespace=nowarn", "-", text=diff)
    assert git(scratch, "write-tree").strip() == target
    applied = apply(store, base, parse_unified(diff))
    assert applied.tree == target
    assert applied.rung is Rung.EXACT


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=TREES, after=TREES, context=st.integers(0, 4), renames=st.booleans(), quotes=st.booleans())
def test_our_reader_takes_what_git_diff_writes(
    store: TreeStore, scratch: Path, before: Files, after: Files, context: int, renames: bool, quotes: bool
) -> None:
    base, target = write(store, before), write(store, after)
    checkout(store, scratch, base)
    found = "-M" if renames else "--no-renames"
    quoting = f"core.quotePath={'true' if quotes else 'false'}"
    diff = git(scratch, "-c", quoting, "diff", f"-U{context}", found, "--text", base, target)
    if not diff:
        assert base == target
        return
    if "\ncopy from " in diff:
        # git's word for a file that went to two places
        with pytest.raises(EditError) as caught:
            parse_unified(diff)
        assert caught.value.reason == "copy"
        return
    assert apply(store, base, parse_unified(diff)).tree == target


def one(store: TreeStore, text: str, executable: bool = False) -> TreeId:
    return write(store, {"a.ml": (text, executable)})


def test_the_diff_is_what_git_writes(store: TreeStore, scratch: Path) -> None:
    base = write(
        store, {"a.ml": ("".join(f"{n}\n" for n in range(30)), False), "b.ml": ("x", False), "c": ("c\n", True)}
    )
    shorter = "".join(f"{n}\n" for n in range(30) if n not in {3, 20})
    target = write(store, {"a.ml": (shorter, False), "b.ml": ("x\n", True), "n": ("", False)})
    checkout(store, scratch, base)
    theirs = git(scratch, "diff", "--no-renames", base, target)
    without_index = "".join(
        line.partition(" @@")[0] + " @@\n" if line.startswith("@@") else line
        for line in theirs.splitlines(keepends=True)
        if not line.startswith("index ")
    )
    assert render_unified(store, base, target) == without_index


@pytest.mark.parametrize(
    ("before", "after", "count"),
    [
        ("a\nb\nc\n", "a\nB\nc\n", 1),
        ("a\nb\nc\n", "a\nc\n", 1),
        ("a\nb\nc\n", "a\nx\ny\nz\nc\n", 3),
        ("a\nb\nc\n", "c\nd\n", 3),
        ("a\nb\nc\nd\n", "A\nb\nc\nD\n", 2),
        ("", "a\nb\n", 2),
        ("a", "a\n", 1),
        ("a\n", "a\r\n", 1),
        ("a\n", "a\n", 0),
    ],
)
def test_changed_lines_is_the_larger_side_of_every_stretch(
    store: TreeStore, before: str, after: str, count: int
) -> None:
    assert changed_lines(store, one(store, before), one(store, after)) == count
    assert changed_lines(store, one(store, after), one(store, before)) == count


def test_changed_lines_counts_files_that_come_and_go_and_not_modes(store: TreeStore) -> None:
    assert changed_lines(store, store.empty, one(store, "a\nb\n")) == 2
    assert changed_lines(store, one(store, "a\nb\n"), store.empty) == 2
    assert changed_lines(store, one(store, "a\n"), one(store, "a\n", executable=True)) == 0


@pytest.mark.parametrize("entry", [(Mode.FILE, b"\xff"), (Mode.FILE, b"a\0"), (Mode.LINK, b"a")])
def test_what_is_no_text_has_no_diff(store: TreeStore, entry: tuple[Mode, bytes]) -> None:
    mode, content = entry
    tree = store.write_tree({"dir/odd": Entry(mode, store.write_blob(content))})
    for ask in (render_unified, changed_lines):
        with pytest.raises(EditError) as caught:
            ask(store, store.empty, tree)
        assert caught.value.reason == "binary"
        assert caught.value.message.startswith("dir/odd: ")


def test_renames_take_turns_where_one_stands_in_the_others_way(store: TreeStore, scratch: Path) -> None:
    base = write(store, {"a": ("1\n2\n3\n", False), "d": ("4\n5\n6\n", False), "z": ("7\n8\n9\n", False)})
    target = write(store, {"d/e": ("1\n2\n3\n", False), "z/q": ("4\n5\n6\n", False), "c": ("7\n8\n9\n", False)})
    checkout(store, scratch, base)
    diff = git(scratch, "diff", "-M", base, target)
    assert diff.count("rename from") == 3
    assert apply(store, base, parse_unified(diff)).tree == target


@pytest.mark.parametrize(("old", "new"), [("d", "d/e"), ("d/e", "d")])
def test_a_file_moves_into_a_folder_of_its_name_and_out_again(
    store: TreeStore, scratch: Path, old: str, new: str
) -> None:
    base, target = (write(store, {path: ("1\n2\n3\n", False)}) for path in (old, new))
    checkout(store, scratch, base)
    diff = git(scratch, "diff", "-M", base, target)
    assert "rename from" in diff
    assert apply(store, base, parse_unified(diff)).tree == target
