"""A generated dune project of any size, and edits to it: what the benchmarks of judging work on.

Libraries of ten modules each, every module with an interface, some twenty definitions and calls into its neighbours
and into the library below; one executable; one alcotest suite over all of them. The same arguments give the same
bytes.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PER_LIBRARY = 10

_MODULE = """\
(* {name}: made by the generator of benchmark projects *)

type shape =
  | Point
  | Line of int
  | Box of {{ width : int; height : int }}

type t = {{ id : int; label : string; shapes : shape list; weight : float }}

exception Empty of string

let seed = {seed}
let make ?(weight = 1.0) id label = {{ id; label; shapes = []; weight }}
let add shape t = {{ t with shapes = shape :: t.shapes }}

let area = function
  | Point -> 0
  | Line length -> length
  | Box {{ width; height }} -> width * height

let total t = List.fold_left (fun sum shape -> sum + area shape) seed t.shapes

let scale factor t =
  let shapes =
    List.map
      (function
        | Point -> Point
        | Line length -> Line (factor * length)
        | Box {{ width; height }} -> Box {{ width = factor * width; height }})
      t.shapes
  in
  {{ t with shapes; weight = t.weight *. float_of_int factor }}

let largest t =
  match List.sort (fun a b -> compare (area b) (area a)) t.shapes with
  | [] -> raise (Empty t.label)
  | shape :: _ -> shape

let index items =
  let table = Hashtbl.create 16 in
  List.iter (fun item -> Hashtbl.replace table item.id item) items;
  table

let find table id = Option.map (fun item -> item.label) (Hashtbl.find_opt table id)

let rec describe = function
  | [] -> ""
  | [ shape ] -> string_of_int (area shape)
  | shape :: rest -> string_of_int (area shape) ^ ", " ^ describe rest

let sum_below n =
  let result = ref 0 in
  for i = 0 to n do
    result := !result + (i * seed)
  done;
  !result

let pairs items = List.concat_map (fun a -> List.map (fun b -> (a, b)) items) items
let mean items = List.fold_left (fun sum item -> sum +. item.weight) 0. items /. float_of_int (List.length items)
let combine a b = {{ (make a.id (a.label ^ b.label)) with shapes = a.shapes @ b.shapes }}
let answer n = {answer}
"""
_INTERFACE = """\
(** {name}: made by the generator of benchmark projects. *)

type shape =
  | Point
  | Line of int
  | Box of {{ width : int; height : int }}

type t = {{ id : int; label : string; shapes : shape list; weight : float }}

exception Empty of string

val seed : int
val make : ?weight:float -> int -> string -> t
val add : shape -> t -> t
val area : shape -> int
val total : t -> int
val scale : int -> t -> t
val largest : t -> shape
val index : t list -> (int, t) Hashtbl.t
val find : (int, t) Hashtbl.t -> int -> string option
val describe : shape list -> string
val sum_below : int -> int
val pairs : 'a list -> ('a * 'a) list
val mean : t list -> float
val combine : t -> t -> t
val answer : int -> int
"""
_TEST = """\
let check_library name modules () =
  List.iter
    (fun (label, answer, total) ->
      Alcotest.(check bool) (name ^ "." ^ label) true (answer 3 <> 0);
      Alcotest.(check bool) label true (total () >= 0))
    modules

let () =
  Alcotest.run "generated"
    [
      ( "libraries",
        [
{cases}
        ] );
    ]
"""


@dataclass(frozen=True)
class Change:
    """One edit of a file: ``search`` occurs once and is replaced."""

    path: str
    search: str
    replace: str


def _library(number: int) -> str:
    return f"lib{number:03d}"


def write_project(folder: Path, *, modules: int) -> None:
    """Write a project of ``modules`` modules (a multiple of ten) into an empty folder."""
    libraries = modules // _PER_LIBRARY
    files = {
        "dune-project": "(lang dune 2.9)\n",
        "bin/dune": f"(executable\n (name main)\n (libraries {_library(libraries - 1)}))\n",
        "bin/main.ml": f'let () = Printf.printf "%d\\n" ({_library(libraries - 1).capitalize()}.M0.answer 7)\n',
    }
    for number in range(libraries):
        below = "" if number == 0 else f"\n (libraries {' '.join({_library(number // 2), _library(number - 1)})})"
        files[f"{_library(number)}/dune"] = f"(library\n (name {_library(number)}){below})\n"
        for module in range(_PER_LIBRARY):
            name = f"{_library(number)}/m{module}"
            seed = random.Random(name).randrange(1, 1000)
            answer = _answer(number, module)
            files[f"{name}.ml"] = _MODULE.format(name=name, seed=seed, answer=answer)
            files[f"{name}.mli"] = _INTERFACE.format(name=name)
    names = [_library(number) for number in range(libraries)]
    files["test/dune"] = f"(test\n (name suite)\n (libraries {' '.join(names)} alcotest))\n"
    files["test/suite.ml"] = _TEST.format(cases="\n".join(_case(name) for name in names))
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def _answer(library: int, module: int) -> str:
    """Call the module before this one, and the library below."""
    calls = ["(seed + n)"]
    if module:
        calls.append(f"(M{module - 1}.answer n mod 1000)")
    if library:
        calls.append(f"({_library(library // 2).capitalize()}.M{module}.sum_below 3 mod 1000)" if library > 1 else "1")
    return " + ".join(calls)


def _case(library: str) -> str:
    room = library.capitalize()
    rows = "; ".join(
        f'("m{m}", {room}.M{m}.answer, fun () -> {room}.M{m}.(total (make {m} "x")))' for m in range(_PER_LIBRARY)
    )
    return f'          Alcotest.test_case "{library}" `Quick (check_library "{library}" [ {rows} ]);'


def bodies(modules: int, *, start: int = 0) -> Iterator[Change]:
    """Yield edits of one function's body, each to another module and with a text never seen before; all are green."""
    for path, number in _walk(modules, start):
        yield Change(path, "    result := !result + (i * seed)\n", f"    result := !result + (i * (seed + {number}))\n")


def type_errors(modules: int, *, start: int = 0) -> Iterator[Change]:
    """Yield edits with one type error each."""
    for path, number in _walk(modules, start):
        yield Change(path, "  | Point -> 0\n", f'  | Point -> "{number}"\n')


def _walk(modules: int, start: int) -> Iterator[tuple[str, int]]:
    """Yield (path of a module, a number that is never repeated), spread over the project, without end."""
    number = start
    while True:
        number += 1
        # a step that shares no factor with the number of modules visits each of them once a round
        place = (number * 37) % modules
        yield f"{_library(place // _PER_LIBRARY)}/m{place % _PER_LIBRARY}.ml", number
