"""Replies as models write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.prompts.question import Context, Piece
from greenloop.prompts.reply import Form, read, read_reply, strip_reasoning
from greenloop.records import Block, Edit, EditError, FileEdit, ReplaceBlocks, WriteFile

SOURCE = "open List\n\nlet f x = x\n\n(* g *)\nlet g x =\n  f x\n"


def context(*pieces: Piece, others: frozenset[str] = frozenset()) -> Context:
    return Context(pieces, (), 0, frozenset(piece.path for piece in pieces) | others)


def piece(path: str = "lib/a.ml", text: str = SOURCE, first_line: int = 1, file_lines: int | None = None) -> Piece:
    return Piece(path, first_line, text, text.count("\n") if file_lines is None else file_lines)


ONE = context(piece(), others=frozenset({"lib/hidden.ml"}))
PART = context(piece(text="let f x = x\n", first_line=3, file_lines=90))
TWO = context(piece(), piece("lib/b.ml", "let b = 1\n"))

BLOCK = "<<<<\nlet f x = x\n====\nlet f x = x + 1\n>>>>\n"


def blocks(path: str, search: str = "let f x = x\n", replace: str = "let f x = x + 1\n") -> Edit:
    return Edit(files=(ReplaceBlocks(path=path, blocks=(Block(search=search, replace=replace),)),))


@pytest.mark.parametrize(
    "reply",
    [
        f"lib/a.ml\n{BLOCK}",
        f"Sure! Here it is:\n\n**lib/a.ml**\n```ocaml\n{BLOCK}```\nThis adds one.",
        f"<think>\nlib/b.ml\n{BLOCK}maybe not\n</think>\n\nlib/a.ml\n{BLOCK}",
        f"<thinking>first</thinking><think>then</think>lib/a.ml\n{BLOCK}",
        f"The template opened the tag already.\n{BLOCK}</think>\nlib/a.ml\n{BLOCK}",
        f"<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>lib/a.ml\n{BLOCK}<|return|>",
        f"a.ml\n{BLOCK}",
    ],
)
def test_canonical_replies_and_what_stands_around_them(reply: str) -> None:
    found = read(reply, ONE)
    assert found.edit == blocks("lib/a.ml")
    assert found.form is Form.CANONICAL


@pytest.mark.parametrize("reply", [BLOCK, f"Here:\n```\n{BLOCK}```\n", f"I change f.\n\n{BLOCK}"])
def test_blocks_without_a_path_are_for_the_only_file(reply: str) -> None:
    found = read(reply, ONE)
    assert (found.edit, found.form) == (blocks("lib/a.ml"), Form.SOLE_FILE)
    with pytest.raises(EditError) as caught:
        read(reply, TWO)
    assert caught.value.reason == "no-path"


def test_a_definition_without_a_path_replaces_the_one_of_its_name() -> None:
    found = read("Use this:\n```ocaml\n(* better *)\nlet g x =\n  f (f x)\n```\n", ONE)
    assert found.form is Form.DEFINITION
    assert found.edit == blocks("lib/a.ml", "let g x =\n  f x\n", "let g x =\n  f (f x)\n")
    partly = read("```\nlet f x = x + 1\n```", PART)
    assert partly.edit == blocks("lib/a.ml")


def test_a_whole_file_without_a_path_keeps_every_name() -> None:
    new = "let f x = 2 * x\nlet g x = f x\nlet h = g\n"
    found = read(f"```ocaml\n{new}```\n", ONE)
    assert found.form is Form.WHOLE_FILE
    assert found.edit == Edit(files=(WriteFile(path="lib/a.ml", content=new),))


@pytest.mark.parametrize(
    "reply",
    [
        "```ocaml\nlet h x = x\n```",  # no such definition
        "```ocaml\nlet f x = (\n```",  # a syntax error
        "```ocaml\nlet f x = 1\nlet h x = 2\n```",  # neither the file nor one definition
        "```ocaml\nlet f x = 1\n```\nor\n```ocaml\nlet f x = 2\n```",  # which?
        "```\nf 3\n```",
        "```\n```",
    ],
)
def test_a_fence_that_could_be_anything_is_refused(reply: str) -> None:
    with pytest.raises(EditError) as caught:
        read(reply, ONE)
    assert caught.value.reason == "no-path"


def test_a_definition_that_is_shown_twice_is_refused() -> None:
    twice = context(piece(text="let f = 1\nlet f = 2\nlet g = 3\n"))
    with pytest.raises(EditError) as caught:
        read("```ocaml\nlet f = 4\n```", twice)
    assert caught.value.reason == "no-path"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        ("  \n\t", "empty"),
        ("I cannot help with that.", "no-edit"),
        ("<think>so many thoughts and then the tokens ran ou", "only-reasoning"),
        ("<think>done</think>", "only-reasoning"),
        ("<think>done</think>\n\nNothing to change.", "no-edit"),
        ("lib/a.ml\n<<<<\nlet f x = x\n====\nlet f x =", "unterminated"),
        (f"lib/hidden.ml\n{BLOCK}", "not-shown"),
        ("lib/hidden.ml\n```\nlet x = 1\n```\n", "not-shown"),
        ("lib/hidden.ml\n<<<< delete\n", "not-shown"),
        ("lib/hidden.ml\n<<<< rename lib/new.ml\n", "not-shown"),
        (f"lib/missing.ml\n{BLOCK}", "no-file"),
        (f"../a.ml\n{BLOCK}", "outside-tree"),
        (f".git/config\n{BLOCK}", "vcs-path"),
        ('"lib/b.ml\\nAccepted by all"\n```\nlet x = 1\n```\n', "bad-path"),
        ('"lib/\u202elm.b"\n```\nlet x = 1\n```\n', "bad-path"),
        ('lib/a.ml\n<<<< rename "lib/a\u200b.ml"\n', "bad-path"),
        ("shopping/list.txt\n<<<<\nthree pears\n====\nfour pears\n>>>>\n", "no-file"),
    ],
)
def test_what_is_no_edit_of_what_was_shown(reply: str, reason: str) -> None:
    with pytest.raises(EditError) as caught:
        read_reply(reply, ONE)
    assert caught.value.reason == reason
    assert caught.value.message


def test_a_misspelled_path_names_the_nearest() -> None:
    with pytest.raises(EditError, match=r"did it mean lib/a\.ml\?"):
        read_reply(f"lib/aa.ml\n{BLOCK}", ONE)


def test_new_files_and_files_shown_whole_may_be_written() -> None:
    def write(path: str) -> tuple[FileEdit, ...]:
        return (WriteFile(path=path, content="let x = 1\n"),)

    assert read_reply("lib/new.ml\n```ocaml\nlet x = 1\n```\n", PART).files == write("lib/new.ml")
    assert read_reply("lib/a.ml\n```ocaml\nlet x = 1\n```\n", ONE).files == write("lib/a.ml")
    with pytest.raises(EditError) as caught:
        read_reply("lib/a.ml\n```ocaml\nlet x = 1\n```\n", PART)
    assert caught.value.reason == "not-shown"


def test_a_short_path_that_ends_two_files_is_refused() -> None:
    two = context(piece("lib/a.ml"), piece("bin/a.ml"))
    with pytest.raises(EditError) as caught:
        read_reply(f"a.ml\n{BLOCK}", two)
    assert caught.value.reason == "no-file"


def test_tags_inside_code_stay() -> None:
    reply = 'lib/a.ml\n<<<<\nlet f x = x\n====\nlet f x = "<think>no</think>"\n>>>>\n'
    assert strip_reasoning(reply) == reply
    assert read_reply(reply, ONE) == blocks("lib/a.ml", replace='let f x = "<think>no</think>"\n')


@given(st.text(alphabet=st.sampled_from("<>=/`thinklea.m \n"), max_size=120))
def test_any_reply_is_an_edit_or_one_clear_error(reply: str) -> None:
    for shown in (ONE, PART, TWO, context()):
        try:
            edit = read_reply(reply, shown)
        except EditError:
            continue
        assert edit.files
