"""Applying an edit: the ladder of matching, what is refused, and that it is all or nothing."""

import pygit2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from greenloop.records import (
    Block,
    DeleteFile,
    Edit,
    EditError,
    FileEdit,
    InputError,
    RenameFile,
    ReplaceBlocks,
    Rung,
    TreeId,
    WriteFile,
)
from greenloop.workspace.edits import Applied, Place, apply
from greenloop.workspace.store import Entry, Mode, TreeStore


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> TreeStore:
    return TreeStore(tmp_path_factory.mktemp("store"))


def tree(store: TreeStore, **files: str | bytes) -> TreeId:
    """A tree of ``files``; ``lib__a_ml`` stands for ``lib/a.ml``."""
    return store.write_tree(
        {
            name.replace("__", "/").replace("_", "."): Entry(
                Mode.FILE, store.write_blob(text.encode() if isinstance(text, str) else text)
            )
            for name, text in files.items()
        }
    )


def replace(path: str, *pairs: tuple[str, str] | tuple[str, str, int]) -> ReplaceBlocks:
    blocks = (Block(search=pair[0], replace=pair[1], line=pair[2] if len(pair) == 3 else None) for pair in pairs)
    return ReplaceBlocks(path=path, blocks=tuple(blocks))


def run(store: TreeStore, base: TreeId, *files: FileEdit) -> Applied:
    return apply(store, base, Edit(files=files))


def refusal(store: TreeStore, base: TreeId, *files: FileEdit) -> EditError:
    with pytest.raises(EditError) as caught:
        run(store, base, *files)
    return caught.value


ML = "let f x =\n  x + 1\n\nlet g y =\n  if y then\n    f 1\n  else\n    0\n"

LADDER = [
    # text, search, replace, result, rung
    (ML, "  x + 1\n", "  x + 2\n", ML.replace("+ 1", "+ 2"), Rung.EXACT),
    (ML, "let g y =\n  if y then\n", "let g y =\n  if not y then\n", ML.replace("if y", "if not y"), Rung.EXACT),
    (ML, "  x + 1  \n", "  x + 2\n", ML.replace("+ 1", "+ 2"), Rung.BLANKS),
    (ML.replace("+ 1", "+ 1 \t"), "  x + 1\n", "  x + 2\n", ML.replace("+ 1", "+ 2"), Rung.BLANKS),
    # lines that stay keep their trailing blanks
    ("a  \nb\nc  \n", "a\nb\nc\n", "a\nB\nc\n", "a  \nB\nc  \n", Rung.BLANKS),
    # the file's line ends win
    ("a\r\nb\r\nc\r\n", "b\n", "x\ny\n", "a\r\nx\r\ny\r\nc\r\n", Rung.BLANKS),
    ("a\nb\nc\n", "b\r\n", "x\r\ny\r\n", "a\nx\ny\nc\n", Rung.BLANKS),
    # … and so does the missing one at its end
    ("a\nb", "b\n", "c\n", "a\nc", Rung.BLANKS),
    ("a\nb", "b\n", "b\nc\n", "a\nb\nc", Rung.BLANKS),
    ("a\nb", "b", "c\n", "a\nc\n", Rung.EXACT),
    ("a\nb\nc\n", "b", "x", "a\nx\nc\n", Rung.BLANKS),
    # all shifted alike
    (ML, "if y then\n  f 1\n", "if y then\n  f 2\n", ML.replace("f 1", "f 2"), Rung.INDENTATION),
    (ML, "    if y then\n      f 1\n", "    if y then\n      f 2\n\n    (**)\n",
     ML.replace("f 1\n", "f 2\n\n  (**)\n"), Rung.INDENTATION),
    ("\tif y\n\t\tf\r\n", "if y\n\tf\n", "if z\n\tg\n", "\tif z\n\t\tg\n", Rung.INDENTATION),
    # not all alike: only the tokens match
    (ML, "if y then f 1\nelse 0\n", "if y then f 2\nelse 0\n",
     "let f x =\n  x + 1\n\nlet g y =\n  if y then f 2\n  else 0\n", Rung.TOKENS),
    (ML, "\nlet f x = x+1\n\n", "\nlet f x = x+2\n\n", "let f x = x+2\n" + ML[18:], Rung.TOKENS),
]  # fmt: skip


@pytest.mark.parametrize(("text", "search", "replacement", "result", "rung"), LADDER)
def test_the_ladder(store: TreeStore, text: str, search: str, replacement: str, result: str, rung: Rung) -> None:
    applied = run(store, tree(store, a_ml=text), replace("a.ml", (search, replacement)))
    assert store.read(applied.tree, "a.ml") == result.encode()
    assert applied.rung is rung


@pytest.mark.parametrize(
    ("text", "search", "reason"),
    [
        ("a\nb\na\n", "a\n", "ambiguous"),
        ("aa\naa\naa\n", "aa\naa\n", "ambiguous"),
        ("a \nb\na\t\n", "a\n", "ambiguous"),
        ("if x\n  f\nif x\n  f\n", "  if x\n    f\n", "ambiguous"),
        ("let x=1\nlet  x =1\n", "let x = 1\n", "ambiguous"),
        ("a\n", "", "ambiguous"),
        ("ab\n", "b\n", "no-match"),
        ("ab\n", "a", "no-match"),
        ("", "a\n", "no-match"),
        # white space inside strings and comments is not between tokens
        ('let x = "a  b"\n', 'let x="a b"\n', "no-match"),
        ("let x = {|a  b|}\n", "let x={|a b|}\n", "no-match"),
        ("let x = 1 (* a  b (* c *) *)\n", "let x=1 (* a b (* c *) *)\n", "no-match"),
        # whole lines only
        ("f x; g y\n", "g   y\n", "no-match"),
        ("f x; g y\n", "f   x;\n", "no-match"),
    ],
)
def test_what_does_not_match_once_is_refused(store: TreeStore, text: str, search: str, reason: str) -> None:
    base = tree(store, a_ml=text)
    error = refusal(store, base, replace("a.ml", (search, "new\n")))
    assert error.reason == reason
    assert error.message.startswith("a.ml: ")


def test_tokens_are_only_told_apart_in_known_languages(store: TreeStore) -> None:
    base = tree(store, a_txt="a = b  c\n", a_py="a = b  c\n", lib__dune="(name  x)\n")
    assert refusal(store, base, replace("a.txt", ("a = b c\n", "new\n"))).reason == "no-match"
    assert run(store, base, replace("a.py", ("a = b c\n", "new\n"))).rung is Rung.TOKENS
    assert run(store, base, replace("lib/dune", ("(name x)\n", "new\n"))).rung is Rung.TOKENS


def test_a_line_tells_equal_places_apart_but_only_exactly(store: TreeStore) -> None:
    base = tree(store, a_ml="a\nb\na\nb\n")
    applied = run(store, base, replace("a.ml", ("a\n", "x\n", 3)))
    assert store.read(applied.tree, "a.ml") == b"a\nb\nx\nb\n"
    assert applied.places == (Place("a.ml", 3, Rung.EXACT),)
    assert refusal(store, base, replace("a.ml", ("a\n", "x\n", 2))).reason == "ambiguous"
    # a wrong line does not hurt what is unique
    once = tree(store, a_ml="a\nb\n")
    assert run(store, once, replace("a.ml", ("b\n", "x\n", 1))).places == (Place("a.ml", 2, Rung.EXACT),)


def test_insertions_by_line(store: TreeStore) -> None:
    base = tree(store, a_ml="a\nb\n", open_ml="a\nb")
    for line, result in ((1, b"x\na\nb\n"), (2, b"a\nx\nb\n"), (3, b"a\nb\nx\n")):
        assert store.read(run(store, base, replace("a.ml", ("", "x\n", line))).tree, "a.ml") == result
    assert refusal(store, base, replace("a.ml", ("", "x\n", 4))).reason == "no-match"
    assert refusal(store, base, replace("open.ml", ("", "x\n", 3))).reason == "no-match"
    assert refusal(store, base, replace("a.ml", ("", "x\n", 2), ("", "y\n", 2))).reason == "overlap"
    assert refusal(store, base, replace("a.ml", ("", "x", 2))).reason == "open-end"


def test_no_match_shows_the_nearest_lines_with_their_numbers(store: TreeStore) -> None:
    base = tree(store, a_ml=ML)
    error = refusal(store, base, replace("a.ml", ("  if y then\n    f 7\n", "x\n")))
    assert error.way_out == "the nearest lines are\n5:   if y then\n6:     f 1"
    error = refusal(store, base, replace("a.ml", ("  y + 1 - x\n", "x\n")))
    assert "\n2:   x + 1" in error.way_out


def test_ambiguous_names_the_first_two_lines(store: TreeStore) -> None:
    error = refusal(store, tree(store, a_ml="a\nb\na\na\n"), replace("a.ml", ("a\n", "x\n")))
    assert "line 1 and line 3" in error.message


def test_texts_too_long_or_too_much_alike_are_refused(store: TreeStore) -> None:
    alike = tree(store, a_ml="a\n b\n" * 10_001)
    assert refusal(store, alike, replace("a.ml", ("a\n  b\n", "x\n"))).reason == "ambiguous"
    long = tree(store, a_ml="".join(f"{n}\n" for n in range(1_000_001)))
    assert refusal(store, long, replace("a.ml", ("7\n", "x\n"))).reason == "too-large"


def test_blocks_of_one_file_see_the_file_as_it_was_and_may_come_in_any_order(store: TreeStore) -> None:
    base = tree(store, a_ml="a\nb\nc\n")
    applied = run(store, base, replace("a.ml", ("c\n", "a\n"), ("a\n", "c\nc\n")))
    assert store.read(applied.tree, "a.ml") == b"c\nc\nb\na\n"
    assert [place.line for place in applied.places] == [3, 1]


@pytest.mark.parametrize("pairs", [(("a\nb\n", "x\n"), ("b\nc\n", "y\n")), (("a\n", "x\n"), ("a\n", "x\n"))])
def test_blocks_that_overlap_are_refused(store: TreeStore, pairs: tuple[tuple[str, str], ...]) -> None:
    assert refusal(store, tree(store, a_ml="a\nb\nc\n"), replace("a.ml", *pairs)).reason == "overlap"


def test_edits_of_one_path_go_one_after_the_other(store: TreeStore) -> None:
    base = tree(store, a_ml="a\n")
    applied = run(store, base, replace("a.ml", ("a\n", "b\n")), RenameFile(path="a.ml", new_path="lib/c.ml"),
                  replace("lib/c.ml", ("b\n", "c\n")), WriteFile(path="a.ml", content="new\n"))  # fmt: skip
    assert applied.tree == tree(store, a_ml="new\n", lib__c_ml="c\n")


def test_the_worst_rung_counts(store: TreeStore) -> None:
    base = tree(store, a_ml="a\n  b\n", b_ml="c \n")
    applied = run(store, base, replace("a.ml", ("a\n", "x\n"), ("b\n", "y\n")), replace("b.ml", ("c\n", "z\n")))
    assert [place.rung for place in applied.places] == [Rung.EXACT, Rung.INDENTATION, Rung.BLANKS]
    assert applied.rung is Rung.INDENTATION


def test_modes_are_kept_or_set(store: TreeStore) -> None:
    blob = store.write_blob(b"a\n")
    base = store.write_tree({"run": Entry(Mode.EXECUTABLE, blob), "a": Entry(Mode.FILE, blob)})

    def modes(*files: FileEdit) -> tuple[Mode, Mode]:
        found = store.files(run(store, base, *files).tree)
        return found["a"].mode, found["run"].mode

    assert modes(replace("run", ("a\n", "b\n")), WriteFile(path="a", content="b\n")) == (Mode.FILE, Mode.EXECUTABLE)
    assert modes(WriteFile(path="run", content="b\n")) == (Mode.FILE, Mode.EXECUTABLE)
    assert modes(
        WriteFile(path="run", content="b\n", executable=False), ReplaceBlocks(path="a", blocks=(), executable=True)
    ) == (Mode.EXECUTABLE, Mode.FILE)


def test_an_empty_search_creates_and_never_overwrites(store: TreeStore) -> None:
    base = tree(store, a_ml="a\n", empty_ml="")
    for path in ("new.ml", "empty.ml"):
        assert store.read(run(store, base, replace(path, ("", "x\n"))).tree, path) == b"x\n"
    assert refusal(store, base, replace("a.ml", ("", "x\n"))).reason == "ambiguous"


HOSTILE: list[tuple[FileEdit, str]] = [
    (WriteFile(path="../x", content=""), "outside-tree"),
    (WriteFile(path="lib/../../x", content=""), "outside-tree"),
    (WriteFile(path="/etc/passwd", content=""), "outside-tree"),
    (WriteFile(path=".git/hooks/post-commit", content=""), "vcs-path"),
    (WriteFile(path="lib/.GIT/config", content=""), "vcs-path"),
    (WriteFile(path=".g\u200cit/config", content=""), "vcs-path"),
    (WriteFile(path="GIT~1/config", content=""), "vcs-path"),
    (WriteFile(path=".git. /config", content=""), "vcs-path"),
    (WriteFile(path=".git::$INDEX_ALLOCATION/config", content=""), "vcs-path"),
    (WriteFile(path=".hg", content=""), "vcs-path"),
    (RenameFile(path="a.ml", new_path="../a.ml"), "outside-tree"),
    (RenameFile(path="a.ml", new_path=".hg/hgrc"), "vcs-path"),
    (WriteFile(path="", content=""), "bad-path"),
    (WriteFile(path="./a.ml", content=""), "bad-path"),
    (WriteFile(path="lib/", content=""), "bad-path"),
    (WriteFile(path="a\0b", content=""), "bad-path"),
    (WriteFile(path="x" * 256, content=""), "bad-path"),
    (WriteFile(path="a/" * 2048 + "a", content=""), "bad-path"),
    (WriteFile(path="\ud800", content=""), "bad-path"),
    (WriteFile(path="link/x", content=""), "link"),
    (WriteFile(path="link", content=""), "link"),
    (replace("link", ("target", "x")), "link"),
    (DeleteFile(path="link"), "link"),
    (RenameFile(path="link", new_path="x"), "link"),
    (WriteFile(path="a.ml/x", content=""), "not-a-folder"),
    (WriteFile(path="lib", content=""), "is-a-folder"),
    (replace("lib", ("", "x\n")), "is-a-folder"),
    (DeleteFile(path="missing"), "no-file"),
    (DeleteFile(path="lib"), "is-a-folder"),
    (replace("missing", ("a\n", "b\n")), "no-file"),
    (RenameFile(path="missing", new_path="x"), "no-file"),
    (RenameFile(path="a.ml", new_path="lib/b.ml"), "exists"),
    (RenameFile(path="a.ml", new_path="a.ml"), "exists"),
    (replace("binary", ("a\n", "b\n")), "binary"),
    (WriteFile(path="binary", content="x\n"), "binary"),
    (replace("nul", ("a\n", "b\n")), "binary"),
    (WriteFile(path="x", content="\0"), "binary"),
    (replace("a.ml", ("a\n", "\ud800\n")), "binary"),
    (ReplaceBlocks(path="a.ml", blocks=()), "empty"),
    (replace("a.ml", ("a\n", "x")), "open-end"),
]  # fmt: skip


@pytest.mark.parametrize(("file", "reason"), HOSTILE)
def test_refusals_are_named_and_change_nothing(store: TreeStore, file: FileEdit, reason: str) -> None:
    base = store.write_tree(
        {
            "a.ml": Entry(Mode.FILE, store.write_blob(b"a\nb\n")),
            "lib/b.ml": Entry(Mode.FILE, store.write_blob(b"b\n")),
            "link": Entry(Mode.LINK, store.write_blob(b"target")),
            "binary": Entry(Mode.FILE, store.write_blob(b"a\n\xff\n")),
            "nul": Entry(Mode.FILE, store.write_blob(b"a\n\0\n")),
        }
    )
    good = WriteFile(path="good.ml", content=f"never stored {reason} {hash(file)}\n")
    assert refusal(store, base, good, file).reason == reason
    # atomic: not even the blob of the part that was fine
    assert str(pygit2.hash(good.content.encode())) not in store


def test_a_folder_and_a_file_change_places_within_one_edit(store: TreeStore) -> None:
    base = tree(store, lib__a="a\n", lib__b="b\n", c="c\n")
    applied = run(store, base, DeleteFile(path="lib/a"), RenameFile(path="lib/b", new_path="b"),
                  WriteFile(path="lib", content="file\n"), DeleteFile(path="c"),
                  WriteFile(path="c/d", content="d\n"))  # fmt: skip
    assert applied.tree == tree(store, b="b\n", lib="file\n", c__d="d\n")
    error = refusal(store, base, WriteFile(path="x/y", content=""), WriteFile(path="x", content=""))
    assert error.reason == "is-a-folder"


def test_an_edit_without_files_and_an_unknown_tree(store: TreeStore) -> None:
    assert refusal(store, store.empty).reason == "empty"
    with pytest.raises(InputError):
        run(store, "0" * 40, WriteFile(path="a", content=""))


LINES = st.lists(st.sampled_from(["a\n", "b\n", "  a\n", "\n", "a \n", "c d\n", "a\r\n"]), max_size=10)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=LINES,
    search=LINES.filter(bool),
    replacement=LINES,
    open_end=st.booleans(),
)
def test_whatever_matches_changes_one_place_only(
    store: TreeStore, lines: list[str], search: list[str], replacement: list[str], open_end: bool
) -> None:
    text = "".join(lines)
    text = text.removesuffix("\n") if open_end else text
    base = tree(store, a_ml=text)
    try:
        applied = run(store, base, replace("a.ml", ("".join(search), "".join(replacement))))
    except EditError as error:
        assert error.reason in {"no-match", "ambiguous", "open-end"}  # noqa: PT017
        return
    (place,) = applied.places
    content = store.read(applied.tree, "a.ml")
    assert content is not None
    present = text.splitlines(keepends=True)
    result = content.decode().splitlines(keepends=True)
    # what stands before the place is untouched, and so is what stands behind it
    above = place.line - 1
    assert result[:above] == present[:above]
    if applied.rung is Rung.TOKENS:
        return
    below = len(present) - above - len(search)
    assert below >= 0
    assert result[len(result) - below :] == present[len(present) - below :]
    if applied.rung is Rung.EXACT:
        assert result[above : len(result) - below] == replacement
