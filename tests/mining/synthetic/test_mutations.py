"""Each kind of mutation on a small source: the exact texts that it makes, all of them."""

from collections.abc import Mapping

import pytest

from greenloop.mining.synthetic.code import Code
from greenloop.mining.synthetic.project import DuneFile, Project
from greenloop.mining.synthetic.registry import MUTATIONS
from greenloop.workspace.syntax import language_of


def project(files: Mapping[str, str], seed: int = 0) -> Project:
    codes = []
    for path, source in files.items():
        language = language_of(path)
        code = Code.read(path, source.encode(), language) if language is not None else None
        if code is not None:
            codes.append(code)
    return Project(codes, [DuneFile(path, text) for path, text in files.items() if path.endswith("dune")], seed=seed)


def broken(kind: str, files: Mapping[str, str], path: str | None = None) -> list[str]:
    """Return the broken texts of the only file that ``kind`` finds something in, or of ``path``."""
    made = [one for mutation in MUTATIONS for one in mutation.find(project(files)) if one.kind == kind]
    return [one.broken(files[one.path].encode()).decode() for one in made if path in (None, one.path)]


@pytest.mark.parametrize(
    ("kind", "source", "expected"),
    [
        ("swapped-arguments", "let y = f a (g b) ~l:c\n", ["let y = f (g b) a ~l:c\n"]),
        ("swapped-arguments", "let y = f a a\nlet z = C (a, b)\n", []),
        (
            "wrong-constructor",
            "type t = A of int | B\nlet f = function Some x -> x | None -> 0\nlet g = A 1\n",
            [
                "type t = A of int | B\nlet f = function Ok x -> x | None -> 0\nlet g = A 1\n",
                "type t = A of int | B\nlet f = function Some x -> x | B -> 0\nlet g = A 1\n",
                "type t = A of int | B\nlet f = function Some x -> x | None -> 0\nlet g = Some 1\n",
            ],
        ),
        # either of two constructors would do, or what is meant is in no other case: nobody could tell
        ("wrong-constructor", "type t = A of int | B of int\nlet g = A 1\nlet f = function A _ -> 1 | _ -> 2\n", []),
        (
            "constructor-without",
            "let f = function Some x -> x | None -> 0\n",
            ["let f = function Some -> x | None -> 0\n"],
        ),
        ("constructor-fewer", "let f = function C (a, b) -> a + b\n", ["let f = function C (a) -> a + b\n"]),
        (
            "constructor-more",
            "type t = A | B of int\nlet f = function A -> 1 | B x -> x\nlet a = A\n",
            ["type t = A | B of int\nlet f = function A x -> 1 | B x -> x\nlet a = A\n"],
        ),
        ("int-float-operator", "let f x = x *. 2. +. 1.\n", ["let f x = x *. 2. + 1.\n", "let f x = x * 2. +. 1.\n"]),
        ("int-float-operator", "let f x = x mod 2 < 1\n", []),
        (
            "int-float-literal",
            "let a = 10\nlet b = 2.0\nlet c = 0x1F\n",
            ["let a = 10.\nlet b = 2.0\nlet c = 0x1F\n", "let a = 10\nlet b = 2\nlet c = 0x1F\n"],
        ),
        ("some-dropped", "let f x = if x then Some (1 + 2) else None\n", ["let f x = if x then (1 + 2) else None\n"]),
        (
            "some-added",
            "let f x = if g x then 1 else h (x)\n",
            ["let f x = if g (Some x) then 1 else h (x)\n", "let f x = if g x then Some 1 else h (x)\n"],
        ),
        ("option-unmatched", "let f = function Some x -> x | None -> 0\n", ["let f = function x -> x | None -> 0\n"]),
        (
            "missing-case",
            "let f = function A -> None | B _ -> []\n",
            ["let f = function B _ -> []\n", "let f = function A -> None\n"],
        ),
        (
            "missing-case",
            "let f x =\n  match x with\n  | A -> 1\n  | B when x -> 2\n  | C -> 1\n",
            [
                "let f x =\n  match x with\n  | B when x -> 2\n  | C -> 1\n",
                "let f x =\n  match x with\n  | A -> 1\n  | B when x -> 2\n",
            ],
        ),
        ("missing-case", "let f = function A -> 1 | _ -> 2\nlet g = try f A with Not_found -> 1\n", []),
        (
            "renamed-definition",
            "let size = 1\nlet a = size + size\nlet b = a\n",
            ["let size2 = 1\nlet a = size + size\nlet b = a\n"],
        ),
        (
            "renamed-definition",
            "let f () =\n  let n = g 1 in\n  n * n\nlet n = 1\n",
            ["let f () =\n  let n' = g 1 in\n  n * n\nlet n = 1\n"],
        ),
        ("renamed-parameter", "let f x ~y = x + x + y + y\n", ["let f x2 ~y = x + x + y + y\n"]),
        ("missing-rec", "let rec f n = f (n - 1)\n", ["let f n = f (n - 1)\n"]),
        ("missing-rec", "let f n = n\n", []),
        ("missing-in", "let f x =\n  let y = x in\n  y\n", ["let f x =\n  let y = x\n  y\n"]),
        ("missing-in", "let f x =\n  let y = x\n  in\n  y\n", ["let f x =\n  let y = x\n  y\n"]),
        ("missing-arrow", "let f = fun x -> x\n", ["let f = fun x x\n"]),
        ("missing-with", "let f x = match x with A -> 1\n", ["let f x = match x A -> 1\n"]),
        ("missing-then", "let f x = if x then 1 else 2\n", ["let f x = if x 1 else 2\n"]),
        ("missing-of", "type t = A of int\n", ["type t = A int\n"]),
        ("missing-bracket", "let f x = g (h x) ()\n", ["let f x = g (h x ()\n", "let f x = g h x) ()\n"]),
        ("missing-end", "let f x = begin g x end\n", ["let f x = begin g x\n", "let f x = g x end\n"]),
        ("missing-equals", "let f x = x\n", ["let f x x\n"]),
        ("missing-bar", "let f = function A -> 1 | B -> 2\n", ["let f = function A -> 1 B -> 2\n"]),
        ("double-semicolon", "let f x = g x; [1; 2]\n", ["let f x = g x;; [1; 2]\n"]),
        ("list-comma", "let f x = g x; [1; 2]\n", ["let f x = g x; [1, 2]\n"]),
        ("record-comma", "let r = { a = 1; b = 2 }\n", ["let r = { a = 1, b = 2 }\n"]),
        (
            "flipped-comparison",
            "let f x = x <= 3\nlet g = while x < 1 do () done\n",
            ["let f x = x >= 3\nlet g = while x < 1 do () done\n"],
        ),
        # what a recursion ends by stays too
        (
            "flipped-comparison",
            "let rec f n = if n < 1 then 0 else f (n - 1)\nlet g n = if n < 1 then f n else 0\n",
            ["let rec f n = if n < 1 then 0 else f (n - 1)\nlet g n = if n > 1 then f n else 0\n"],
        ),
        ("flipped-logic", "let f x y = x && y\n", ["let f x y = x || y\n"]),
        ("off-by-one", "let f x = x < 3\n", ["let f x = x <= 3\n"]),
        # the step of a recursion stays: it might never end
        ("off-by-one", "let rec f n = g (n - 1) + f (n - 1)\n", ["let rec f n = g (n - 2) + f (n - 1)\n"]),
        ("swapped-branches", "let f x = if x then 1 else g 2\n", ["let f x = if x then g 2 else 1\n"]),
        ("swapped-branches", "let f x = if x then let y = 1 in y else 2\n", []),
    ],
)
def test_an_implementation_is_broken_in_exactly_these_ways(kind: str, source: str, expected: list[str]) -> None:
    assert broken(kind, {"lib/a.ml": source}) == expected


@pytest.mark.parametrize(
    ("kind", "source", "place"),
    [
        ("typo-value", "let total x = x\nlet y = total 1\n", "y = total"),
        ("typo-constructor", "let f = function Circle -> 1\n", "Circle"),
        ("typo-field", "let f r = r.width\n", "width"),
        ("typo-module", "let f = String.length\n", "String"),
    ],
)
def test_a_typo_is_a_slip_that_no_file_spells(kind: str, source: str, place: str) -> None:
    (made,) = broken(kind, {"lib/a.ml": source})
    name = place.rsplit(maxsplit=1)[-1]
    before, after = source.split(place)
    wrong = made.removeprefix(before + place.removesuffix(name)).removesuffix(after)
    assert made == before + place.removesuffix(name) + wrong + after
    assert wrong != name
    assert wrong[0] == name[0]
    assert abs(len(wrong) - len(name)) <= 1


FILES = {
    "lib/a.mli": "type t = { size : int }\nval make : int -> t\nval size : t -> int option\n",
    "lib/a.ml": "type t = { size : int }\nlet make size = { size }\nlet size t = Some t.size\n",
    "bin/b.ml": "let () = ignore (A.make 1)\n",
}


def test_an_interface_drifts_from_its_implementation() -> None:
    first = "type t = { size : int }\n"
    assert broken("interface-type", FILES) == [
        "type t = { size : bool }\nval make : int -> t\nval size : t -> int option\n",
        first + "val make : float -> t\nval size : t -> int option\n",
        first + "val make : int -> string\nval size : t -> int option\n",
        first + "val make : int -> t\nval size : string -> int option\n",
        first + "val make : int -> t\nval size : t -> float option\n",
        first + "val make : int -> t\nval size : t -> int list\n",
    ]
    assert broken("implementation-type", FILES) == [
        "type t = { size : string }\nlet make size = { size }\nlet size t = Some t.size\n"
    ]


def test_a_value_is_left_out_of_an_interface_only_where_another_file_names_it() -> None:
    assert broken("interface-left-out", FILES) == ["type t = { size : int }\nval size : t -> int option\n"]
    commented = {**FILES, "lib/a.mli": "(** Makes. *)\nval make : int -> t\n"}
    assert broken("interface-left-out", commented) == []


def test_a_value_of_an_interface_is_misspelt() -> None:
    made = broken("interface-name", FILES)
    assert len(made) == 2
    assert all("val make :" not in text or "val size :" not in text for text in made)


def test_arguments_of_one_type_by_their_interface_are_not_swapped() -> None:
    files = {"lib/a.mli": "val f : int -> int -> string -> t\n", "bin/b.ml": "let x = A.f a b c\n"}
    assert broken("swapped-arguments", files) == ["let x = A.f a c b\n"]


DUNE = """(library
 (name a) ; (libraries no)
 (modules a b)
 (libraries base (select x from (y -> z))))
(test (libraries alcotest str))
"""


def test_a_dune_file_loses_a_library_or_a_module() -> None:
    assert broken("dune-module-dropped", {"lib/dune": DUNE}) == [
        DUNE.replace("(modules a b)", "(modules b)"),
        DUNE.replace("(modules a b)", "(modules a)"),
    ]
    assert broken("dune-library-dropped", {"lib/dune": DUNE}) == [
        DUNE.replace("(libraries alcotest str)", "(libraries str)"),
        DUNE.replace("(libraries alcotest str)", "(libraries alcotest)"),
    ]
    (made,) = broken("dune-library-misnamed", {"lib/dune": DUNE})
    assert "alcotest" not in made


def test_a_test_itself_keeps_its_behaviour() -> None:
    source = "let f x = if x < 1 then 1 else 2\n"
    assert broken("off-by-one", {"lib/a.ml": source}) != []
    for path in ("test/a.ml", "lib/test_a.ml"):
        for kind in ("off-by-one", "flipped-comparison", "swapped-branches"):
            assert broken(kind, {path: source}) == []


def test_the_seed_decides_what_is_left_to_chance() -> None:
    files = {"lib/a.ml": "let f = String.concat (String.make length filler)\n"}

    def all_of(seed: int) -> list[str]:
        made = [one for mutation in MUTATIONS for one in mutation.find(project(files, seed))]
        return [one.broken(files[one.path].encode()).decode() for one in made]

    assert all_of(1) == all_of(1)
    assert all_of(1) != all_of(2)


def test_a_file_that_does_not_parse_is_left_alone() -> None:
    assert project({"lib/a.ml": "let f = (\n"}).codes == ()


def test_a_comment_is_never_moved_or_lost() -> None:
    assert broken("swapped-arguments", {"lib/a.ml": "let y = f a (b (* why *))\n"}) == []
    assert broken("missing-case", {"lib/a.ml": "let f = function A -> [] | B -> (* why *) []\n"}) == [
        "let f = function B -> (* why *) []\n"
    ]
