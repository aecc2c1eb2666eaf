"""A small dune project with one of everything, and edits of every kind to it, without end, the same for one seed.

Three libraries above one another (one with subfolders, one unwrapped), interfaces, a module that a generator makes
from a text file, a library whose modules pass through a preprocessor of its own and whose lexer ocamllex makes, an
executable and a test. Each kind of edit is a function that returns the files it writes, or
deletes (``None``); what dune makes of them is for dune to say.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

Files = dict[str, str]
Edit = dict[str, str | None]

PROJECT: Files = {
    "dune-project": "(lang dune 2.9)\n",
    "util/dune": "(library\n (name util))\n",
    "util/sums.ml": "let add x y = x + y\nlet twice f x = f (f x)\n"
    "let rec upto n = if n = 0 then 0 else n + upto (n - 1)\n",
    "util/names.ml": 'let square = "square"\nlet circle = "circle"\nlet all = [ square; circle ]\n',
    "util/names.mli": "val square : string\nval circle : string\nval all : string list\n",
    "util/kinds.mli": "type t = Small | Large of int\n\nval size : t -> int\n",
    "util/kinds.ml": "type t = Small | Large of int\n\nlet size = function Small -> 1 | Large n -> Sums.add n 1\n",
    "util/spare.ml": "let unused_by_anyone = 1\n",
    "shapes/dune": "(include_subdirs unqualified)\n\n(library\n (name shapes)\n (libraries util))\n",
    "shapes/circle.mli": "type t\n\nval make : int -> t\nval area : t -> int\n",
    "shapes/circle.ml": "type t = { radius : int }\n\nlet make radius = { radius }\n"
    "let area t = 3 * t.radius * t.radius\n",
    "shapes/flat/square.ml": "type t = int\n\nlet make side : t = side\nlet area (t : t) = t * t\n"
    "let name = Util.Names.square\n",
    "shapes/flat/many.ml": "let total areas = List.fold_left Util.Sums.add 0 areas\n"
    "let both r s = total [ Circle.(area (make r)); Square.(area (make s)) ]\n",
    "shapes/flat/many.mli": "val total : int list -> int\nval both : int -> int -> int\n",
    "plain/dune": "(library\n (name plain)\n (wrapped false)\n (libraries util shapes))\n",
    "plain/report.ml": 'let line n = Printf.sprintf "%d" (Util.Kinds.size (Util.Kinds.Large n))\n'
    'let all () = String.concat "," (List.map line [ 1; Shapes.Many.both 1 2 ])\n',
    "plain/report.mli": "val line : int -> string\nval all : unit -> string\n",
    "plain/depth.ml": "module type S = sig\n  val depth : int\nend\n\nmodule Twice (X : S) = struct\n"
    "  let depth = Util.Sums.twice succ X.depth\nend\n",
    "data/gen/dune": "(executable\n (name gen))\n",
    "data/gen/gen.ml": "let () =\n  let rec read () =\n    match input_line stdin with\n"
    '    | line -> Printf.printf "let %s\\n" line; read ()\n    | exception End_of_file -> ()\n  in\n  read ()\n',
    "data/dune": "(library\n (name data))\n\n(rule\n (targets table.ml)\n (deps table.txt)\n (action\n"
    "  (with-stdin-from table.txt\n   (with-stdout-to table.ml (run gen/gen.exe)))))\n",
    "data/table.txt": "one = 1\ntwo = 2\n",
    "data/lookup.ml": "let sum = Table.one + Table.two\n",
    "prep/pp/dune": "(executable\n (name pp))\n",
    # each ``@`` becomes the name of the file, as a string; the compiler is told where the source really lies
    "prep/pp/pp.ml": "let path = Sys.argv.(1)\nlet name = Filename.basename path\n\nlet () =\n"
    '  Printf.printf "# 1 %S\\n" path;\n  let file = open_in path in\n  let rec copy () =\n'
    "    match input_char file with\n    | '@' -> Printf.printf \"%S\" name; copy ()\n"
    "    | c -> print_char c; copy ()\n    | exception End_of_file -> close_in file\n  in\n  copy ()\n",
    "prep/dune": "(ocamllex words)\n\n(library\n (name prep)\n"
    " (preprocess\n  (per_module\n   ((action\n     (run %{exe:pp/pp.exe} %{input-file}))\n    named))))\n",
    "prep/named.ml": "let here = @\nlet size = String.length here\n",
    "prep/words.mll": "{\n  let more n = n + 1\n}\n\nrule count n = parse\n"
    "  | ['a'-'z']+ { count (more n) lexbuf }\n  | _ { count n lexbuf }\n  | eof { n }\n",
    "prep/tally.ml": "let words text = Words.count 0 (Lexing.from_string text)\nlet total = words Named.here\n",
    "bin/dune": "(executable\n (name main)\n (libraries plain data))\n",
    "bin/main.ml": "let () = print_endline (Report.all ()); print_int Data.Lookup.sum\n",
    "test/dune": "(test\n (name checks)\n (libraries plain shapes util data prep))\n",
    "test/checks.ml": "let check what ok = if not ok then (prerr_endline what; exit 1)\n\nlet () =\n"
    '  check "add" (Util.Sums.add 2 3 = 5);\n  check "upto" (Util.Sums.upto 4 = 10);\n'
    '  check "area" (Shapes.Circle.(area (make 2)) = 12);\n  check "both" (Shapes.Many.both 1 2 = 7);\n'
    '  check "line" (Report.line 3 = "4");\n  check "sum" (Data.Lookup.sum = 3);\n'
    '  let module D = Depth.Twice (struct let depth = 1 end) in\n  check "depth" (D.depth = 3);\n'
    '  check "here" (Prep.Named.here = "named.ml");\n  check "words" (Prep.Tally.(words "a b c" = 3 && total = 2))\n',
}

_PROGRAMS = ("data/gen", "prep/pp", "test", "bin")
MODULES = tuple(path for path in PROJECT if path.endswith(".ml") and not path.startswith(_PROGRAMS))
INTERFACES = tuple(path for path in PROJECT if path.endswith(".mli"))


@dataclass(frozen=True)
class Case:
    """One edit of one kind."""

    number: int
    kind: str
    edit: Edit


class Dice(random.Random):
    """Chance, and the number of the edit that it decides."""

    n = 0


Kind = Callable[[Dice], Edit]


def _sub(path: str, old: str, new: str) -> Edit:
    assert old in PROJECT[path], (path, old)
    return {path: PROJECT[path].replace(old, new)}


def _add(path: str, text: str) -> Edit:
    return {path: PROJECT[path] + text}


def _move(old: str, new: str) -> Edit:
    return {old: None, new: PROJECT[old]}


_NUMBER = re.compile(r"(?<![A-Za-z])N(?![a-z])")


def _any(*texts: str) -> Kind:
    """Add one of some texts to any module; ``N`` stands for a number that no other edit has."""
    return lambda dice: _add(dice.choice(MODULES), _NUMBER.sub(str(dice.n), dice.choice(texts)))


def _one(*edits: Edit) -> Kind:
    return lambda dice: dice.choice(edits)


def _both(*edits: Edit) -> Edit:
    return {path: text for edit in edits for path, text in edit.items()}


def _blank(dice: Dice) -> Edit:
    path = dice.choice(MODULES + INTERFACES)
    return dice.choice([_add(path, "\n" * (dice.n % 5 + 1)), {path: "\n" * (dice.n % 7 + 1) + PROJECT[path]}])


def _comment(dice: Dice) -> Edit:
    path = dice.choice(MODULES + INTERFACES)
    return {path: dice.choice([PROJECT[path] + f"(* {dice.n} *)\n", f"(* {dice.n} *)\n" + PROJECT[path]])}


def _new_module(dice: Dice) -> Edit:
    folder = dice.choice(["util", "shapes", "shapes/flat", "plain", "data"])
    text = dice.choice(
        [f"let n = {dice.n}\n", f"let n = {dice.n} + true\n", f"let n = ( {dice.n}\n", "", f"let f x = {dice.n}\n"]
    )
    edit: Edit = {f"{folder}/fresh{dice.n}.ml": text}
    if dice.random() < 0.4:
        edit[f"{folder}/fresh{dice.n}.mli"] = dice.choice(["val n : int\n", "val m : int\n", ""])
    return edit


def _new_module_used(dice: Dice) -> Edit:
    kind = dice.choice(["int", "string"])
    value = dice.choice([f"{dice.n}", f'"{dice.n}"'])
    return {
        f"util/fresh{dice.n}.ml": f"let n : {kind} = {value}\n",
        **_add("shapes/flat/many.ml", f"let _n = Util.Fresh{dice.n}.n + 1\n"),
    }


def _deletion(dice: Dice) -> Edit:
    path = dice.choice(MODULES + INTERFACES)
    edit: Edit = {path: None}
    if path.endswith(".ml") and f"{path}i" in PROJECT and dice.random() < 0.7:
        edit[f"{path}i"] = None
    return edit


def _rename(dice: Dice) -> Edit:
    names = _move("util/names.ml", f"util/nouns{dice.n}.ml") | _move("util/names.mli", f"util/nouns{dice.n}.mli")
    used = _sub("shapes/flat/square.ml", "Util.Names", f"Util.Nouns{dice.n}")
    return dice.choice([names, _both(names, used), _both(_move("util/spare.ml", f"util/spare{dice.n}.ml"))])


def _move_between(dice: Dice) -> Edit:
    spare = _move("util/spare.ml", f"{dice.choice(['shapes', 'plain', 'shapes/flat'])}/spare.ml")
    sums = _move("util/sums.ml", "shapes/sums.ml")
    depth = _move("plain/depth.ml", "shapes/flat/depth.ml")
    fixed = _both(depth, _sub("test/checks.ml", "Depth.Twice", "Shapes.Depth.Twice"))
    return dice.choice([spare, sums, depth, fixed])


def _garbage(dice: Dice) -> Edit:
    path = dice.choice(MODULES)
    text = PROJECT[path]
    at = dice.randrange(len(text))
    return {path: dice.choice([text[:at], text[:at] + dice.choice("()[]{}\"'\\#`~;") + text[at:], text[at:]])}


def _swap(dice: Dice) -> Edit:
    one, other = dice.sample(MODULES, 2)
    return {one: PROJECT[other], other: PROJECT[one]}


def _two_errors(dice: Dice) -> Edit:
    one, other = dice.sample(MODULES, 2)
    return _add(one, f"let _e{dice.n} : string = {dice.n}\n") | _add(other, f"let _f{dice.n} = nowhere{dice.n}\n")


_KINDS: Mapping[str, Kind] = {
    "body": _one(
        _sub("util/sums.ml", "x + y", "y + x"),
        _sub("shapes/circle.ml", "3 * t.radius", "t.radius * 3"),
        _sub("shapes/flat/many.ml", "List.fold_left Util.Sums.add 0 areas", "List.fold_left ( + ) 0 areas"),
        _sub("plain/report.ml", '","', '", "'),
    ),
    "new value": _any("let fresh_N = N\n", 'let fresh_N x = x ^ "N"\n', "type fresh_N = A of int | B\n"),
    "wrong behaviour": _one(
        _sub("util/sums.ml", "x + y", "x - y"),
        _sub("shapes/circle.ml", "3 * t", "4 * t"),
        _sub("util/kinds.ml", "Sums.add n 1", "Sums.add n 2"),
        _add("util/names.ml", 'let () = failwith "boo"\n'),
    ),
    "type error": _any("let _N = N + true\n", 'let _N : int = "N"\n', "let _N = not N\n", "let f_N x = x + 1 ^ x\n"),
    "unbound": _any("let _N = nowhere_N\n", "let _N = Nowhere.n\n", "open Nowhere_N\n", "let _N : nothing = N\n"),
    "syntax error": _any("let x = N in\n", "let )\n", "type t = |\n", 'let s = "N\n', "(* N\n", "let N = 1\n"),
    "warning as error": _any(
        "let f_N x = let y = N in x\n", "let _N = function 1 -> N\n", "open Printf\n", "let rec g_N x = x + N\n"
    ),
    "syntax error in an interface": lambda dice: _add(
        dice.choice(INTERFACES), dice.choice(["val x :\n", ")\n", "val"])
    ),
    "interface and body": lambda dice: (
        _add("util/names.mli", f"val n{dice.n} : int\n")
        | _add("util/names.ml", f"let n{dice.n} = {dice.choice([str(dice.n), 'true'])}\n")
    ),
    "interface asks for more": lambda dice: _add(dice.choice(INTERFACES), f"val n{dice.n} : int\n"),
    "interface gives less": _one(
        _sub("util/names.mli", "val circle : string\n", ""),
        _sub("util/names.mli", "val square : string\n", ""),
        _sub("shapes/circle.mli", "val area : t -> int\n", ""),
        _sub("plain/report.mli", "val line : int -> string\n", ""),
        _sub("util/kinds.mli", "type t = Small | Large of int", "type t"),
        _sub("shapes/circle.mli", "type t\n", "type t = { radius : int }\n"),
    ),
    "interface changes type": _one(
        _sub("util/names.mli", "val all : string list", "val all : string array"),
        _both(
            _sub("util/kinds.mli", "Large of int", "Large of int | Huge"),
            _sub("util/kinds.ml", "Large of int", "Large of int | Huge"),
        ),
        _both(
            _sub("util/kinds.mli", "Large of int", "Large of int | Huge"),
            {
                "util/kinds.ml": PROJECT["util/kinds.ml"]
                .replace("Large of int", "Large of int | Huge")
                .replace("| Large n", "| Huge -> 2 | Large n")
            },
        ),
    ),
    "breaking each other": _one(
        _both(
            _sub("util/sums.ml", "add x y = x + y", "add x = x"),
            _add("shapes/flat/many.ml", "let _a = Util.Sums.add 1 2\n"),
        ),
        _both(_sub("util/sums.ml", "let twice", "let thrice"), _sub("plain/depth.ml", "twice", "twise")),
        _both(_sub("util/sums.ml", "let twice", "let thrice"), _sub("plain/depth.ml", "twice", "thrice")),
        _both(
            _sub("shapes/circle.mli", "int -> t", "float -> t"),
            _sub("shapes/circle.ml", "make radius", "make (radius : float)"),
        ),
    ),
    "two errors": _two_errors,
    "blank": _blank,
    "comment": _comment,
    "new module": _new_module,
    "new module used": _new_module_used,
    "new interface": _one(
        {"util/sums.mli": "val add : int -> int -> int\n"},
        {"util/spare.mli": ""},
        {"shapes/flat/square.mli": "type t\nval make : int -> t\nval area : t -> int\nval name : string\n"},
        {"plain/lonely.mli": "val x : int\n"},
    ),
    "deletion": _deletion,
    "rename": _rename,
    "move": _move_between,
    "cycle": _one(
        _both(_add("util/names.ml", "let a = Sums.add\n"), _add("util/sums.ml", "let b = Names.square\n")),
        _add("util/sums.ml", "let _ = Kinds.Small\n"),
        _add("util/sums.ml", "let _ = Sums.add\n"),
    ),
    "shadowing": _one(
        {"shapes/list.ml": "let fold_left _ x _ = x\n"},
        {"plain/util.ml": "module Sums = struct end\n"},
        {"plain/string.ml": 'let concat _ _ = ""\n'},
        {"shapes/shapes.ml": "module Circle = Circle\n"},
        {"shapes/flat/circle.ml": "let make x = x\n"},
        {"plain/circle.ml": "let make x = x\n"},
    ),
    "garbage": _garbage,
    "swap": _swap,
    "emptied": lambda dice: {dice.choice(MODULES + INTERFACES): ""},
    "missing C function": _any('external f_N : int -> int = "no_such_function_N"\nlet g_N x = f_N x\n'),
    "program": _one(
        _add("bin/main.ml", "let () = print_int true\n"),
        _add("bin/main.ml", 'let () = print_endline ""\n'),
        _sub("bin/main.ml", "Report.all", "Report.none"),
        {"bin/extra.ml": "let x = Report.line\n"},
    ),
    "test": _one(
        _sub("test/checks.ml", "= 5", "= 6"),
        _sub("test/checks.ml", "Sums.add 2 3", "Sums.add 2"),
        _add("test/checks.ml", '\nlet () = check "more" true\n'),
        {"test/checks.ml": None},
    ),
    "dune file": _one(
        _sub("shapes/dune", " (libraries util)", ""),
        _sub("plain/dune", "util shapes", "shapes"),
        _sub("plain/dune", "(wrapped false)", "(wrapped true)"),
        _sub("shapes/dune", "(include_subdirs unqualified)\n", ""),
        _sub("util/dune", "(name util)", "(name utils)"),
        _sub("util/dune", "(name util)", "(name util) (flags (:standard -open Nowhere))"),
        _sub("util/dune", "(name util)", "(name util) (modules :standard \\ spare)"),
        _sub("util/dune", "(name util)", "(name util) (colour red)"),
        _sub("util/dune", "(name util))", "(name util)"),
        _sub("test/dune", "(test\n", "(test\n (enabled_if false)\n"),
        _add("util/dune", '(rule (with-stdout-to made.ml (echo "let made = 1")))\n'),
        _add("util/dune", '(rule (with-stdout-to made.ml (echo "let made = 1 + true")))\n'),
        _add("util/dune", '(rule (targets x) (action (system "exit 3")))\n'),
        {"dune-project": "(lang dune 99.0)\n"},
        {"dune-project": "(lang dune 2.0)\n"},
        {"util/dune": None},
        {"bin/dune": None},
    ),
    "generated": _one(
        {"data/table.txt": "one = 1\ntwo = 3\n"},
        {"data/table.txt": "one = 1\ntwo = true\n"},
        {"data/table.txt": "one = 1\n"},
        {"data/table.txt": "one = (\n"},
        {"data/table.txt": "one = 1\ntwo = 2\nthree = 3\n"},
        {"data/table.txt": None},
        _sub("data/gen/gen.ml", "let %s", "let  %s"),
        _sub("data/gen/gen.ml", "let %s", "lte %s"),
        _sub("data/gen/gen.ml", "read ()\n    |", "read () + 1\n    |"),
        _add("data/gen/gen.ml", "let () = exit 3\n"),
        {"data/table.ml": "let one = 1\nlet two = 2\n"},
        {"data/lookup.ml": "let sum = Table.one\n"},
        {"data/lookup.ml": "let sum = Table.three\n"},
    ),
    "preprocessed": _one(
        _add("prep/named.ml", "let twice = @ ^ @\n"),
        _add("prep/named.ml", "\nlet wrong = @ + 1\n"),
        _add("prep/named.ml", "\n\nlet wrong : int = @\n"),
        _add("prep/named.ml", "let wrong = (@\n"),
        _add("prep/named.ml", "let lost = nowhere @\n"),
        _sub("prep/named.ml", "here = @", 'here = "other"'),
        _sub("prep/named.ml", "let size", "let extent"),
        {"prep/named.mli": "val here : int\n"},
        _add("prep/tally.ml", "let at = @\n"),
        _move("prep/named.ml", "prep/called.ml"),
        _both(_move("prep/named.ml", "prep/called.ml"), _sub("prep/dune", "named", "called")),
    ),
    "preprocessor": _one(
        _sub("prep/pp/pp.ml", "'@' ->", "'$' ->"),
        _sub("prep/pp/pp.ml", "basename path", 'basename path ^ "x"'),
        _sub("prep/pp/pp.ml", '"%S" name', '"%d" (String.length name)'),
        _sub("prep/pp/pp.ml", "copy ()\n    | c", "exit 3\n    | c"),
        _sub("prep/pp/pp.ml", "# 1 %S", "# 7 %S"),
        _add("prep/pp/pp.ml", 'let () = print_string "let made = 1 + true"\n'),
        _both(_sub("prep/pp/pp.ml", "'@' ->", "'$' ->"), _sub("prep/named.ml", "@", "$")),
        {"prep/pp/pp.ml": None},
        _sub("prep/dune", "pp/pp.exe", "pp/qq.exe"),
        _sub("prep/dune", "named))))", "named tally))))"),
        _sub("prep/dune", "%{exe:pp/pp.exe}", "sed s/@/1/"),
    ),
    "lexer": _one(
        _sub("prep/words.mll", "n + 1", "1 + n"),
        _sub("prep/words.mll", "n + 1", "n + 2"),
        _sub("prep/words.mll", "n + 1", "n ^ 1"),
        _sub("prep/words.mll", "{ n }", "{ nothing }"),
        _sub("prep/words.mll", "eof { n }", "eof { n"),
        _sub("prep/words.mll", "['a'-'z']+", "letter+"),
        _sub("prep/words.mll", "rule count", "rule reckon"),
        _add("prep/words.mll", "\n{\n  let spare = count true\n}\n"),
        _sub("prep/dune", "(ocamllex words)", "(ocamllex words signs)"),
        {"prep/words.mll": None},
        {"prep/words.ml": "let count n _ = n\n", "prep/words.mll": None},
    ),
    "folder": _one(
        {path: None for path in PROJECT if path.startswith("bin/")},
        {path: None for path in PROJECT if path.startswith("util/")},
        {path: None for path in PROJECT if path.startswith("shapes/flat/")},
        {"more/dune": "(library (name more) (libraries util))\n", "more/m.ml": "let x = Util.Sums.add 1 2\n"},
        {"more/dune": "(library (name more) (libraries util))\n", "more/m.ml": "let x = Util.Sums.add 1 true\n"},
        {"shapes/round/oval.ml": "let area a b = 3 * a * b\n"},
        {"shapes/round/oval.ml": "let area a b = 3 * a * b ^ a\n"},
        {"stray/m.ml": "let x = ( \n"},
    ),
}

KINDS = tuple(_KINDS)


def cases(seed: int) -> Iterator[Case]:
    """Yield edits without end: each kind in turn, and now and then two kinds in one edit."""
    dice = Dice(seed)
    while True:
        order = list(KINDS)
        dice.shuffle(order)
        for kind in order:
            dice.n += 1
            told, edit = kind, _KINDS[kind](dice)
            if dice.random() < 0.12:
                other = dice.choice(KINDS)
                told, edit = f"{kind} + {other}", edit | _KINDS[other](dice)
            yield Case(dice.n, told, edit)
