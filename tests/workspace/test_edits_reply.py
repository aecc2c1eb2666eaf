"""Replies: what a model may write, what it means, and what is refused by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.records import (
    Block,
    DeleteFile,
    Edit,
    EditError,
    FileEdit,
    RenameFile,
    ReplaceBlocks,
    WriteFile,
)
from greenloop.workspace.edits import check_path, parse_reply, render_reply
from greenloop.workspace.edits.grammar import MAX_REPLY_CHARS


def valid(path: str) -> bool:
    try:
        check_path(path)
    except EditError:
        return False
    return True


UNICODE = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
PIECES = st.sampled_from(
    ["<<<<", "====", ">>>>", "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE", "====\\", ">>>>\\", "<<<< delete",
     "<<<< +x", "```", "```ocaml", "````", "```\\", "lib/a.ml", '"a.ml"', "let x", "", " ", "\r", "\\", "### x.ml:"]
)  # fmt: skip
TEXTS = st.one_of(
    st.builds(
        lambda lines, end: "\n".join(lines) + end, st.lists(PIECES, max_size=6), st.sampled_from(["", "\n", "\r\n"])
    ),
    st.text(UNICODE, max_size=40),
)
PATHS = st.one_of(
    st.sampled_from(
        ["a.ml", "lib/dune", "dune", "Makefile", "Notes", "with blank.ml", "a.", "-x", "#a", "`a`", "*a*", "a:"]
    ),
    st.text(UNICODE, min_size=1, max_size=12),
    st.lists(st.text(UNICODE, min_size=1, max_size=5), min_size=1, max_size=3).map("/".join),
).filter(valid)
BLOCKS = st.builds(Block, search=TEXTS, replace=TEXTS)
MODES = st.sampled_from([None, True, False])
FILES: st.SearchStrategy[FileEdit] = st.one_of(
    st.builds(ReplaceBlocks, path=PATHS, blocks=st.lists(BLOCKS, max_size=3).map(tuple), executable=MODES).filter(
        lambda file: bool(file.blocks) or file.executable is not None
    ),
    st.builds(WriteFile, path=PATHS, content=TEXTS, executable=MODES),
    st.builds(DeleteFile, path=PATHS),
    st.builds(RenameFile, path=PATHS, new_path=PATHS),
)
EDITS = st.builds(Edit, files=st.lists(FILES, min_size=1, max_size=4).map(tuple))


@settings(max_examples=600, deadline=None)
@given(edit=EDITS)
def test_what_is_rendered_is_read_back(edit: Edit) -> None:
    assert parse_reply(render_reply(edit)) == edit


@settings(max_examples=500, deadline=None)
@given(text=st.lists(st.one_of(PIECES, st.text(UNICODE, max_size=8)), max_size=15).map("\n".join))
def test_any_text_gives_an_edit_or_a_named_refusal(text: str) -> None:
    edit = refused_or_read(text)
    assert edit is None or parse_reply(render_reply(edit)) == edit


def refused_or_read(text: str) -> Edit | None:
    """An edit, or ``None`` for an ``EditError``; any other exception is a fault."""
    try:
        return parse_reply(text)
    except EditError:
        return None


def one_block(path: str, search: str, replace: str) -> Edit:
    return Edit(files=(ReplaceBlocks(path=path, blocks=(Block(search=search, replace=replace),)),))


SHORT = "<<<<\nold\n====\nnew\n>>>>\n"
LONG = "<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n"


@pytest.mark.parametrize(
    "text",
    [
        f"lib/a.ml\n{SHORT}",
        f"lib/a.ml\n{LONG}",
        f"Sure! The bug is in the call.\n\nlib/a.ml\n\n{SHORT}\nThat is all.\n",
        f"```ocaml\nlib/a.ml\n{SHORT}```\n",
        f"lib/a.ml\n```ocaml\n{SHORT}```\n",
        f"lib/a.ml\n````\n{LONG}````\nDone.",
        f"`lib/a.ml`\n{SHORT}",
        f"**lib/a.ml**:\n{SHORT}",
        f"### `lib/a.ml`:\n{SHORT}",
        f"File: lib/a.ml\n{SHORT}",
        f"1. lib/a.ml\n{SHORT}",
        f"./lib/a.ml\n{SHORT}",
        f'"lib/a.ml"\n{SHORT}',
        f"lib/a.ml\nHere is the change:\n{SHORT}",
        f"lib/a.ml\n{SHORT}".rstrip("\n"),
        f"lib/a.ml\n{SHORT}".replace("\n", "\r\n"),
        f"lib/a.ml\n{LONG}".replace("\n", "\r\n"),
        "Build with\n```sh\ndune build\n```\nlib/a.ml\n" + SHORT,
        "lib/a.ml\n<<<<<< ORIGINAL\nold\n======\nnew\n>>>>>> UPDATED\n",
    ],
)
def test_what_models_write_around_a_block_is_ignored(text: str) -> None:
    assert parse_reply(text) == one_block("lib/a.ml", "old\n", "new\n")


def test_blocks_keep_their_order_and_files_theirs() -> None:
    text = f"b.ml\n{SHORT}and then\n{LONG}\na.ml\n{SHORT}\nb.ml\n{SHORT}"
    block = Block(search="old\n", replace="new\n")
    assert parse_reply(text).files == (
        ReplaceBlocks(path="b.ml", blocks=(block, block)),
        ReplaceBlocks(path="a.ml", blocks=(block,)),
        ReplaceBlocks(path="b.ml", blocks=(block,)),
    )


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("lib/a.ml\n```ocaml\nlet x = 1\n```\n", WriteFile(path="lib/a.ml", content="let x = 1\n")),
        ("lib/a.ml\n\n```\n```\n", WriteFile(path="lib/a.ml", content="")),
        ("bin/run\n```sh +x\necho\n```\n", WriteFile(path="bin/run", content="echo\n", executable=True)),
        ("a.ml\n```-x\nx\n```\\\n", WriteFile(path="a.ml", content="x", executable=False)),
        ("README.md\n````md\n```\nmake\n```\n````\n", WriteFile(path="README.md", content="```\nmake\n```\n")),
        ("a.md\n```whole\n<<<<\n```\n", WriteFile(path="a.md", content="<<<<\n")),
        ("dune\n```\n(library)\n```\n", WriteFile(path="dune", content="(library)\n")),
        ("a.ml\n<<<< delete\n", DeleteFile(path="a.ml")),
        ("a.ml\n<<<< rename b c.ml\n", None),
        ('a.ml\n<<<< rename "b c.ml"\n', RenameFile(path="a.ml", new_path="b c.ml")),
        ("a.ml\n<<<< rename lib/b.ml\n", RenameFile(path="a.ml", new_path="lib/b.ml")),
        ("a.sh\n<<<< +x\n", ReplaceBlocks(path="a.sh", blocks=(), executable=True)),
        ("new.ml\n<<<<\n====\nx\n>>>>\n", ReplaceBlocks(path="new.ml", blocks=(Block(search="", replace="x\n"),))),
    ],
)
def test_whole_files_deletions_renames_and_modes(text: str, file: FileEdit | None) -> None:
    if file is None:
        with pytest.raises(EditError):
            parse_reply(text)
    else:
        assert parse_reply(text).files == (file,)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\n", "empty"),
        ("I could not find the bug.", "no-edit"),
        ("Done", "no-edit"),
        ("lib/a.ml\n", "no-edit"),
        ("```ocaml\nlet x = 1\n```\n", "no-path"),
        ("Usage\n```sh\ndune build\n```\n", "no-path"),
        ("lib/a.ml is wrong, run\n```sh\ndune build\n```\n", "no-path"),
        ("lib/a.ml\nRun this:\n```sh\ndune build\n```\n", "no-path"),
        (SHORT, "no-path"),
        (f"The file has a bug.\n{SHORT}", "no-path"),
        (f"a.ml\n<<<< delete\n{SHORT}", "no-path"),
        ("a.ml\n<<<<\nold\n", "unterminated"),
        ("a.ml\n<<<<\nold\n====\nnew\n", "unterminated"),
        ("a.ml\n<<<<<\nold\n====\nnew\n>>>>\n", "unterminated"),
        ("a.ml\n<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>", "unterminated"),
        ("a.ml\n```ocaml\nlet x = 1\n", "unterminated"),
        ("a.ml\n<<<<\nold\n====\nnew\n<<<<\nold\n====\nnew\n>>>>\n", "malformed"),
        ("a.ml\n<<<<\nold\n====\nmid\n====\nnew\n>>>>\n", "malformed"),
        ("a.ml\n<<<<\nold\n>>>>\n", "malformed"),
        ("a.ml\n<<<<\n====\\\nnew\n>>>>\n", "malformed"),
        ("a.ml\n<<<<<<< HEAD\nold\n=======\nnew\n>>>>>>> topic\n", "malformed"),
        ("a.ml\n<<<< delete it\n", "malformed"),
        ("a.ml\n<<<< rename\n", "malformed"),
        ("a.ml\n```diff\n-old\n+new\n```\n", "diff-reply"),
        ("README.md\n```md\nRun\n```sh\nmake\n```\nand\n```\n", "nested-fence"),
        (f"../a.ml\n{SHORT}", "outside-tree"),
        (f"/etc/passwd\n{SHORT}", "outside-tree"),
        ("lib/../../a.ml\n```\nx\n```\n", "outside-tree"),
        (f".git/config\n{SHORT}", "vcs-path"),
        ("a.ml\n<<<< rename .GIT/hooks/post-commit\n", "vcs-path"),
        ("sub/.Hg/hgrc\n```\nx\n```\n", "vcs-path"),
        (f"lib//a.ml\n{SHORT}", "bad-path"),
        ("a.ml\n<<<<\n\0\n====\n>>>>\n", "not-text"),
        ("a.ml \ud800", "not-text"),
        ("x" * (MAX_REPLY_CHARS + 1), "too-large"),
        ("a.ml\n" + "<<<<\na\n====\nb\n>>>>\n" * 10_001, "too-large"),
    ],
)
def test_nonsense_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(EditError) as caught:
        parse_reply(text)
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    "text",
    ["```a\n" * 200_000, "```\n" * 100_001, "`" * 2_000_000, "\n".join("`" * n for n in range(3, 1500)),
     "a.ml\n" * 100_000, "a.ml\n" + "<<<<<\n" * 200_000, "dune\n```x\n" * 100_000, "<" * 3_000_000,
     " " * 3_000_000 + "x", "<<<< " + " " * 200_000, "<<<< a" + " " * 200_000 + "b"],
)  # fmt: skip
def test_replies_made_to_be_slow_are_not(text: str) -> None:
    # the suite's own time limit is the judge: anything quadratic here takes hours
    with pytest.raises(EditError):
        parse_reply(text)


def test_a_block_that_knows_its_line_has_no_reply() -> None:
    edit = Edit(files=(ReplaceBlocks(path="a.ml", blocks=(Block(search="a\n", replace="", line=3),)),))
    with pytest.raises(EditError) as caught:
        render_reply(edit)
    assert caught.value.reason == "not-renderable"


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_what_is_no_text_is_not_rendered(text: str) -> None:
    with pytest.raises(EditError) as caught:
        render_reply(Edit(files=(WriteFile(path="a", content=text),)))
    assert caught.value.reason == "binary"


def test_the_canonical_form_is_short() -> None:
    edit = Edit(
        files=(
            ReplaceBlocks(
                path="lib/a.ml",
                blocks=(Block(search="old\n", replace="new\n"), Block(search="====\n", replace="x")),
            ),
            DeleteFile(path="lib/b.ml"),
            WriteFile(path="bin/run", content="echo\n", executable=True),
        )
    )  # fmt: skip
    assert render_reply(edit) == (
        "lib/a.ml\n<<<<\nold\n====\nnew\n>>>>\n<<<<<\n====\n=====\nx\n>>>>>\\\n"
        "\nlib/b.ml\n<<<< delete\n"
        "\nbin/run\n```+x\necho\n```\n"
    )
