"""``edit_between`` then ``apply`` gives exactly the target, whatever the text."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import (
    Block,
    DeleteFile,
    Edit,
    EditError,
    ReplaceBlocks,
    Rung,
    TreeId,
    WriteFile,
)
from greenloop.workspace.edits import apply, edit_between, parse_reply, render_reply
from greenloop.workspace.edits.between import unique_blocks
from greenloop.workspace.edits.text import split_lines
from greenloop.workspace.store import Entry, Mode, TreeStore

LINES = st.sampled_from(
    ["let x = 1\n", "end\n", "\n", "  é 漢\n", "a\r\n", "\r\n", "<<<<\n", "====\n", ">>>>\n", "```\n"]
)
TEXTS = st.builds(
    lambda lines, last: "".join(lines) + last,
    st.lists(LINES, max_size=12),
    st.sampled_from(["", "", "no end", "\r", "\x0b\x85\u2028"]),
)
NAMES = st.sampled_from(["a.ml", "b.ml", "lib/a.ml", "lib/dune", "odd name", "d/e/f", "é.ml", 'q"uote'])
TREES = st.dictionaries(NAMES, st.tuples(TEXTS, st.booleans()), max_size=6)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("store"))


def write(store: TreeStore, files: dict[str, tuple[str, bool]]) -> TreeId:
    return store.write_tree(
        {
            path: Entry(Mode.EXECUTABLE if executable else Mode.FILE, store.write_blob(text.encode()))
            for path, (text, executable) in files.items()
        }
    )


def text_tree(store: TreeStore, **files: str) -> TreeId:
    return write(store, {name.replace("__", "/").replace("_", "."): (text, False) for name, text in files.items()})


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=TREES, after=TREES)
def test_the_edit_leads_exactly_to_the_target(
    store: TreeStore, before: dict[str, tuple[str, bool]], after: dict[str, tuple[str, bool]]
) -> None:
    base, target = write(store, before), write(store, after)
    if base == target:
        with pytest.raises(EditError) as caught:
            edit_between(store, base, target)
        assert caught.value.reason == "empty"
        return
    edit = edit_between(store, base, target)
    applied = apply(store, base, edit)
    assert applied.tree == target
    assert applied.rung is Rung.EXACT
    # … and it survives being written as a reply, which is what training does with it
    assert parse_reply(render_reply(edit)) == edit


FILLER = [f"(* {number} *)\n" for number in range(200)]
"""Lines that make writing the whole file dear, so that blocks have to do."""


@settings(max_examples=600, deadline=None)
@given(
    old=st.lists(LINES, min_size=1, max_size=40),
    cuts=st.lists(
        st.tuples(st.integers(0, 39), st.integers(0, 3), st.lists(LINES, max_size=3)), min_size=1, max_size=6
    ),
    above=st.booleans(),
)
def test_every_search_occurs_once_and_all_together_lead_to_the_target(
    store: TreeStore, old: list[str], cuts: list[tuple[int, int, list[str]]], above: bool
) -> None:
    new = list(old)
    for at, removed, added in cuts:
        new[at : at + removed] = added
    if above:
        old, new = FILLER + old, FILLER + new
    else:
        old, new = old + FILLER, new + FILLER
    blocks = unique_blocks(old, new)
    assert blocks is not None
    for block in blocks:
        lines = split_lines(block.search)
        assert sum(old[at : at + len(lines)] == lines for at in range(len(old))) == 1
    if blocks:
        base, target = text_tree(store, a_ml="".join(old)), text_tree(store, a_ml="".join(new))
        assert apply(store, base, Edit(files=(ReplaceBlocks(path="a.ml", blocks=blocks),))).tree == target


def test_a_small_change_is_a_small_block(store: TreeStore) -> None:
    lines = [f"let x{number} = {number}\n" for number in range(100)]
    base = text_tree(store, a_ml="".join(lines))
    lines[50] = "let x50 = 51\n"
    target = text_tree(store, a_ml="".join(lines))
    assert edit_between(store, base, target).files == (
        ReplaceBlocks(path="a.ml", blocks=(Block(search="let x50 = 50\n", replace="let x50 = 51\n"),)),
    )


def test_repeated_lines_get_context_until_they_are_unique(store: TreeStore) -> None:
    base = text_tree(store, a_ml="begin\n  f x;\nend\nbegin\n  g x;\nend\n" + "(* filler *)\n" * 20)
    target = text_tree(store, a_ml="begin\n  f x;\nend\nbegin\n  g x;\nstop\n" + "(* filler *)\n" * 20)
    (file,) = edit_between(store, base, target).files
    assert isinstance(file, ReplaceBlocks)
    assert [block.search for block in file.blocks] == ["  g x;\nend\n"]


def test_a_file_that_changes_throughout_is_written_whole(store: TreeStore) -> None:
    base = text_tree(store, a_ml="a\nb\nc\n" * 20)
    target = text_tree(store, a_ml="x\n")
    assert edit_between(store, base, target).files == (WriteFile(path="a.ml", content="x\n"),)


def test_a_file_gives_way_to_a_folder_and_back(store: TreeStore) -> None:
    base, target = text_tree(store, a="x\n"), text_tree(store, a__b="y\n")
    for one, other in ((base, target), (target, base)):
        edit = edit_between(store, one, other)
        assert isinstance(edit.files[0], DeleteFile)
        assert apply(store, one, edit).tree == other


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b"])
def test_binary_files_have_no_edit_but_can_be_deleted(store: TreeStore, content: bytes) -> None:
    text = store.write_tree({"a": Entry(Mode.FILE, store.write_blob(b"text\n"))})
    binary = store.write_tree({"a": Entry(Mode.FILE, store.write_blob(content))})
    for base, target in ((text, binary), (binary, text), (store.empty, binary)):
        with pytest.raises(EditError) as caught:
            edit_between(store, base, target)
        assert caught.value.reason == "binary"
        assert "a:" in caught.value.message
    edit = edit_between(store, binary, store.empty)
    assert apply(store, binary, edit).tree == store.empty


def test_links_have_no_edit(store: TreeStore) -> None:
    link = store.write_tree({"a": Entry(Mode.LINK, store.write_blob(b"b"))})
    for base, target in ((link, store.empty), (store.empty, link)):
        with pytest.raises(EditError) as caught:
            edit_between(store, base, target)
        assert caught.value.reason == "binary"


def test_large_files_without_anchors_stay_cheap(tmp_path: Path) -> None:
    store = TreeStore(tmp_path / "store")
    base = text_tree(store, a_ml="end\nin\n" * 20_000)
    target = text_tree(store, a_ml="in\nend\n" * 19_999)
    edit = edit_between(store, base, target)
    assert apply(store, base, edit).tree == target
