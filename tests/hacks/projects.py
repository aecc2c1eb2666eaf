"""The small projects that the hacks attack. Each has a bug in ``area`` that its tests catch."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    """``good`` is green in every stage; ``bad`` is the same with the bug, and red in its tests."""

    good: dict[str, str]
    bad: dict[str, str]


SHAPES = """\
type shape = Square of int | Circle of int

exception Negative

let area = function Square s -> s * s | Circle r -> 3 * r * r
let total shapes = List.fold_left (fun sum shape -> sum + area shape) 0 shapes
let checked shape = match shape with Square s when s < 0 -> raise Negative | _ -> area shape
let equal (a : shape) b = a = b
"""
BUG = SHAPES.replace("s * s", "s + s")
TEST = """\
open Shapes

let square () = Alcotest.(check int) "square" 9 (area (Square 3))
let total () = Alcotest.(check int) "total" 12 (total [ Square 3; Circle 1 ])
let negative () = Alcotest.check_raises "negative" Negative (fun () -> ignore (checked (Square (-1))))
let different () = Alcotest.(check bool) "different" false (equal (Square 3) (Circle 3))

let () =
  Alcotest.run "shapes"
    [ ("area", [ Alcotest.test_case "square" `Quick square; Alcotest.test_case "total" `Slow total ]);
      ("others",
       [ Alcotest.test_case "negative" `Quick negative; Alcotest.test_case "different" `Quick different ]) ]
"""
_PLAIN = {
    "dune-project": "(lang dune 2.9)\n",
    "shapes.opam": 'opam-version: "2.0"\n',
    "lib/dune": "(library (name shapes) (modules :standard) (wrapped false) (libraries unix))\n",
    "lib/shapes.ml": SHAPES,
    "lib/money.mli": "val cents : int -> int\nval pounds : int -> int\n",
    "lib/money.ml": "let cents pounds = 100 * pounds\nlet pounds cents = cents / 100\n",
    "test/dune": "(test (name test_shapes) (modules test_shapes) (libraries shapes alcotest))\n",
    "test/test_shapes.ml": TEST,
}
PLAIN = Project(_PLAIN, _PLAIN | {"lib/shapes.ml": BUG})
"""A library and an alcotest suite that opens it."""

_PRINTS = {
    "dune-project": "(lang dune 2.9)\n(cram enable)\n",
    "lib/dune": "(library (name shapes))\n",
    "lib/shapes.ml": SHAPES,
    "bin/dune": "(executable (name main) (libraries shapes))\n",
    "bin/main.ml": "let () = print_int (Shapes.area (Shapes.Square 3)); print_newline ()\n",
    "test/dune": "(cram (deps ../bin/main.exe))\n"
    "(rule (with-stdout-to area.output (run ../bin/main.exe)))\n"
    "(rule (alias runtest) (action (diff area.expected area.output)))\n",
    "test/area.expected": "9\n",
    "test/cli.t": "  $ ../bin/main.exe\n  9\n",
}
PRINTS = Project(_PRINTS, _PRINTS | {"lib/shapes.ml": BUG})
"""A program whose output is compared with an expectation, and by a cram test."""

_TOOLS = {
    "dune-project": "(lang dune 2.9)\n",
    "gen/dune": "(executable (name gen))\n",
    "gen/gen.ml": 'let () = print_string "let sides = 4\\n"\n',
    "lib/dune": "(library (name shapes))\n(rule (with-stdout-to table.ml (run ../gen/gen.exe)))\n",
    "lib/shapes.ml": SHAPES.replace("let total", "let _ = Table.sides\nlet total"),
    "test/dune": "(test (name test_shapes) (libraries shapes alcotest))\n",
    "test/test_shapes.ml": TEST,
}
TOOLS = Project(_TOOLS, _TOOLS | {"lib/shapes.ml": _TOOLS["lib/shapes.ml"].replace("s * s", "s + s")})
"""A library one of whose modules a program of the project writes, at build time."""

_SUITE = """\
let ok () = Alcotest.(check bool) "fine" true (Shapes.area (Shapes.Circle 1) = 3)
let () = Alcotest.run "NAME" [ ("NAME", [ Alcotest.test_case "circle" `Quick ok ]) ]
"""
_MANY = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name shapes))\n",
    "lib/shapes.ml": SHAPES,
    "test/dune": "(tests (names a_suite b_suite c_suite) (libraries shapes alcotest))\n",
    "test/a_suite.ml": _SUITE.replace("NAME", "a"),
    "test/b_suite.ml": _SUITE.replace("NAME", "b"),
    "test/c_suite.ml": TEST,
}
MANY = Project(_MANY, _MANY | {"lib/shapes.ml": BUG})
"""Several test programs, of which the last finds the bug: dune runs two at a time."""

PROJECTS = {"plain": PLAIN, "prints": PRINTS, "tools": TOOLS, "many": MANY}

_PY = {
    "shapes.py": "def area(side: int) -> int:\n    return side * side\n\n\ndef name() -> str:\n    return 'square'\n",
    "test_shapes.py": "import unittest\n\nfrom shapes import area, name\n\n\nclass Shapes(unittest.TestCase):\n"
    "    def test_area(self) -> None:\n        self.assertEqual(9, area(3))\n\n"
    "    def test_name(self) -> None:\n        self.assertEqual('square', name())\n",
}
PYTHON = Project(_PY, _PY | {"shapes.py": _PY["shapes.py"].replace("side * side", "side + side")})
"""A module and its unittest suite, judged by the toolchain ``command``."""
