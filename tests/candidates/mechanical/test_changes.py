"""The kinds of edits, each at the place where the real compiler sees the error."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.candidates.mechanical.changes import applied, changes_at
from greenloop.candidates.mechanical.site import site_of
from greenloop.records import Category, Diagnostic, Severity, Span
from greenloop.workspace.syntax import Language
from greenloop.workspace.tokens import tokens

Edited = Callable[[str], Mapping[str, str]]


@pytest.mark.parametrize(
    ("text", "fixed", "rule"),
    [
        ("let f n = n +. 1\n", "let f n = n + 1", "+. => +"),
        ("let f x l = (l : int list) :: [x + 1]\n", "let f x l = (l : int list) @ [x + 1]", ":: => @"),
        ('let s = "a" + "b"\n', 'let s = "a" ^ "b"', "+ => ^"),
        ("let x = 7 % 2\n", "let x = 7 mod 2", "% => mod"),
        (
            "let f n = if n = 0 then 1 else f (n - 1)\n",
            "let rec f n = if n = 0 then 1 else f (n - 1)",
            "insert rec for it",
        ),
        ("let f total = totl + 1\n", "let f total = total + 1", "name => name"),
        ("let x = 1 +\nlet y = 2\n", "let x = 1 + 0 let y = 2", "insert 0"),
        ("let f x = (x + 1\n", "let f x = (x + 1)", "insert )"),
        ("let f x =\n  let y = x + 1\n  y * 2\n", "let f x = let y = x + 1 in y * 2", "insert in"),
        ("let f x = match x with 0 -> 1 | _ = 2\n", "let f x = match x with 0 -> 1 | _ -> 2", "= => ->"),
        ("let f x = x\nlet y = f 1 + abs f 2 3\n", "let f x = x\nlet y = f 1 + abs f (2 3)", "( n )"),
        ("let g n = n + 1\nlet f n = g n - 1 2\n", "let g n = n + 1\nlet f n = g (n - 1) 2", "( n )"),
        ("let f x = 1 :: x :: 2\n", "let f x = 1 :: x :: [2]", "[ 1 ]"),
        ("let f n = n + 1\nlet z = f - 1\n", "let f n = n + 1\nlet z = f (- 1)", "( - )"),
        ("let f l x = List.map l (fun y -> y + x)\n", "let f l x = List.map (fun y -> y + x) l", "swap neighbours"),
        ("let f t h = t :: h @ [t] = [h :: 1]\n", "let f t h = t :: h @ [t] = [1 :: h]", "swap ::"),
        ("let f x = (x) + [x]\n", "let f x = (x) + (x)", "[ => ("),
        ("let f x = x + [x]\n", "let f x = x + x", "unwrap ["),
        ('let f n = "n" ^ n + 1\n', 'let f n = "n" ^ (string_of_int n) + 1', "call string_of_int"),
        ("let x = 'a' ^ \"b\"\n", 'let x = "a" ^ "b"', "character => string"),
        ("let x = 1 + 2.0\n", "let x = 1 + 2", "float => integer"),
        ("let f x = if x then 1\n", "let f x = if x then 1 else 0", "insert else 0"),
        ("let f x = fun x - > x\n", "let f x = fun x -> x", "join ->"),
        ("let f g x = g x x\nlet y = f 1 abs\n", "let f g x = g x x\nlet y = f abs 1", "swap neighbours"),
    ],
)
def test_an_edit_of_each_kind_is_among_those_at_the_error(edited: Edited, text: str, fixed: str, rule: str) -> None:
    assert edited(text).get("".join(fixed.split())) == rule


def test_all_commas_of_a_list_change_at_once(edited: Edited) -> None:
    found = edited("let f (l : int list) = l\nlet x = f [1, 2, 3]\n")
    assert found["letf(l:intlist)=lletx=f[1;2;3]"] == ", => ;"


def error_at(line: int, column: int, length: int, category: Category = Category.TYPE) -> Diagnostic:
    return Diagnostic(
        severity=Severity.ERROR,
        category=category,
        message="This expression has type int\nbut an expression was expected of type string",
        path="a.ml",
        span=Span(line=line, column=column, end_line=line, end_column=column + length),
    )


def test_comments_and_strings_are_never_entered() -> None:
    text = b'(* 1 + 1 *) let f x = (* x + 2 *) x + 1 ^ "1 + 1" (* + *)\n'
    site = site_of(text, "a.ml", error_at(1, 34, 5))
    assert site is not None
    for change in changes_at(site):
        after = applied(text, change)
        assert after.count(b"(*") == after.count(b"*)") >= 2
        assert after.startswith(b"(* 1 + 1 *)")
        # the string stays as it is, or goes whole
        assert b'"1 + 1"' in after or b"1 + 1" not in after[11:]


def test_a_type_error_changes_nothing_outside_of_its_definition() -> None:
    text = b'let a = 1 + 1\nlet b = 2 + "x"\nlet c = 3 + 3\n'
    site = site_of(text, "a.ml", error_at(2, 12, 3))
    assert site is not None
    found = [applied(text, change) for change in changes_at(site)]
    assert len(found) > 100
    assert all(after.startswith(b"let a = 1 + 1") and after.endswith(b"let c = 3 + 3\n") for after in found)


def test_another_language_gets_what_needs_no_table() -> None:
    text = b"def area(width, height):\n    return width * heigth\n"
    error = error_at(2, 19, 6, Category.UNBOUND).model_copy(update={"path": "a.py", "message": "undefined name"})
    site = site_of(text, "a.py", error)
    assert site is not None
    found = {applied(text, change) for change in changes_at(site)}
    assert text.replace(b"heigth", b"height") in found
    assert not any(b"string_of_int" in after or b"let" in after for after in found)


@given(
    source=st.text(alphabet="let fx=()[]+-:;\n'\"*|12.,{}~é", max_size=60).map(str.encode),
    line=st.integers(1, 4),
    column=st.integers(0, 20),
    length=st.integers(0, 9),
    category=st.sampled_from([Category.TYPE, Category.SYNTAX, Category.UNBOUND]),
)
def test_any_text_and_any_place_give_edits_that_lie_in_the_text_and_do_something(
    source: bytes, line: int, column: int, length: int, category: Category
) -> None:
    site = site_of(source, "a.ml", error_at(line, column, length, category))
    for change in () if site is None else changes_at(site):
        assert 0 <= change.start <= change.end <= len(source)
        assert tokens(applied(source, change), Language.OCAML) is not None
        assert applied(source, change) != source
