"""The compiler's hints as candidates: read from what the real compiler says, and put where it points."""

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenloop.builds.diagnostics.ocaml import parse
from greenloop.candidates.hints import HintSource, replacements
from greenloop.prompts.question import Question
from greenloop.records import Category, Diagnostic, Edit, Severity, Span, TreeId
from greenloop.workspace.edits import apply
from greenloop.workspace.store import Entry, Mode, TreeStore

Write = Callable[[Mapping[str, str]], TreeId]


def compiled(folder: Path, text: str) -> tuple[Diagnostic, ...]:
    """What the compiler on this machine says of a file ``a.ml``."""
    (folder / "a.ml").write_text(text)
    said = subprocess.run(
        ["ocamlc", "-color", "never", "-w", "-a", "-stop-after", "typing", "a.ml"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    return parse(said.stderr, root=str(folder))


def proposed(store: TreeStore, tree: TreeId, diagnostics: tuple[Diagnostic, ...]) -> list[tuple[str, str]]:
    """(label, a.ml afterwards) of every proposal."""
    results = []
    for proposal in HintSource().proposals(store, Question(tree, "", diagnostics)):
        assert isinstance(proposal.edit, Edit)
        after = store.read(apply(store, tree, proposal.edit).tree, "a.ml")
        assert after is not None
        results.append((proposal.label, after.decode()))
    return results


@pytest.mark.parametrize(
    ("text", "fixed"),
    [
        ("let listReverse x = x\nlet y = listreverse 1\n", "let listReverse x = x\nlet y = listReverse 1\n"),
        ("let x = List.lenght []\n", "let x = List.length []\n"),
        ("open Lisst\n", "open List\n"),
        ("let f x = x +. 10\n", "let f x = x +. 10.\n"),
        ("let f () = 3\nlet g = f + 1\n", "let f () = 3\nlet g = (f ()) + 1\n"),
        ("let f n =\n  if n = 0 then 0 else f (n - 1)\n", "let rec f n =\n  if n = 0 then 0 else f (n - 1)\n"),
        ("let z = {Complex.ree = 1.; im = 2.}\n", "let z = {Complex.re = 1.; im = 2.}\n"),
        ('let s = "é" ^ String.uppercase_asci "ü"\n', 'let s = "é" ^ String.uppercase_ascii "ü"\n'),
    ],
)
def test_the_real_compilers_hint_makes_the_file_green(
    store: TreeStore, write: Write, tmp_path: Path, text: str, fixed: str
) -> None:
    diagnostics = compiled(tmp_path, text)
    results = proposed(store, write({"a.ml": text}), diagnostics)
    assert ("compiler-hint", fixed) in results
    assert compiled(tmp_path, fixed) == ()


def test_every_name_of_a_hint_is_a_candidate(store: TreeStore, write: Write, tmp_path: Path) -> None:
    text = "let x = lst (1, 2)\n"
    results = proposed(store, write({"a.ml": text}), compiled(tmp_path, text))
    assert ("compiler-hint", "let x = fst (1, 2)\n") in results
    assert len(results) > 1


def test_a_misspelled_name_is_put_right_everywhere_too(store: TreeStore, write: Write, tmp_path: Path) -> None:
    text = "let total = 1\nlet f x = totl + x + totl\n"
    results = [after for _, after in proposed(store, write({"a.ml": text}), compiled(tmp_path, text))]
    assert results == ["let total = 1\nlet f x = total + x + totl\n", "let total = 1\nlet f x = total + x + total\n"]


def unbound(name: str, line: int, column: int) -> Diagnostic:
    return Diagnostic(
        severity=Severity.ERROR,
        category=Category.UNBOUND,
        message=f"Unbound value {name}",
        path="a.ml",
        span=Span(line=line, column=column, end_line=line, end_column=column + len(name)),
    )


def test_an_unbound_name_without_hint_gets_the_one_close_name_under_its_own_label(
    store: TreeStore, write: Write
) -> None:
    text = "let accumulator = 1\nlet y = acumulater\n"
    results = proposed(store, write({"a.ml": text}), (unbound("acumulater", 2, 8),))
    assert results == [("closest-name", "let accumulator = 1\nlet y = accumulator\n")]


def test_two_close_names_are_no_answer(store: TreeStore, write: Write) -> None:
    text = "let counter1 = 1\nlet counter2 = 1\nlet y = counter3\n"
    assert proposed(store, write({"a.ml": text}), (unbound("counter3", 3, 8),)) == []


@pytest.mark.parametrize(
    ("said", "after"),
    [
        ("Unbound value totl\nHint: Did you mean `total'?", "let total = 1 let y = total"),
        ('Unbound value totl\nHint: Did you mean "total"?', "let total = 1 let y = total"),
        ("Unbound value totl\nHint: Did you mean total?", "let total = 1 let y = total"),
        ("Type\nline 1, characters 12-13: Hint: Did you mean to use `+.'?", "let total = +. let y = totl"),
        ("Illegal\nHint: Did you mean ' ' or a type variable 'a?", None),
        ("Nothing helpful", None),
    ],
)
def test_hints_of_all_versions_are_read(said: str, after: str | None) -> None:
    source = b"let total = 1 let y = totl"
    error = unbound("totl", 1, 22).model_copy(update={"message": said})
    found = replacements(source, "a.ml", error)
    changed = [(source[: one.start] + one.text + source[one.end :]).decode() for one in found]
    assert changed == ([] if after is None else [after])


def test_hints_of_several_files_are_followed_together(store: TreeStore, write: Write) -> None:
    tree = write({"a.ml": "let y = totl\n", "b.ml": "let z = totl\n"})
    hint = "Unbound value totl\nHint: Did you mean total?"
    errors = tuple(
        unbound("totl", 1, 8).model_copy(update={"message": hint, "path": path}) for path in ("a.ml", "b.ml")
    )
    first, *others = HintSource().proposals(store, Question(tree, "", errors))
    assert isinstance(first.edit, Edit)
    both = apply(store, tree, first.edit).tree
    assert (store.read(both, "a.ml"), store.read(both, "b.ml")) == (b"let y = total\n", b"let z = total\n")
    assert len(others) == 2


@settings(deadline=None)
@given(
    source=st.binary(max_size=60),
    line=st.integers(1, 5),
    column=st.integers(0, 30),
    length=st.integers(0, 9),
    said=st.sampled_from(
        [
            "Unbound value x\nHint: Did you mean y, z or t?",
            "Hint: Did you forget to provide `()' as argument?",
            "you should add the 'rec' keyword on line 2",
            "line 3, characters 5-9: Hint: Did you mean to use `+.'?",
            "Unbound value xyz",
        ]
    ),
)
def test_a_place_outside_of_the_text_gives_nothing_and_never_fails(
    source: bytes, line: int, column: int, length: int, said: str
) -> None:
    span = Span(line=line, column=column, end_line=line, end_column=column + length)
    error = Diagnostic(severity=Severity.ERROR, category=Category.OTHER, message=said, path="a.ml", span=span)
    for one in replacements(source, "a.ml", error):
        assert 0 <= one.start <= one.end <= len(source)


def test_a_file_that_is_no_text_is_refused_and_not_raised(store: TreeStore) -> None:
    tree = store.write_tree({"a.ml": Entry(Mode.FILE, store.write_blob(b"let y = totl (* \xff\x00 *)\n"))})
    error = unbound("totl", 1, 8).model_copy(update={"message": "Unbound value totl\nHint: Did you mean total?"})
    for proposal in HintSource().proposals(store, Question(tree, "", (error,))):
        assert not isinstance(proposal.edit, Edit)
