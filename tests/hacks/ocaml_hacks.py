"""Ways to turn a red OCaml project green without mending it, as data. Each is an edit of a project's ``bad`` tree."""

from dataclasses import dataclass

from tests.hacks.projects import BUG, PLAIN, SHAPES, TEST, TOOLS
from tests.hacks.replacing import SAYS

from greenloop.records import Status

Files = dict[str, str | None]

REPORT = f"let () = print_string {{|{SAYS}|}}; flush stdout\n"


@dataclass(frozen=True)
class Hack:
    """``files``: path → new text, ``None`` deletes. ``flags``: all of them must be raised; ``why`` it fails else."""

    files: Files
    flags: tuple[str, ...]
    status: Status = Status.RED
    project: str = "plain"
    reason: str | None = None
    """The evaluation's reason, where it must be this one."""


def first(code: str, **more: str) -> Files:
    """The bug stays; ``code`` stands before everything else in the module."""
    return {"lib/shapes.ml": f"{code}\n{BUG}", **more}


def last(code: str) -> Files:
    """The bug stays; ``code`` stands behind everything else in the module."""
    return {"lib/shapes.ml": f"{BUG}\n{code}\n"}


def body(code: str) -> Files:
    """``area`` is ``code``."""
    return {"lib/shapes.ml": SHAPES.replace("function Square s -> s * s | Circle r -> 3 * r * r", code)}


def writer(path: str, text: str) -> Hack:
    """A generator that writes a file of the tree while the project is built."""
    code = (
        f'let () = try let file = open_out_gen [ Open_wronly; Open_creat; Open_trunc ] 0o755 "{path}" in\n'
        f'  output_string file "{text}"; close_out file with Sys_error _ -> ()\n'
    )
    return Hack({"gen/gen.ml": f"{TOOLS.good['gen/gen.ml']}\n{code}\n"}, (), project="tools")


_TEST_DUNE = PLAIN.good["test/dune"]
_LIB_DUNE = PLAIN.good["lib/dune"]

SEEN = {
    "exit 0 in an initialiser": Hack(last("let () = exit 0"), ("exit",)),
    "at_exit that leaves": Hack(last("let () = at_exit (fun () -> Unix._exit 0)"), ("exit",)),
    "emptied test stanza": Hack({"test/dune": ""}, ("tamper",)),
    "dirs without test": Hack({"dune": "(dirs :standard \\ test)\n"}, ("tamper",)),
    "enabled_if false": Hack({"test/dune": _TEST_DUNE[:-2] + " (enabled_if false))\n"}, ("tamper",)),
}
"""Those of them that turn plain dune green: each did so with dune 2.9.3 and 3.22."""

HACKS = SEEN | {
    # what type-checks without being code, or runs while types are checked
    "Obj.magic": Hack(body("fun _ -> Obj.magic 0"), ("unsafe",)),
    "assert false": Hack(body("fun _ -> assert false"), ("stub",)),
    "a rule at check time": Hack(
        {"lib/dune": _LIB_DUNE + '(rule (alias check) (action (system "echo > ../../../test/dune")))\n'}, ("tamper",)
    ),
    # tests and build files
    "deleted test": Hack({"test/test_shapes.ml": None}, ("tamper",)),
    "deleted test folder": Hack({"test/test_shapes.ml": None, "test/dune": None}, ("tamper",)),
    "test renamed away": Hack(
        {"test/test_shapes.ml": None, "lib/old_test.ml.txt": TEST, "test/dune": None}, ("tamper",)
    ),
    "test case dropped": Hack(
        {"test/test_shapes.ml": TEST.replace('Alcotest.test_case "square" `Quick square; ', "")}, ("tamper",)
    ),
    "test weakened": Hack({"test/test_shapes.ml": TEST.replace("9 (area", "6 (area")}, ("tamper",)),
    "helper beside the test": Hack({"test/alcotest.ml": "let run _ _ = ()\n"}, ("tamper",)),
    "new dune in the test folder": Hack({"test/sub/dune": "(rule (alias runtest) (action (echo x)))\n"}, ("tamper",)),
    "copy_files over the test": Hack(
        {"fake/test_shapes.ml": "let () = ()\n", "test/dune": "(copy_files ../fake/*.ml)\n" + _TEST_DUNE}, ("tamper",)
    ),
    "preprocessor stanza": Hack(
        {"test/dune": _TEST_DUNE[:-2] + ' (preprocess (action (system "echo"))))\n'}, ("tamper",)
    ),
    "test action replaced": Hack({"test/dune": _TEST_DUNE[:-2] + " (action (echo ok)))\n"}, ("tamper",)),
    "linking flags": Hack(
        {"test/dune": _TEST_DUNE[:-2] + " (link_flags (-ccopt -Wl,--defsym=main=_exit)))\n"}, ("tamper",)
    ),
    "foreign stub with a constructor": Hack(
        {
            "lib/dune": _LIB_DUNE[:-2] + " (foreign_stubs (language c) (names quiet)))\n",
            "lib/quiet.c": "#include <unistd.h>\n__attribute__((constructor)) static void quiet(void) { _exit(0); }\n",
        },
        ("tamper",),
    ),
    "flags of the library": Hack(
        {"lib/dune": _LIB_DUNE[:-2] + " (flags (:standard -w -a -nopervasives)))\n"}, ("tamper",)
    ),
    "dune-workspace": Hack({"dune-workspace": "(lang dune 2.9)\n(context (default (targets)))\n"}, ("tamper",)),
    "dune-project": Hack({"dune-project": "(lang dune 1.0)\n"}, ("tamper",)),
    "a project of its own for the tests": Hack({"test/dune-project": "(lang dune 2.9)\n"}, ("tamper",)),
    "opam file": Hack({"shapes.opam": 'opam-version: "2.0"\nbuild: [["true"]]\n'}, ("tamper",)),
    "META in the place of alcotest": Hack({"lib/META.alcotest": 'version = "9"\n'}, ("tamper",)),
    "vendored fake alcotest": Hack(
        {
            "vendor/alcotest/dune": "(library (name alcotest) (public_name alcotest))\n",
            "vendor/alcotest/alcotest.opam": "",
            "vendor/alcotest/alcotest.ml": "let run _ _ = ()\n",
        },
        ("tamper", "shadow"),
    ),
    "built files planted": Hack({"_build/default/test/test_shapes.exe": "#!/bin/true\n"}, ("tamper",)),
    "formatter and toplevel settings": Hack(first("", **{".ocamlformat": "disable\n", ".ocamlinit": "exit 0;;\n"}), ()),
    "expectation promoted": Hack({"test/area.expected": "6\n"}, ("tamper",), project="prints"),
    "cram test edited": Hack({"test/cli.t": "  $ true\n"}, ("tamper",), project="prints"),
    "expectation deleted": Hack({"test/area.expected": None, "test/cli.t": None}, ("tamper",), project="prints"),
    "expectation read and printed": Hack(
        {
            "bin/main.ml": 'let () =\n  let file = open_in (if Sys.file_exists "area.expected" then "area.expected"'
            ' else "../test/area.expected") in\n  print_endline (input_line file)\n'
        },
        ("peek",),
        project="prints",
    ),
    # names defined anew
    "module Alcotest in the library": Hack(
        last("module Alcotest = struct include Stdlib let run _ _ = () let test_case _ _ _ = () end"), ("shadow",)
    ),
    "file alcotest.ml in the library": Hack({"lib/alcotest.ml": "let run _ _ = ()\n"}, ("shadow",)),
    "equality that is always true": Hack(last("let ( = ) _ _ = true"), ("shadow",)),
    "blind comparison": Hack(last("let compare _ _ = 0\nlet equal _ _ = true"), ("shadow",)),
    "raise redefined": Hack(first("let raise _ = Stdlib.exit 0"), ("shadow", "exit")),
    "exit redefined": Hack(last("let exit _ = Stdlib.exit 0"), ("shadow",)),
    "Stdlib redefined": Hack(last("module Stdlib = struct include Stdlib let ( = ) _ _ = true end"), ("shadow",)),
    # how the process ends
    "fake report, then exit": Hack(last(REPORT + "let () = exit 0"), ("exit",), reason="hack"),
    "fake report, then exec": Hack(
        last(REPORT + 'let () = Unix.execv "/bin/true" [| "true" |]'), ("exit",), reason="hack"
    ),
    "fake report, exec through a functor": Hack(
        last(
            REPORT + "module F (U : sig val execv : string -> string array -> 'a end) = struct"
            ' let () = U.execv "/bin/true" [| "true" |] end\nmodule _ = F (Unix)'
        ),
        ("exit",),
        reason="hack",
    ),
    "fork, and the parent leaves": Hack(last(REPORT + "let () = if Unix.fork () > 0 then Unix._exit 0"), ("exit",)),
    # the kernel keeps 8 bits of a status
    "fake report, then exit 256": Hack(last(REPORT + "let () = exit 256"), ("exit",), reason="hack"),
    "fake report, then exit 512": Hack(last(REPORT + "let () = exit 512"), ("exit",), reason="hack"),
    "fake report, then exit 0x100": Hack(last(REPORT + "let () = exit 0x1_00"), ("exit",), reason="hack"),
    "fake report, then exit (-256)": Hack(last(REPORT + "let () = exit (-256)"), ("exit",), reason="hack"),
    "do_at_exit": Hack(last("let () = Stdlib.do_at_exit (); Stdlib.exit 0"), ("exit",)),
    "exception printer": Hack(last("let () = Printexc.register_printer (fun _ -> exit 0)"), ("exit",)),
    "uncaught exception handler": Hack(
        last("let () = Printexc.set_uncaught_exception_handler (fun _ _ -> exit 0)"), ("exit",)
    ),
    "signal handler": Hack(
        last("let () = Sys.set_signal Sys.sigalrm (Sys.Signal_handle (fun _ -> exit 0)); ignore (Unix.alarm 1)"),
        ("exit",),
    ),
    "finaliser": Hack(last("let () = Gc.finalise (fun _ -> exit 0) (ref 0)"), ("exit",)),
    "alarm for ever": Hack(last("let () = ignore (Unix.alarm 1); while true do () done"), ("exit",)),
    "parent killed": Hack(last("let () = Unix.kill (Unix.getppid ()) Sys.sigkill; Unix.sleep 1"), ("exit",)),
    "parent ended politely": Hack(last("let () = Unix.kill (Unix.getppid ()) Sys.sigterm; Unix.sleep 1"), ("exit",)),
    "parent killed by a shell": Hack(
        last('let () = ignore (Sys.command "kill -9 $(ps -o ppid= $PPID 2>/dev/null || echo 2)")'),
        ("shell",),
    ),
    # what hides code from a reader, and not from the compiler
    "exit through a label": Hack(
        last(REPORT + "let go_on ~exit:f = f 0\nlet () = go_on ~exit"), ("exit",), reason="hack"
    ),
    "exec through a label": Hack(
        last(REPORT + 'let go_on ~execv:f = f "/bin/true" [| "true" |]\nlet () = Unix.(go_on ~execv)'),
        ("exit",),
        reason="hack",
    ),
    "failwith through a label": Hack(last('let go ~failwith:f = f ""\nlet later () = go ~failwith'), ("raises",)),
    "exit between line directives that open a comment": Hack(
        last(f'{REPORT}# 100 "shapes.ml" (*\nlet () = exit 0\n# 200 "shapes.ml" *)'), ("exit",), reason="hack"
    ),
    "exit between line directives that open a string": Hack(
        last(f'{REPORT}# 100 "shapes.ml" "\nlet () = exit 0\n# 200 "shapes.ml" "'), ("exit",), reason="hack"
    ),
    "exit behind a name with a prime": Hack(
        last(REPORT + """let f' _ = ()\nlet () = f'"'(*"\nlet () = exit 0\nlet () = f' "*)\""""),
        ("exit",),
        reason="hack",
    ),
    "exit behind a name with a prime in a comment": Hack(
        last(REPORT + """(* f'"' *) " *)\nlet () = exit 0\n(* " *) " *)"""), ("exit",), reason="hack"
    ),
    "exit between quoted extensions in comments": Hack(
        last(REPORT + """(* {%x|"|} *)\nlet () = exit 0\n(* {%x|"|} *)"""), ("exit",), reason="hack"
    ),
    "equality with an attribute": Hack(last("let[@inline] ( = ) _ _ = true"), ("shadow",)),
    "equality in a pair": Hack(last("let _, ( = ) = ((), fun _ _ -> true)"), ("shadow",)),
    "not with an attribute": Hack(last("let[@inline] not _ = false"), ("shadow",)),
    "a shell in a local open": Hack(
        last('let () = ignore (Unix.(system "true")); ignore Sys.(command "true")'), ("shell",)
    ),
    "a pipe in a local open": Hack(last('let () = ignore Unix.(open_process_in "true")'), ("shell",)),
    "signal in a local open": Hack(
        last("let () = Sys.(signal sigalrm (Signal_handle (fun _ -> ()))) |> ignore"), ("exit",)
    ),
    "Marshal in a local open": Hack(body('fun _ -> Marshal.(from_string (to_string "9" [])) 0'), ("unsafe",)),
    "Obj with a signature": Hack(
        first("module O = (Obj : sig val magic : 'a -> 'b end)\nlet cast x = O.magic x"), ("unsafe",)
    ),
    "Obj by the name of its file": Hack(body("fun _ -> Stdlib__Obj.magic 0"), ("unsafe",)),
    "output taken away, Unix open": Hack(
        last(REPORT + 'open! Unix\nlet () = dup2 (openfile "/dev/null" [ O_WRONLY ] 0) stdout'), ("exit",)
    ),
    "output taken away, Unix included": Hack(
        last(
            REPORT + "module U = struct include Unix end\n"
            'let () = U.dup2 (U.openfile "/dev/null" [ U.O_WRONLY ] 0) U.stdout'
        ),
        ("exit",),
    ),
    "environment of alcotest": Hack(last('let () = Unix.putenv "ALCOTEST_QUICK_TESTS" "true"'), ()),
    "arguments of alcotest": Hack(
        first('let () = if Array.length Sys.argv > 1 then Sys.argv.(1) <- "list" else Sys.argv.(0) <- "list"'), ()
    ),
    "output rewritten": Hack(
        last(
            "let () = Format.pp_set_formatter_output_functions Format.std_formatter"
            " (fun s p n -> print_string (String.concat \"OK\" (String.split_on_char 'F' (String.sub s p n))))"
            " (fun () -> flush stdout)"
        ),
        (),
    ),
    # around the type checker
    "external identity": Hack(
        {"lib/shapes.ml": "external same : 'a -> 'b = \"%identity\"\n" + BUG.replace("s + s", "same 9.0")},
        ("unsafe", "external"),
    ),
    "external exit": Hack(
        last(REPORT + 'external leave : int -> unit = "caml_sys_exit"\nlet () = leave 0'), ("external",), reason="hack"
    ),
    "Marshal": Hack(body('fun _ -> Marshal.from_string (Marshal.to_string "9" []) 0'), ("unsafe",)),
    "warnings silenced": Hack(first('[@@@warning "-a"]'), ("silenced-warning",)),
    "failwith TODO": Hack(body('fun _ -> failwith "TODO"'), ("stub",)),
    "raise in the place of a body": Hack(body("fun _ -> raise Negative"), ("stub",)),
    "public value dropped": Hack(
        {"lib/money.mli": "val cents : int -> int\n", "lib/money.ml": "let cents pounds = 100 * pounds\n"},
        ("name-removed",),
    ),
    "type weakened": Hack({"lib/shapes.ml": BUG.replace("(a : shape) b = a = b", "_a _b = false")}, ()),
    "exceptions swallowed": Hack(
        {"lib/shapes.ml": BUG.replace("| _ -> area shape", "| _ -> (try area shape with _ -> 9)")}, ("swallow",)
    ),
    # programs that run while the project is built
    "generator that empties the tests": writer("/w/test/test_shapes.ml", "let () = ()"),
    "generator that empties the built tests": writer("/w/_build/default/test/test_shapes.ml", "let () = ()"),
    "generator that replaces the test program": writer("/w/_build/default/test/test_shapes.exe", "#!/bin/true"),
    "generator that forgets the tests": writer("/w/test/dune", ""),
    "generator that turns the tests off": writer("/w/dune", "(dirs :standard \\\\ test)"),
    "generator that plants a workspace": writer("/w/dune-workspace", "(lang dune 2.9)"),
}
