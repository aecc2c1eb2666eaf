"""The search as a source: with the real compiler as judge, in one order, for any error."""

import random
from collections.abc import Callable, Mapping
from itertools import islice

import pytest

from greenloop.candidates.mechanical.source import SearchSource
from greenloop.prompts.question import Question
from greenloop.records import Category, Diagnostic, Edit, Severity, Span, TreeId
from greenloop.workspace.edits import apply
from greenloop.workspace.store import Entry, Mode, TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
Compiled = Callable[[str], tuple[Diagnostic, ...]]


def proposed(store: TreeStore, tree: TreeId, diagnostics: tuple[Diagnostic, ...], most: int = 60) -> list[str]:
    """The file of the first error after each of the first proposals."""
    found = []
    for proposal in islice(SearchSource().proposals(store, Question(tree, "", diagnostics)), most):
        assert isinstance(proposal.edit, Edit)
        assert proposal.likelihood is not None
        assert proposal.likelihood <= 0
        after = store.read(apply(store, tree, proposal.edit).tree, "a.ml")
        assert after is not None
        found.append(after.decode())
    return found


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (
            "let rec sum l = match l with\n  | [] -> 0\n  | h :: t -> h + sum t l\n",
            "let rec sum l = match l with\n  | [] -> 0\n  | h :: t -> h + sum t\n",
        ),
        (
            "let fact n = if n <= 1 then 1 else n * fact (n - 1)\n",
            "let rec fact n = if n <= 1 then 1 else n * fact (n - 1)\n",
        ),
        (
            "let rec rev (l : int list) : int list = match l with\n  | [] -> []\n  | h :: t -> rev t @ h\n",
            "let rec rev (l : int list) : int list = match l with\n  | [] -> []\n  | h :: t -> rev t @ [h]\n",
        ),
        (
            "let rec len l = match l with\n  | [] -> 0\n  | _ :: t -> 1 + len tl\n",
            "let rec len l = match l with\n  | [] -> 0\n  | _ :: t -> 1 + len t\n",
        ),
        ("let f x =\n  let y = x + 1\n  y * 2\n", "let f x =\n  let y = x + 1 in\n  y * 2\n"),
    ],
)
def test_the_compiler_takes_one_of_the_first_edits_and_it_is_the_one_that_is_meant(
    store: TreeStore, write: Write, compiled: Compiled, text: str, meant: str
) -> None:
    results = proposed(store, write({"a.ml": text}), compiled(text), most=40)
    found = next(after for after in results if "".join(after.split()) == "".join(meant.split()))
    assert compiled(found) == ()


def test_the_same_question_gives_the_same_edits_each_once(store: TreeStore, write: Write, compiled: Compiled) -> None:
    text = 'let f x = x ^ 1\nlet y = "a" ^ f "b"\n'
    tree = write({"a.ml": text})
    diagnostics = compiled(text)
    results = proposed(store, tree, diagnostics, most=300)
    assert results == proposed(store, tree, diagnostics, most=300)
    # layout aside
    assert len({"".join(after.split()) for after in results}) == len(results) > 100


def test_few_checks_go_to_what_no_longer_parses(store: TreeStore, write: Write, compiled: Compiled) -> None:
    text = "let f x = (x + 1) * [2]\n"
    results = proposed(store, write({"a.ml": text}), compiled(text), most=100)
    said = [compiled(after) for after in random.Random(1).sample(results, 20)]
    assert sum(bool(errors) and errors[0].category is Category.SYNTAX for errors in said) <= 4


def error(path: str | None, line: int = 1) -> Diagnostic:
    span = Span(line=line, column=0, end_line=line, end_column=3)
    return Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message="wrong", path=path, span=span)


def test_without_an_error_in_a_text_file_of_the_tree_there_is_nothing(store: TreeStore) -> None:
    tree = store.write_tree(
        {
            "a.ml": Entry(Mode.FILE, store.write_blob(b"let x = 1\n")),
            "b.ml": Entry(Mode.FILE, store.write_blob(b"let x = \xff\n")),
            "c.ml": Entry(Mode.LINK, store.write_blob(b"a.ml")),
            "d.ml": Entry(Mode.FILE, store.write_blob(b"")),
            "dune": Entry(Mode.FILE, store.write_blob(b"(library (name x))\n")),
        }
    )
    cases: list[tuple[Diagnostic, ...]] = [(), (error(None),), (error("gone.ml"),), (error("a.ml", 9),)]
    cases += [(error("b.ml"),), (error("c.ml"),), (error("d.ml"),), (error("dune"),)]
    for diagnostics in cases:
        assert list(SearchSource().proposals(store, Question(tree, "", diagnostics))) == []
    assert list(SearchSource().proposals(store, Question(tree, "", (error("a.ml"),))))
