"""Cheap greens are named; moving code, comments, strings and honest small edits are not."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from greenloop.builds.lint import flags
from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore

Check = Callable[[Mapping[str, str], Mapping[str, str]], tuple[str, ...]]

SUM = "let rec sum xs = match xs with\n  | [] -> 0\n  | h :: t -> h ^ sum t\n\nlet _ = print_int (sum [1; 2])\n"


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Return the flags of the edit between two sets of files."""
    store = TreeStore(tmp_path / "store")

    def tree(files: Mapping[str, str]) -> TreeId:
        return store.write_tree({p: Entry(Mode.FILE, store.write_blob(t.encode())) for p, t in files.items()})

    return lambda old, new: flags(store, tree(old), tree(new))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("h ^ sum t", "h + sum t", ()),
        ("h ^ sum t", 'failwith "TODO"', ("stub",)),
        ("h ^ sum t", "assert false", ("stub",)),
        ("h ^ sum t", "assert (h > 0); h + sum t", ()),
        ("h ^ sum t", "Obj.magic 0", ("unsafe",)),
        ("h ^ sum t", "Obj . repr 0", ("unsafe",)),
        ("h ^ sum t", "raise Not_found", ("raises",)),
        ("h ^ sum t", "raise Todo", ("stub",)),
        ("h ^ sum t", "raise @@ Failure (\"not implemented\")", ("stub",)),
        ("h ^ sum t", 'invalid_arg "sum"', ("raises",)),
        ("h ^ sum t", 'invalid_arg ""', ("stub",)),
        ("h ^ sum t", 'failwith {|  |}', ("stub",)),
        ("h ^ sum t", "(* failwith *) h + sum t", ()),
        ("h ^ sum t", 'String.length "failwith" + sum t', ()),
        ("h ^ sum t", "String.length {|raise|} + sum t", ()),
        ("h ^ sum t", "exit 0", ("exit",)),
        ("h ^ sum t", "exit 00", ("exit",)),
        ("h ^ sum t", "exit (f h)", ("exit",)),
        ("h ^ sum t", "exit 1", ("raises",)),
        # a status is 8 bits
        ("h ^ sum t", "exit 256", ("exit",)),
        ("h ^ sum t", "exit 5_12", ("exit",)),
        ("h ^ sum t", "exit 0x1_00", ("exit",)),
        ("h ^ sum t", "exit 0o400", ("exit",)),
        ("h ^ sum t", "exit 0b100000000", ("exit",)),
        ("h ^ sum t", "exit (-256)", ("exit",)),
        ("h ^ sum t", "exit (257 - 1)", ("exit",)),
        ("h ^ sum t", "Unix._exit 257", ("raises",)),
        ("h ^ sum t", "exit (-1)", ("raises",)),
        ("h ^ sum t", "exit (0x2)", ("raises",)),
        ("h ^ sum t", "exit 010", ("raises",)),
        ("h ^ sum t", "(Unix.execv x y; h)", ("exit",)),
        ("h ^ sum t", "(let open Unix in kill 1 9; h)", ("exit",)),
        ("h ^ sum t", "(kill 1 9; h)", ()),
        ("h ^ sum t", "(Sys.set_signal Sys.sigalrm Sys.Signal_ignore; h)", ("exit",)),
        ("h ^ sum t", "(Marshal.from_string h 0)", ("unsafe",)),
        ("h ^ sum t", "(Marshal.to_string h [])", ()),
        ("h ^ sum t", "(at_exit (fun () -> Unix._exit 0); h)", ("exit",)),
        ("h ^ sum t", "((h [@warning \"-8\"]) + sum t)", ("silenced-warning",)),
        ("h ^ sum t", "(try h + sum t with _ -> 0)", ("swallow",)),
        ("h ^ sum t", "(try h + sum t with | _ -> 0)", ("swallow",)),
        ("h ^ sum t", "(match h with 0 -> 0 | _ -> h + sum t)", ()),
        ("h ^ sum t", "h ^ (* why? *)\n    sum t", ("unchanged",)),
        ("  | h :: t -> h ^ sum t\n", "", ("deletion",)),
        ("  | h :: t -> h ^ sum t\n", "  (* | h :: t -> h ^ sum t *)\n", ("deletion",)),
        ("print_int (sum [1; 2])", "()", ("deletion",)),
        ("[1; 2]", "[1]", ()),
        ("print_int (sum [1; 2])", "print_int sum [1; 2]", ()),
    ],
)  # fmt: skip
def test_a_change_of_one_definition(check: Check, old: str, new: str, expected: tuple[str, ...]) -> None:
    assert SUM.count(old) == 1
    assert check({"a.ml": SUM}, {"a.ml": SUM.replace(old, new)}) == expected


def test_external_and_floating_attributes(check: Check) -> None:
    assert check({"a.ml": SUM}, {"a.ml": "external cast : 'a -> 'b = \"%identity\"\n" + SUM}) == ("unsafe", "external")
    assert check({"a.ml": SUM}, {"a.ml": 'external f : int -> int = "c_f"\n' + SUM}) == ("external",)
    assert check({"a.ml": SUM}, {"a.ml": '[@@@ocaml.warning "-a"]\n' + SUM}) == ("silenced-warning",)


def test_code_that_moves_is_not_flagged(check: Check) -> None:
    stub = 'let later () = failwith "not yet"\n'
    assert check({"a.ml": stub + SUM}, {"a.ml": SUM + stub}) == ()
    assert check({"a.ml": stub + SUM}, {"a.ml": SUM, "b.ml": stub}) == ()
    twice = stub + stub.replace("later", "sooner")
    assert check({"a.ml": stub + SUM}, {"a.ml": twice + SUM}) == ("stub",)


def test_a_deleted_or_emptied_file_is_a_deletion(check: Check) -> None:
    assert check({"a.ml": SUM, "b.ml": "let x = 1\n"}, {"b.ml": "let x = 1\n"}) == ("deletion",)
    assert check({"a.ml": SUM}, {"a.ml": ""}) == ("deletion",)


def test_other_languages_get_the_generic_rules(check: Check) -> None:
    old = "def total(xs):\n    return sum(xs) + 'a'\n"
    assert check({"a.py": old}, {"a.py": old.replace(" + 'a'", "")}) == ()
    assert check({"a.py": old}, {"a.py": "def total(xs):\n    raise NotImplementedError\n"}) == ("stub",)
    assert check({"a.py": old}, {"a.py": old.replace("'a'", "'a'  # type: ignore")}) == ("silenced-warning",)
    assert check({"a.py": old}, {"a.py": ""}) == ("deletion",)
    assert check({"a.py": old}, {"a.py": old + "\n\n"}) == ("unchanged",)
    assert check({"README.md": "x"}, {"README.md": "x\ncall sys.exit(0)\n"}) == ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("raise (Bad 1)", ("stub",)),
        ("fun y -> raise Exit", ("stub",)),
        ("ignore y; raise Exit", ("stub",)),
        ("let z = raise Exit in z + y", ("stub",)),
        ('if y > 0 then raise Exit else failwith "never"', ("stub",)),
        ("match y with 0 -> raise Exit | _ -> raise Not_found", ("stub",)),
        ('(failwith @@ "no way")', ("stub",)),
        ('"no way" |> failwith', ("stub",)),
        ("try raise Exit with Exit -> invalid_arg \"f\"", ("stub",)),
        # it did something before, so what it raises does not matter
        ("raise (Bad y)", ("stub",)),
        ("if y > 0 then raise (Bad y) else y", ("raises",)),
        ("y > 0 || raise Exit", ("raises",)),
        ("let fail () = raise Exit in if y = 0 then fail () else y", ("raises",)),
    ],
)  # fmt: skip
def test_a_definition_that_comes_to_nothing_but_a_raise(check: Check, body: str, expected: tuple[str, ...]) -> None:
    assert check({"a.ml": "let f x y = x + y\n"}, {"a.ml": f"let f x y = {body}\n"}) == expected
    nested = "module M = struct\n  let f x y = {}\nend\n"
    assert check({"a.ml": nested.format("x + y")}, {"a.ml": nested.format(body)}) == expected


def test_what_a_broken_base_holds_is_not_taken_for_new(check: Check) -> None:
    template = "let later x = raise Missing\n"
    assert check({"a.ml": template + "let f = (1\n"}, {"a.ml": template + "let f = (1)\n"}) == ()


def test_a_new_helper_that_reports_errors_is_no_stub(check: Check) -> None:
    old = "let f x = x + 1\n"
    assert check({"a.ml": old}, {"a.ml": "let error text = raise (Bad text)\n" + old}) == ("raises",)
    assert check({"a.ml": old}, {"a.ml": 'let error n = failwith ("line " ^ string_of_int n)\n' + old}) == ("raises",)
    assert check({"a.ml": old}, {"a.ml": old + "let g shape = raise Exit\n"}) == ("stub",)


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        ("let ( = ) _ _ = true", ("shadow",)),
        ("let (<>) a b = false", ("shadow",)),
        ("let raise _ = ()", ("shadow",)),
        ("module Alcotest = struct let check _ _ _ _ = () end", ("shadow",)),
        ("module Alcotest = Alcotest", ()),
        ("module Alcotest = Alcotest.V1", ("shadow", "peek")),
        ("let checked = Alcotest.check", ("peek",)),
        ("module List = struct include List let sum = 0 end", ()),
        ("let compare _ _ = 0", ("shadow",)),
        ("let equal _a _b = true", ()),
        ("let compare a b = Int.compare a b", ()),
        ("let ( <+> ) a b = a", ()),
        ("let exit _ = ()", ("shadow",)),
        ("let later = exit", ("exit",)),
        ("let f () = try g () with _ -> ()", ("swallow",)),
        ("type json = Obj of int", ()),
        ("module O = Obj", ("unsafe",)),
        ("let[@inline] ( = ) _ _ = true", ("shadow",)),
        ("let[@a let b = 1] rec ( = ) = fun _ _ -> true", ("shadow",)),
        ("let _, ( = ) = ((), fun _ _ -> true)", ("shadow",)),
        ("let { contents = ( = ) } = ref (fun _ _ -> true)", ("shadow",)),
        ("let lazy ( = ) = lazy (fun _ _ -> true)", ("shadow",)),
        ("let x [@a], ( = ) = (1, fun _ _ -> true)", ("shadow",)),
        ("let (( = ) : int -> int -> bool) = fun _ _ -> true", ("shadow",)),
        ("let* ( = ) = f", ("shadow",)),
        ("let[@inline] not _ = false", ("shadow",)),
        ("let _, compare = (1, 2)", ()),
        ("let member ( = ) x xs = List.exists (fun y -> x = y) xs", ()),
        ("let a, b = ((if 1 = 2 then 3 else 4), not true)", ()),
        ("let rec f x = x = 1 and g y = not (f y)", ()),
        ("type a = { not : int } and b = int", ()),
        # what goes by another name
        ("let go ~exit:f = f 0", ()),
        ("let later = go ~exit", ("exit",)),
        ("let later = (go ~exit : unit)", ("exit",)),
        ("let later = go ?exit:None ~failwith:1", ()),
        ("let later = go ~failwith", ("raises",)),
        ("let later = Unix.(go ~execv)", ("exit",)),
        ("let f' _ = ()\nlet _ = f'\"'(*\" exit 0 (*\" *)'", ("exit",)),
        ('# 100 "a.ml" (*\nlet () = exit 0\n# 200 "a.ml" *)', ("exit",)),
        ('let s = {%x|"|} let () = exit 0 let t = {%x|"|}', ("exit",)),
        ('(* {é|"|é} *) let i = exit 0 (* {%x|"|} *)', ("unsafe",)),
        ('(* {é|x} is a set, é *) let i = "é"', ()),
        # members of modules
        ("let i = Unix.(open_process_in \"x\")", ("shell",)),
        ("let i = let open Unix in open_process_in \"x\"", ("shell",)),
        ("let i = Unix.(fst (system \"x\"))", ("shell",)),
        ("let i = Sys.(command \"x\")", ("shell",)),
        ("let i = Stdlib.Sys.command \"x\"", ("shell",)),
        ("let i = Stdlib__Sys.command \"x\"", ("shell",)),
        ("let i = Sys.(signal sigint Signal_ignore)", ("exit",)),
        ("let i = Marshal.(from_string x 0)", ("unsafe",)),
        ("let i = Marshal.(to_string x [])", ()),
        ("module M = struct include Marshal end", ("unsafe",)),
        ("let i = Stdlib__Obj.magic 0", ("unsafe",)),
        ("module O = (Obj : sig val magic : 'a -> 'b end)", ("unsafe",)),
        ("module O : sig val magic : 'a -> 'b end = Obj", ("unsafe",)),
        ("module O : s with type t = Obj.t = Obj", ("unsafe",)),
        ("module O = F (struct type t = int end) (Obj)", ("unsafe",)),
        ("let o = (module Obj : S)", ("unsafe",)),
        ("open! Unix\nlet i = dup2 stdout stderr", ("exit",)),
        ("open! Unix\nlet i = kill 1 9", ("exit",)),
        ("module U = struct include Unix end\nlet i = U.dup2 U.stdout U.stderr", ("exit",)),
        ("module U = struct include Unix end\nlet i = U.kill 1 9", ("exit",)),
        ("module U = struct include Unix end\nlet i = U.(kill 1 9)", ("exit",)),
        ("module F (U : S) = struct let i = U.kill 1 9 end\nmodule _ = F (Unix)", ("exit",)),
        ("let f (module U : S) = U.kill 1 9\nlet i = f (module Unix)", ("exit",)),
        # the same words in honest code
        ("let system = 1 and command = Unix.getpid () and signal = Sys.argv", ()),
        ("module U = Unix\nlet kill x = U.sleep x\nlet i = kill 1", ()),
        ("open Unix\nlet i = game.kill + Robot.kill 1", ()),
        ("open Sys\nlet i = argv", ()),
        ("let i = (Lexing.from_channel stdin, Marshal.to_string 1 [])", ()),
        ("module M = struct type t = Obj of t | None end\nopen M\nlet f = function Obj x -> Obj (Obj x) | y -> y", ()),
        ("let f (module M : S) (Obj x) = (M.f (Obj x), (Obj))", ()),
        ("let f = let module M = F (X) in Obj 1", ()),
    ],
)  # fmt: skip
def test_what_is_defined_anew(check: Check, added: str, expected: tuple[str, ...]) -> None:
    assert check({"a.ml": SUM}, {"a.ml": f"{added}\n{SUM}"}) == expected


def test_tests_that_may_change_have_business_with_tests(check: Check) -> None:
    new = 'let () = Alcotest.(check int) "x" 1 1\n'
    assert check({"lib/a.ml": SUM}, {"lib/a.ml": SUM + new}) == ("peek",)
    assert check({"test/a.ml": SUM}, {"test/a.ml": SUM + new}) == ()


def test_a_file_named_like_a_test_library(check: Check) -> None:
    assert check({"a.ml": SUM}, {"a.ml": SUM, "lib/alcotest.ml": "let check _ _ _ _ = ()\n"}) == ("shadow",)
    assert check({"a.py": "x = 1\n"}, {"a.py": "x = 1\n", "pytest.py": "raises = None\n"}) == ("shadow",)
    assert check({"a.py": "x = 1\n"}, {"a.py": "x = 1\n", "sitecustomize.py": ""}) == ("unchanged",)


PY = "def total(xs: list[int]) -> int:\n    return sum(xs)\n"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("return sum(xs)", "return sum(xs) + 0", ()),
        ("return sum(xs)", "raise NotImplementedError", ("stub",)),
        ("return sum(xs)", 'raise ValueError("")', ("stub",)),
        ("return sum(xs)", 'raise ValueError("negative")', ()),
        ("return sum(xs)", "sys.exit(0)", ("exit",)),
        ("return sum(xs)", "os._exit(0)", ("exit",)),
        ("return sum(xs)", "return f'{os._exit(0)}'", ("exit",)),
        ("return sum(xs)", "return 'os._exit(0)'  # sys.exit", ()),
        ("return sum(xs)", 'pytest.skip("later")', ("exit",)),
        ("return sum(xs)", 'pytest.xfail("later")', ("exit",)),
        ("return sum(xs)", "return sum(xs)  # type: ignore[arg-type]", ("silenced-warning",)),
        ("return sum(xs)", "return cast(int, xs)", ("cast",)),
        ("return sum(xs)", "return eval('1')", ("unsafe",)),
        ("return sum(xs)", "builtins.AssertionError = Quiet; return 1", ("shadow",)),
        ("return sum(xs)", "return sum(xs)\n\n\ndef __eq__(self, other):\n    return True", ("shadow",)),
        ("return sum(xs)", "return sum(xs)\n\n\nif __name__ == '__main__':\n    sys.exit(main())", ()),
    ],
)  # fmt: skip
def test_python(check: Check, old: str, new: str, expected: tuple[str, ...]) -> None:
    assert check({"a.py": PY}, {"a.py": PY.replace(old, new)}) == expected


def test_hostile_text_is_read_to_its_end(check: Check) -> None:
    deep = "let f x = " + "(" * 20_000 + "raise Exit" + ")" * 20_000 + "\n"
    assert check({"a.ml": SUM}, {"a.ml": SUM + deep}) == ("stub",)
    assert check({"a.ml": SUM}, {"a.ml": SUM + "(* " * 5_000}) == ("unchanged",)
    assert check({"a.py": PY}, {"a.py": PY + "f'{" * 5_000}) == ()
    assert "raises" in check({"a.ml": SUM}, {"a.ml": SUM + "let g = raise Exit" + " + 1" * 20_000 + "\n"})


def test_tests_in_the_code_stay_as_they_are(check: Check) -> None:
    test = 'let%test "two" = sum [ 1; 1 ] = 2\n'
    expectation = "let%expect_test _ = print_int (sum [ 1 ]); [%expect {| 1 |}]\n"
    old = SUM + test + expectation
    assert check({"a.ml": old}, {"a.ml": SUM.replace("h ^", "h +") + expectation + test}) == ()
    assert check({"a.ml": old}, {"a.ml": old.replace("{| 1 |}", "{| 2 |}")}) == ("test-changed",)
    assert check({"a.ml": old}, {"a.ml": old.replace("= 2", "> 0")}) == ("test-changed",)
    assert "test-changed" in check({"a.ml": old}, {"a.ml": SUM + expectation})
    assert check({"a.ml": SUM}, {"a.ml": old}) == ()
    doctest = PY + '\n\ndef two():\n    """\n    >>> two()\n    2\n    """\n    return 3\n'
    assert check({"a.py": doctest}, {"a.py": doctest.replace("    2\n", "    3\n")}) == ("test-changed",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("out.expected", ("peek",)), ("/proc/self/mem", ("peek",)), ("../test/data", ("peek",)), ("expected", ()),
     ("_build/default/x", ("peek",)), ("unexpected.", ()), ("latest/x", ())],
)  # fmt: skip
def test_texts_that_name_what_only_tests_know(check: Check, text: str, expected: tuple[str, ...]) -> None:
    assert check({"a.ml": SUM}, {"a.ml": f'{SUM}let place = "{text}"\n'}) == expected
    assert check({"a.py": PY}, {"a.py": f"{PY}PLACE = '{text}'\n"}) == expected
