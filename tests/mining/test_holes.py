"""What is still to be written, and what only looks so."""

import pytest

from greenloop.mining.holes import filled, holes
from greenloop.workspace.syntax import Language


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("let f x = if x then else 2", 1),
        ("let f x = match x with ;;", 1),
        ("let f x = match x with\n  | [] -> \n  | h :: t -> t", 1),
        ("let base = in base", 1),
        ("let f x =", 1),
        ("let f x = (* later *) ;;", 1),
        ("let f x = if x then 1 else", 1),
        ("let f = let x = in (fun y -> )", 2),
        ("let eq = (=) and le = ( = )", 0),
        ("type t = | A | B\nlet f = function | A -> 1 | B -> 2", 0),
        ("let f x = match x with | A -> begin end | B -> ()", 0),
        ('let f x = "then else" ^ (* in in *) x', 0),
        ("let f x = x in", 1),
        ("let f x =\n(* to do *)\nlet g = 1", 1),
        ("let f x =\n  let y = 1 in y\nlet g = 1", 0),
        ("let f x =\n  let y = 1 in\nlet z = 2 in y + z", 0),
        ("", 0),
    ],
)
def test_holes(text: str, count: int) -> None:
    assert holes(text.encode(), Language.OCAML) == count


def test_only_ocaml_is_known() -> None:
    assert holes(b"if x: then else", None) == 0


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("let f x =\n  let g = 1", "let f x = x\nlet g = 1", True),
        ("let f x =", "let f x = g x", True),
        ("let f x = (* g *)\n\n;;", "let f x = g x\n;;", True),
        ("let f x = let y = 1 in y", "let f x = fun z -> let y = 1 in y", False),
        ("let x = 1", "let x = ref 1", False),
        ("let f x = x\nlet g = 1", "let f x = x\nlet h = 2\nlet g = 1", False),
        ("let f x = y", "let f x = x", False),
        ("let f x = x", "let f x = x", False),
        ("", "let x = 1", False),
    ],
)
def test_what_was_filled(old: str, new: str, expected: bool) -> None:
    assert filled(old.encode(), new.encode(), Language.OCAML) is expected
