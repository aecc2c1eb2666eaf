"""Our reader of diffs beside the real ``git apply --index``: 20,000 valid diffs, and no difference unexplained.

A batch of pairs of trees lies side by side in numbered folders, so that one run of git judges all of them; a batch
that fails is shrunk to the one pair that does.
"""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import Block, EditError, Rung, TreeId
from greenloop.workspace.edits import Applied, apply, parse_unified
from greenloop.workspace.store import Entry, Mode, TreeStore

Files = dict[str, tuple[str, bool]]
Pair = tuple[Files, Files]

_BATCH = 25
LINES = st.sampled_from(
    ["let x = 1\n", "end\n", "\n", "  in\n", "\tin\n", "é 漢\n", "a\r\n", "--- a/x\n", "+++ b/x\n",
     "@@ -1 +1 @@\n", "\\ No\n"]
)  # fmt: skip
TEXTS = st.builds(
    lambda lines, last: "".join(lines) + last,
    st.lists(LINES, max_size=16),
    st.sampled_from(["", "", "no end", "\r", "\x0b\u2028"]),
)
NAMES = st.sampled_from(
    ["a.ml", "lib/a.ml", "lib/dune", "with blank", "b/with blank b/x", "é.ml", 'quo"te', "back\\slash", "tab\tname",
     "new\nline", "\x01\x7f", "d", "d/e", "d/e/f", "-dash", " lead", "trail ", "a/a.ml", "b/b.ml", "diff --git a/x"]
)  # fmt: skip


def consistent(files: Files) -> bool:
    return not any(other.startswith(path + "/") for path in files for other in files)


TREES = st.dictionaries(NAMES, st.tuples(TEXTS, st.booleans()), max_size=4).filter(consistent)


@st.composite
def neighbours(draw: st.DrawFn) -> Pair:
    """Two trees of which the second is mostly the first, as in real life."""
    before = draw(TREES)
    after = dict(before)
    for path in draw(st.lists(st.sampled_from(sorted(before)), max_size=3)) if before else ():
        text, executable = before[path]
        lines = text.splitlines(keepends=True)
        at = draw(st.integers(0, len(lines)))
        fresh = draw(st.lists(LINES, max_size=3))
        lines[at : at + draw(st.integers(0, 3))] = fresh
        after[path] = ("".join(lines), draw(st.booleans()) if draw(st.integers(0, 9)) == 0 else executable)
    return before, after


PAIRS = st.one_of(neighbours(), st.tuples(TREES, TREES))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("store"))


def git(folder: Path, *arguments: str, text: bytes = b"") -> tuple[int, bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(
        ["git", *arguments], cwd=folder, input=text, capture_output=True, check=False, env=environment
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def scratch(store: TreeStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scratch")
    git(folder, "init", "-q")
    git(folder, "config", "core.autocrlf", "false")
    git(folder, "config", "core.quotePath", "false")
    (folder / ".git/objects/info/alternates").write_text(f"{store.path}/objects\n")
    return folder


def write(store: TreeStore, batch: list[Files]) -> TreeId:
    return store.write_tree(
        {
            f"{number:02d}/{path}": Entry(Mode.EXECUTABLE if executable else Mode.FILE, store.write_blob(text.encode()))
            for number, files in enumerate(batch)
            for path, (text, executable) in files.items()
        }
    )


def theirs(scratch: Path, base: TreeId, diff: bytes) -> TreeId | None:
    """Return the tree to which git's own applier leads, ``None`` when it refuses."""
    status, _ = git(scratch, "read-tree", "--reset", "-u", base)
    assert status == 0
    status, _ = git(scratch, "apply", "--index", "--whitespace=nowarn", "-", text=diff)
    if status != 0:
        return None
    return git(scratch, "write-tree")[1].decode().strip()


def ours(store: TreeStore, base: TreeId, diff: bytes) -> Applied | EditError:
    try:
        return apply(store, base, parse_unified(diff.decode()))
    except EditError as error:
        return error


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=850, deadline=None, suppress_health_check=list(HealthCheck))
@given(pairs=st.lists(PAIRS, min_size=_BATCH, max_size=_BATCH), context=st.integers(1, 4), renames=st.booleans())
def test_on_its_own_base_a_diff_leads_both_to_the_same_tree(
    store: TreeStore, scratch: Path, pairs: list[Pair], context: int, renames: bool
) -> None:
    """850 batches of 25 pairs: 21,250 cases, some to spare: a batch in which git finds a copy tells nothing."""
    base = write(store, [before for before, _ in pairs])
    target = write(store, [after for _, after in pairs])
    # -l1 keeps git from looking for renames across the pairs of a batch, which no single diff would have
    words = ("-M", "-l1") if renames else ("--no-renames",)
    status, diff = git(scratch, "diff", f"-U{context}", *words, "--text", base, target)
    assert status == 0
    if b"\ncopy from " in diff or base == target:
        return
    assert theirs(scratch, base, diff) == target
    applied = ours(store, base, diff)
    assert isinstance(applied, Applied), applied
    assert applied.tree == target
    assert applied.rung is Rung.EXACT


OURS_IS_STRICTER = {
    # git takes the place nearest to the stated line, we only a place that is the only one
    "ambiguous",
    # two hunks that git lays one upon the other's result
    "overlap",
    # git lets text without a line end come to lie inside a file
    "open-end",
}


@st.composite
def moved(draw: st.DrawFn) -> tuple[str, str, str]:
    """A file, its change, and another state of the file in which the change is to be found again."""
    before, after = draw(st.tuples(TEXTS, TEXTS).filter(lambda pair: pair[0] != pair[1]))
    lines = before.splitlines(keepends=True)
    at = draw(st.integers(0, len(lines)))
    lines[at : at + draw(st.integers(0, 2))] = draw(st.lists(LINES, max_size=4))
    return before, after, "".join(lines)


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(max_examples=4000, deadline=None, suppress_health_check=list(HealthCheck))
@given(case=moved())
def test_on_another_base_no_difference_is_unexplained(
    store: TreeStore, scratch: Path, case: tuple[str, str, str]
) -> None:
    """4,000 cases: the diff of one pair applied to a third tree."""
    before, after, other = ({"a.ml": (text, False)} for text in case)
    base, target, elsewhere = (write(store, [files]) for files in (before, after, other))
    diff = git(scratch, "diff", "-U2", "--no-renames", "--text", base, target)[1]
    there, here = theirs(scratch, elsewhere, diff), ours(store, elsewhere, diff)
    if isinstance(here, EditError):
        assert there is None or here.reason in OURS_IS_STRICTER, (here, diff)
        return
    blocks = [block for file in parse_unified(diff.decode()).files for block in getattr(file, "blocks", ())]
    at_its_place = [block.line for block in blocks] == [place.line for place in here.places]
    # Text without any context git takes only where a file is empty, text without context behind (before) it only at
    # the end (the start) of a file, wherever the diff says it is; we take each at its stated line.
    at_an_end = any(not block.search or _ends_open(block) or block.line == 1 for block in blocks)
    if there is None:
        assert here.rung is not Rung.EXACT or at_an_end or not at_its_place, diff
    else:
        assert here.rung is not Rung.EXACT or there == here.tree or at_an_end, diff


def _ends_open(block: Block) -> bool:
    """Whether no line that stays ends the hunk."""
    old, new = block.search.splitlines(keepends=True), block.replace.splitlines(keepends=True)
    return not old or not new or old[-1] != new[-1]
