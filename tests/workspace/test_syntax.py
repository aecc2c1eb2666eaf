"""The shape of OCaml text, whole and broken."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.workspace.syntax import (
    Item,
    Language,
    Rule,
    enclosing,
    identifiers,
    items,
    language_of,
    outline,
    top_level_names,
)

WHOLE = b"""\
open List

(** doc of f *)
let rec f x = x + 1
and g y =
  let inner = y in
  f inner ;;
type t = A | B of int and ('a, 'b) u = { left : 'a; right : 'b }
module M = struct let z = 1 type w = int end
module type S = sig val v : int end
exception E of string
external ex : int -> int = "c_ex"
let (a, (b, _)), { left; right = Some r } = pair
let () = print_int 3
let _ = f 2
let ( + ) p q = p
class c = object method m = 1 end
include M
[@@@warning "-32"]
let h = function
  | 'x' -> "let fake = 1"
  | _ -> ""
"""


def test_items_of_whole_text() -> None:
    found = outline(WHOLE)
    assert found.rule is Rule.PARSER
    assert found.items == (
        Item(None, "open", 1, 1),
        Item("f", "value", 4, 7, ("f", "g")),
        Item("t", "type", 8, 8, ("t", "u")),
        Item("M", "module", 9, 9, ("M",)),
        Item("S", "module type", 10, 10, ("S",)),
        Item("E", "exception", 11, 11, ("E",)),
        Item("ex", "external", 12, 12, ("ex",)),
        Item("a", "value", 13, 13, ("a", "b", "left", "r")),
        Item(None, "value", 14, 14),
        Item(None, "value", 15, 15),
        Item("(+)", "value", 16, 16, ("(+)",)),
        Item("c", "class", 17, 17, ("c",)),
        Item(None, "include", 18, 18),
        Item(None, "attribute", 19, 19),
        Item("h", "value", 20, 22, ("h",)),
    )


def test_names_are_of_the_top_level_only() -> None:
    assert top_level_names(WHOLE) == {
        *["f", "g", "t", "u", "M", "S", "E", "ex", "a", "b", "left", "r", "(+)", "c", "h"]
    }


def test_identifiers_leave_out_comments_strings_characters_and_keywords() -> None:
    found = identifiers(b"(* gone *) let rec f (x : 'a) = List.map \"gone\" x' + 'c' :: {|gone|}")
    assert found == {"f", "x", "List", "map", "x'"}, "a type variable is none"


def test_the_enclosing_item() -> None:
    def name_at(line: int) -> str | None:
        item = enclosing(WHOLE, line)
        return item.name if item else None

    assert [name_at(line) for line in (4, 5, 7, 9, 21)] == ["f", "f", "f", "M", "h"]
    assert enclosing(WHOLE, 3) is None, "a comment between items belongs to none"
    assert enclosing(WHOLE, 99) is None
    two = enclosing(b"let a = 1 let b = 2\n", 1)
    assert two is not None
    assert two.name == "b"


def test_interfaces_have_their_own_grammar() -> None:
    source = (
        b"(** doc *)\nval f : int -> int\nval ( + ) : int\ntype t = A\nmodule M : sig val x : int end\nexception E\n"
    )
    assert outline(source, Language.OCAML_INTERFACE).rule is Rule.PARSER
    assert [(item.name, item.kind) for item in items(source, Language.OCAML_INTERFACE)] == [
        ("f", "value"), ("(+)", "value"), ("t", "type"), ("M", "module"), ("E", "exception"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "language"),
    [("a.ml", "ocaml"), ("lib/b.mli", "ocaml_interface"), ("a.py", None), ("dune", None), ("x.ml/y", None)],
)
def test_languages_by_path(path: str, language: str | None) -> None:
    assert language_of(path) == language


def test_a_language_without_grammar_has_no_items() -> None:
    assert items(WHOLE, None) == ()
    assert enclosing(WHOLE, 4, None) is None
    assert identifiers(WHOLE, None) == top_level_names(WHOLE, None) == frozenset()


BROKEN = b"""\
let f x =
  let y = 2 in
  (y +

(* commented out:
let q = 1
*)
let g y = y + 1
and gg z = 2;;

f 2

let rec h = functin | 1 -> 2
module type X = sig
  val x : int
end
let k =
let z = 2 in z

let%test "named" = true
"""


def test_broken_text_follows_the_line_rule() -> None:
    found = outline(BROKEN)
    assert found.rule is Rule.LINES
    assert found.items == (
        Item("f", "value", 1, 3, ("f",)),
        Item("g", "value", 8, 9, ("g", "gg")),
        Item(None, "expression", 11, 11),
        Item("h", "value", 13, 13, ("h",)),
        Item("X", "module type", 14, 16, ("X",)),
        Item("k", "value", 17, 18, ("k",)),
        Item(None, "value", 20, 20),
    )


@pytest.mark.parametrize("head", ["val f", "external ex", "exception E", "class c", "type 'a t", "type ('a, 'b) t"])
def test_heads_under_the_line_rule(head: str) -> None:
    (item,) = items(f"{head} = (\n".encode())
    assert item.name == head.rsplit(maxsplit=1)[-1]


def test_one_missing_in_does_not_swallow_the_rest() -> None:
    source = b"let f x =\n  let y = 1\n  y\n\nlet g x = x\n\nlet h = g 1\n"
    assert outline(source).rule is Rule.LINES
    assert top_level_names(source) == {"f", "g", "h"}
    inside = enclosing(source, 2)
    assert inside is not None
    assert (inside.first_line, inside.last_line) == (1, 3)


@given(st.binary(max_size=200))
def test_any_bytes_have_an_outline(source: bytes) -> None:
    lines = source.count(b"\n") + 1
    for language in Language:
        last = 0
        for item in items(source, language):
            assert 1 <= item.first_line <= item.last_line <= lines
            assert item.first_line >= last, "items come in order"
            last = item.first_line
        identifiers(source, language)


DEFINITIONS = st.lists(
    st.sampled_from(["let a = 1", "let rec b x =\n  b x", "type t = A", "module M = struct\n  let z = 1\nend",
                     "exception E", "(* let no = 1 *)", "let c = function\n  | 0 -> 1\n  | n -> n", "open List"])
)  # fmt: skip


@given(DEFINITIONS)
def test_both_rules_agree_on_tidy_text(definitions: list[str]) -> None:
    tidy = "\n\n".join(definitions) + "\n"
    whole = outline(tidy.encode())
    broken = outline((tidy + "\nlet broken = (\n").encode())
    assert (whole.rule, broken.rule) == (Rule.PARSER, Rule.LINES)
    assert broken.items[:-1] == whole.items


@pytest.mark.skipif(shutil.which("ocamlc") is None, reason="needs OCaml's compiler")
def test_names_are_those_that_the_compiler_exports(tmp_path: Path) -> None:
    source = b"""
let pair = (1, 2)
let (a, b) = pair
let rec f x = g x and g x = f x
type t = A | B
module M = struct let hidden = 1 end
exception E
let ( +! ) = ( + )
let { contents = r } = ref 1
"""
    path = tmp_path / "sample.ml"
    path.write_bytes(source)
    done = subprocess.run(["ocamlc", "-i", str(path)], capture_output=True, check=True)
    assert top_level_names(source) == top_level_names(done.stdout, Language.OCAML_INTERFACE)
