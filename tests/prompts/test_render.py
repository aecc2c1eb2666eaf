"""What a model reads, word for word."""

from collections.abc import Callable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from greenloop.models.seam import Message
from greenloop.prompts.cover import covers
from greenloop.prompts.diagnostics import show_diagnostic
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Piece, Question
from greenloop.prompts.render import SYSTEM, body, render, render_training
from greenloop.prompts.reply import read_reply
from greenloop.records import (
    Block,
    Category,
    DeleteFile,
    Diagnostic,
    Edit,
    FileEdit,
    ReplaceBlocks,
    Severity,
    Span,
    TreeId,
    WriteFile,
)
from greenloop.workspace.edits.reply import parse_reply
from greenloop.workspace.store import TreeStore

TreeOf = Callable[[Mapping[str, str | bytes]], TreeId]

SOURCE = "let add x y = x + y\n\nlet twice = add 2 2.0\n"
ERROR = Diagnostic(
    severity=Severity.ERROR,
    category=Category.TYPE,
    message="This expression has type float but an expression was expected of type\n         int",
    path="lib/sum.ml",
    span=Span(line=3, column=18, end_line=3, end_column=21),
)


def test_a_whole_prompt(store: TreeStore, tree_of: TreeOf) -> None:
    question = Question(tree_of({"lib/sum.ml": SOURCE, "dune-project": ""}), "Fix that error.\n", (ERROR,))
    messages = render(question, gather(store, question, budget=400))
    assert messages == (
        Message("system", SYSTEM),
        Message(
            "user",
            """\
File lib/sum.ml:
```ocaml
let add x y = x + y

let twice = add 2 2.0
```

File "lib/sum.ml", line 3, characters 18-21:
3 | let twice = add 2 2.0
                      ^^^
Error: This expression has type float but an expression was expected of type
         int

Fix that error.""",
        ),
    )


def test_what_is_no_unicode_is_not_sent(store: TreeStore) -> None:
    context = Context((), (), 0, frozenset())
    assert render(Question(store.empty, "caf\udce9"), context)[1].content == "caf?"


def test_the_example_of_the_system_message_is_an_edit_of_a_file_that_is_in_no_tree() -> None:
    example = SYSTEM[SYSTEM.index("shopping/list.txt") : SYSTEM.index("A new file")]
    (file,) = parse_reply(example).files
    assert isinstance(file, ReplaceBlocks)
    assert file.path == "shopping/list.txt"
    assert file.blocks == (Block(search="three pears\n", replace="four pears\ntwo plums\n"),)


def test_training_is_the_same_prompt_with_the_reply(store: TreeStore, tree_of: TreeOf) -> None:
    question = Question(tree_of({"lib/sum.ml": SOURCE}), "fix", (ERROR,))
    context = gather(store, question, budget=400)
    block = Block(search="let twice = add 2 2.0\n", replace="let twice = add 2 2\n")
    edit = Edit(files=(ReplaceBlocks(path="lib/sum.ml", blocks=(block,)),))
    messages = render_training(question, context, edit)
    assert messages[:-1] == render(question, context)
    assert messages[-1].role == "assistant"
    assert read_reply(messages[-1].content, context) == edit


def piece(text: str, first_line: int = 1, file_lines: int | None = None, path: str = "x.ml") -> Piece:
    return Piece(path, first_line, text, text.count("\n") if file_lines is None else file_lines)


def test_a_part_of_a_file_says_which() -> None:
    assert body([piece("let a = 1\n", 7, 90)], ()) == "File x.ml, lines 7 to 7 of 90:\n```ocaml\nlet a = 1\n```"


def test_fences_are_longer_than_those_in_the_text() -> None:
    shown = body([piece("# Title\n````\ncode\n````\n", path="README.md")], ())
    assert shown == "File README.md:\n`````\n# Title\n````\ncode\n````\n`````"


@given(st.text(alphabet="ab` \n", max_size=60).filter(lambda text: text != ""))
def test_text_stands_verbatim_between_its_fences(text: str) -> None:
    lines = body([piece(text)], ()).split("\n")
    fence = lines[-1]
    assert set(fence) == {"`"}
    inside = "\n".join(lines[2:-1])
    assert inside in (text, text.removesuffix("\n"))
    assert not any(line.strip().startswith(fence) for line in lines[2:-1])


def diagnostic(span: Span | None, message: str = "oops") -> Diagnostic:
    return Diagnostic(
        severity=Severity.ERROR, category=Category.OTHER, message=message, path="a.ml" if span else None, span=span
    )


def test_diagnostics_that_span_lines_or_bytes() -> None:
    lines = ("let é = (", "  é + 1", ")")
    wide = show_diagnostic(diagnostic(Span(line=2, column=2, end_line=2, end_column=4)), lines)
    assert wide == 'File "a.ml", line 2, characters 2-4:\n2 |   é + 1\n      ^\nError: oops'
    several = show_diagnostic(diagnostic(Span(line=1, column=9, end_line=3, end_column=1)), lines)
    assert several == ('File "a.ml", lines 1-3, characters 9-1:\n1 | let é = (\n2 |   é + 1\n3 | )\nError: oops')
    behind = show_diagnostic(diagnostic(Span(line=9, column=0, end_line=9, end_column=0)), lines)
    assert behind == 'File "a.ml", line 9, characters 0-0:\nError: oops'
    assert show_diagnostic(diagnostic(None, "Error: no place"), lines) == "Error: no place"


def test_what_a_context_covers() -> None:
    shown = (piece("let a = 1\nlet b = 2\n"), piece("  x\n", 5, 9, path="y.ml"))
    context = Context(shown, (), 0, frozenset({"x.ml", "y.ml", "z.ml"}))

    def edit(path: str, search: str) -> Edit:
        return Edit(files=(ReplaceBlocks(path=path, blocks=(Block(search=search, replace=""),)),))

    def other(file: FileEdit) -> bool:
        return covers(context, Edit(files=(file,)))

    assert covers(context, edit("x.ml", "let b = 2\n"))
    assert covers(context, edit("x.ml", "let a = 1\nlet b = 2\n"))
    assert not covers(context, edit("x.ml", "b = 2\n")), "lines are whole"
    assert not covers(context, edit("y.ml", "let a = 1\n"))
    assert not covers(context, edit("z.ml", "let a = 1\n"))
    assert other(WriteFile(path="new.ml", content=""))
    assert other(WriteFile(path="x.ml", content=""))
    assert not other(WriteFile(path="y.ml", content="")), "only a part of it was shown"
    assert other(DeleteFile(path="y.ml"))
    assert not other(DeleteFile(path="z.ml"))
