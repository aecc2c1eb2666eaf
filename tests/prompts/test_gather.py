"""What is shown: the error first, then what it needs, never more than the budget."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.prompts.gather import gather
from greenloop.prompts.question import Context, Question
from greenloop.prompts.render import body, overhead, render
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Category, Diagnostic, InputError, Severity, Span, TreeId
from greenloop.workspace.store import TreeStore

TreeOf = Callable[[Mapping[str, str | bytes]], TreeId]


def error(path: str | None, line: int, columns: tuple[int, int] = (0, 1), message: str = "Syntax error") -> Diagnostic:
    span = Span(line=line, column=columns[0], end_line=line, end_column=columns[1])
    return Diagnostic(
        severity=Severity.ERROR, category=Category.TYPE, message=message, path=path, span=span if path else None
    )


def filler(name: str, lines: int = 4) -> str:
    return f"let {name} x =\n" + "".join(f"  let y{i} = x + {i} in\n" for i in range(lines - 2)) + "  x\n\n"


def shown(context: Context) -> dict[str, str]:
    """The text of each file that is shown."""
    texts: dict[str, str] = {}
    for piece in context.pieces:
        texts[piece.path] = texts.get(piece.path, "") + piece.text
    return texts


MAIN = "open Util\n\n" + "".join(filler(f"f{i}") for i in range(30)) + "let main s =\n  Util.show (f3 s) ^ s\n"
LAST = MAIN.count("\n")


@pytest.fixture
def project(tree_of: TreeOf) -> TreeId:
    return tree_of(
        {
            "bin/main.ml": MAIN,
            "bin/dune": "(executable (name main) (libraries util))\n",
            "lib/util.mli": "(** Showing. *)\nval show : int -> string\nval unused : int\n",
            "lib/util.ml": "let show = string_of_int\nlet unused = 1\n",
            "test/util.ml": "let show () = assert false\n",
        }
    )


def test_the_error_and_its_definition_come_first(store: TreeStore, project: TreeId) -> None:
    question = Question(project, "fix it", (error("bin/main.ml", LAST, (13, 17)),))
    context = gather(store, question, budget=120)
    assert [piece.path for piece in context.pieces] == ["bin/main.ml"]
    assert context.pieces[-1].text == "let main s =\n  Util.show (f3 s) ^ s\n"
    assert "^^^^" in context.errors[0].text


def test_what_the_error_names_then_interfaces_and_neighbours(store: TreeStore, project: TreeId) -> None:
    question = Question(project, "fix it", (error("bin/main.ml", LAST, (13, 17)),))
    texts = shown(gather(store, question, budget=500))
    assert filler("f3").strip() in texts["bin/main.ml"], "named by the marked code"
    assert filler("f29").strip() in texts["bin/main.ml"], "the nearest neighbour"
    assert "let f12 x" not in texts["bin/main.ml"], "far away and not named"
    assert texts["lib/util.mli"].startswith("(** Showing. *)"), "the interface of a module that is used"
    assert "test/util.ml" not in texts


def test_a_definition_named_by_the_message(store: TreeStore, tree_of: TreeOf) -> None:
    source = "let helper a b = a + b\n\n" + "".join(filler(f"g{i}") for i in range(20)) + 'let use = 1 + "s"\n'
    tree = tree_of({"a.ml": source})
    for message, expected in (
        ("Unbound value helpr, did you mean helper?", True),
        ("Unbound value helpr, sorry", False),
    ):
        question = Question(tree, "", (error("a.ml", source.count("\n"), (14, 17), message),))
        assert ("let helper a b" in shown(gather(store, question, budget=160))["a.ml"]) is expected


def test_a_name_in_a_module_finds_its_interface(store: TreeStore, tree_of: TreeOf) -> None:
    interface = "".join(f"val v{i} : int -> int -> int -> int\n" for i in range(200)) + "val wanted : string\n"
    tree = tree_of({"a.ml": "let x = 1\nlet y = Big.wanted + 1\n", "big.mli": interface})
    question = Question(tree, "", (error("a.ml", 2, (8, 18), "This expression has type string"),))
    pieces = gather(store, question, budget=300).pieces
    assert ("big.mli", "val wanted : string\n") in [(piece.path, piece.text) for piece in pieces]


def test_a_small_file_is_shown_whole(store: TreeStore, tree_of: TreeOf) -> None:
    source = "let a = 1\n\n\nlet b = a +. 1.\n\n"
    context = gather(store, Question(tree_of({"x.ml": source}), "", (error("x.ml", 4),)), budget=400)
    (piece,) = context.pieces
    assert (piece.text, piece.whole, piece.first_line, piece.file_lines) == (source, True, 1, 5)


def test_a_long_definition_gives_a_window_around_the_error(store: TreeStore, tree_of: TreeOf) -> None:
    source = "let long x =\n" + "".join(f"  let y{i} = x + {i} in\n" for i in range(300)) + "  x\n"
    context = gather(store, Question(tree_of({"x.ml": source}), "", (error("x.ml", 150),)), budget=300)
    (piece,) = context.pieces
    assert piece.first_line < 150 < piece.last_line
    assert abs((150 - piece.first_line) - (piece.last_line - 150)) <= 1
    assert not piece.whole


def test_neighbours_are_one_unbroken_piece(store: TreeStore, tree_of: TreeOf) -> None:
    source = "".join(filler(f"f{i}") + "(* note *)\n" for i in range(40))
    line = 1 + source[: source.index("let f20 ")].count("\n")
    context = gather(store, Question(tree_of({"x.ml": source}), "", (error("x.ml", line),)), budget=400)
    (piece,) = context.pieces
    assert "let f19 x" in piece.text
    assert "let f21 x" in piece.text
    assert piece.text in source


def test_an_error_behind_the_last_line(store: TreeStore, tree_of: TreeOf) -> None:
    source = "".join(filler(f"f{i}") for i in range(40)) + "let last = (\n"
    behind = error("x.ml", source.count("\n") + 1)
    context = gather(store, Question(tree_of({"x.ml": source}), "", (behind,)), budget=200)
    assert "let last = (" in shown(context)["x.ml"]


def test_further_errors_while_the_budget_lasts(store: TreeStore, tree_of: TreeOf) -> None:
    tree = tree_of({"x.ml": "let a = b\nlet c = d\n"})
    errors = (error("x.ml", 1, (8, 9), "Unbound value b"), error("x.ml", 2, (8, 9), "Unbound value d"))
    both = gather(store, Question(tree, "", errors), budget=300)
    assert [one.diagnostic for one in both.errors] == list(errors)
    first = gather(store, Question(tree, "", errors), budget=80)
    assert [one.diagnostic for one in first.errors] == [errors[0]]


def test_warnings_count_only_when_there_is_no_error(store: TreeStore, tree_of: TreeOf) -> None:
    tree = tree_of({"x.ml": "let a = b\n"})
    warning = error("x.ml", 1, message="unused").model_copy(update={"severity": Severity.WARNING})
    real = error("x.ml", 1, message="Unbound value b")
    assert gather(store, Question(tree, "", (warning, real)), budget=300).errors[0].diagnostic == real
    assert gather(store, Question(tree, "", (warning,)), budget=300).errors[0].diagnostic == warning


def test_an_error_in_a_focused_file_goes_first(store: TreeStore, tree_of: TreeOf) -> None:
    tree = tree_of({"a.ml": "let a = x\n", "b.ml": "let b = y\n"})
    errors = (error("a.ml", 1), error("b.ml", 1))
    context = gather(store, Question(tree, "", errors, focus=("b.ml",)), budget=400)
    assert context.errors[0].diagnostic == errors[1]
    assert context.paths[-1] == "b.ml"


def test_an_error_without_a_place_shows_the_first_that_has_one(store: TreeStore, tree_of: TreeOf) -> None:
    tree = tree_of({"a.ml": "let a = x\n"})
    errors = (error(None, 1, message="Undefined symbols"), error("missing.ml", 3), error("a.ml", 1))
    context = gather(store, Question(tree, "", errors), budget=400)
    assert context.errors[0].text == "Error: Undefined symbols"
    assert context.paths == ("a.ml",)


def test_a_failing_test_shows_the_code_that_its_name_and_words_are_about(store: TreeStore, tree_of: TreeOf) -> None:
    others = "".join(filler(f"f{i}", 12) for i in range(40))
    tree = tree_of(
        {
            "lib/account.ml": others,
            "lib/ledger.ml": f"{others}let settle_balance xs = List.length xs\n\n{others}",
            "test/test_ledger.ml": f"{others}let settling () = check 3 (settle_balance [ 1; 2 ])\n",
        }
    )
    message = "test failed: bank/ledger/0/settle balance\nFAIL settle balance\n   Expected: `3'\n   Received: `2'"
    failing = Diagnostic(severity=Severity.ERROR, category=Category.TEST, message=message)
    context = gather(store, Question(tree, "fix that failure", (failing,)), budget=400)
    assert "let settle_balance xs = List.length xs\n" in shown(context)["lib/ledger.ml"]
    assert "check 3 (settle_balance [ 1; 2 ])" in shown(context)["test/test_ledger.ml"]
    assert len(context.errors) == 1
    assert context.tokens <= 400


def test_a_file_in_an_unknown_language_gives_a_window(store: TreeStore, tree_of: TreeOf) -> None:
    source = "".join(f"line {i} of the build file\n" for i in range(400))
    context = gather(store, Question(tree_of({"build.conf": source}), "", (error("build.conf", 200),)), budget=300)
    (piece,) = context.pieces
    assert piece.first_line < 200 < piece.last_line
    assert piece.text in source


@pytest.mark.parametrize("content", [b"\0\1binary", b"", b"\xff\xfe let x = 1\n"])
def test_a_file_that_is_no_text(store: TreeStore, tree_of: TreeOf, content: bytes) -> None:
    context = gather(store, Question(tree_of({"x.ml": content}), "", (error("x.ml", 1),)), budget=200)
    assert context.errors
    assert all("\0" not in piece.text for piece in context.pieces)


def test_a_budget_that_does_not_hold_the_error(store: TreeStore, tree_of: TreeOf) -> None:
    question = Question(tree_of({"x.ml": "let a = b\n"}), "", (error("x.ml", 1, message="Unbound value b"),))
    with pytest.raises(InputError, match="5 tokens does not hold the error"):
        gather(store, question, budget=5)


def test_a_long_message_is_cut_and_says_so(store: TreeStore, tree_of: TreeOf) -> None:
    question = Question(tree_of({"x.ml": "let a = b\n"}), "", (error("x.ml", 1, message="type a is not b. " * 500),))
    context = gather(store, question, budget=200)
    assert context.errors[0].text.endswith("[the message goes on]")
    assert context.paths == ("x.ml",)


def test_focus_outside_the_tree(store: TreeStore, tree_of: TreeOf) -> None:
    with pytest.raises(InputError, match=r"nope\.ml: not in the tree"):
        gather(store, Question(tree_of({"x.ml": ""}), "", focus=("nope.ml",)), budget=200)


def test_asking_shows_focus_then_what_the_words_are_about(store: TreeStore, tree_of: TreeOf) -> None:
    tree = tree_of(
        {
            "lib/parser.ml": "".join(filler(f"other{i}") for i in range(40)) + "let parse_expr tokens = tokens\n",
            "lib/printer.ml": "".join(filler(f"pp{i}") for i in range(40)),
            "README.md": "A calculator.\n",
        }
    )
    context = gather(store, Question(tree, "let parseExpr skip blanks", focus=("README.md",)), budget=120)
    assert context.paths == ("README.md", "lib/parser.ml")
    assert "let parse_expr tokens" in shown(context)["lib/parser.ml"]
    assert context.errors == ()


def test_asking_with_words_that_occur_nowhere_shows_a_small_tree(store: TreeStore, tree_of: TreeOf) -> None:
    tree = tree_of({"a.ml": "let a = 1\n", "b.ml": "let b = 2\n"})
    assert gather(store, Question(tree, "zzz"), budget=200).paths == ("a.ml", "b.ml")


def test_the_same_question_gives_the_same_context(store: TreeStore, project: TreeId) -> None:
    for question in (Question(project, "show the number", ()), Question(project, "", (error("bin/main.ml", LAST),))):
        assert gather(store, question, budget=400) == gather(store, question, budget=400)


SOURCES = st.lists(
    st.sampled_from([filler("f"), filler("g", 12), "let x = y\n", "\n", "(* c *)\n", "let broken = (\n", "é = 1;;\n",
                     "type t = A of int * string | B\n", "```\n", "let s = \"" + "x" * 300 + "\"\n", "   \n"]),
    max_size=12,
).map("".join)  # fmt: skip


@given(
    sources=st.dictionaries(st.sampled_from(["a.ml", "b.mli", "lib/f.ml", "notes.txt"]), SOURCES, min_size=1),
    errors=st.lists(
        st.tuples(
            st.sampled_from(["a.ml", "lib/f.ml", "notes.txt", "gone.ml", None]),
            st.integers(1, 60),
            st.sampled_from(["Unbound value g", "F.x is wrong", "m" * 400, ""]),
        ),
        max_size=4,
    ),
    prompt=st.sampled_from(["", "fix that error", "make g faster", "  x  "]),
    budget=st.integers(1, 900),
)
def test_the_budget_is_never_exceeded(
    store: TreeStore, tree_of: TreeOf, sources: dict[str, str],
    errors: list[tuple[str | None, int, str]], prompt: str, budget: int,
) -> None:  # fmt: skip
    question = Question(
        tree_of(sources), prompt, tuple(error(path, line, (2, 5), message) for path, line, message in errors)
    )
    if budget < 300:
        # a small budget may be refused, a larger one holds any of these errors
        try:
            context = gather(store, question, budget=budget)
        except InputError:
            return
    else:
        context = gather(store, question, budget=budget)
    assert context.tokens == estimate_tokens(body(context.pieces, context.errors)) <= budget
    messages = render(question, context)
    assert sum(estimate_tokens(message.content) for message in messages) <= overhead(question) + budget
    if errors:
        assert context.errors[0].diagnostic.message == errors[0][2]
    for piece in context.pieces:
        lines = sources[piece.path].split("\n")
        assert piece.text in sources[piece.path], "shown verbatim"
        assert "\n".join(lines[piece.first_line - 1 : piece.last_line]).rstrip("\n") == piece.text.rstrip("\n")
