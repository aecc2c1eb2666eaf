"""The suite in OCaml, for every dune."""

from tests.ces.conformance.suite import Change, Language

from greenloop.records import Block, DeleteFile, RenameFile, ReplaceBlocks, WriteFile

AREA = "let square side = side * side\n\nlet double x = 2 * x\n"
REPORT = 'let line side = Printf.sprintf "area %d" (Area.square side)\n\nlet title = "shapes"\n'
FILES = {
    "dune-project": "(lang dune 2.9)\n",
    "src/dune": "(library (name geo))\n",
    "src/area.ml": AREA,
    "src/report.ml": REPORT,
    "src/report.mli": "val line : int -> string\nval title : string\n",
    "src/spare.ml": "let nothing = ()\n",
    "bin/main.ml": "let () =\n"
    "  let table = open_in Sys.argv.(1) in\n"
    "  print_int (Geo.Area.double (int_of_string (input_line table)))\n",
    "bin/dune": "(executable (name main) (libraries geo))\n"
    "(rule (with-stdout-to areas.txt (run ./main.exe %{dep:sides.txt})))\n",
    "bin/sides.txt": "4\n",
    "test/dune": "(test (name test_geo) (libraries geo alcotest))\n",
    "test/test_geo.ml": "open Geo\n"
    'let square () = Alcotest.(check int) "square" 9 (Area.square 3)\n'
    'let line () = Alcotest.(check string) "line" "area 9" (Report.line 3)\n'
    'let () = Alcotest.run "geo" [ ("area", [ Alcotest.test_case "square" `Quick square ]);\n'
    '  ("report", [ Alcotest.test_case "line" `Quick line ]) ]\n',
}
SQUARE, LINE = "geo/area/0/square", "geo/report/0/line"


def area(search: str, replace: str) -> ReplaceBlocks:
    """Change lines of ``src/area.ml``."""
    return ReplaceBlocks(path="src/area.ml", blocks=(Block(search=search, replace=replace),))


ONE, TWO = "let square side = side * side\n", "let double x = 2 * x\n"
CHANGES = {
    "a change that keeps everything": Change((area(TWO, "let double x = x + x\n"),), logs="Test Successful"),
    "a syntax error": Change((area(TWO, "let double x = 2 *\n"),), place=("src/area.ml", 4, 0), logs="Syntax error"),
    "a type error": Change((area(TWO, 'let double x = 2 * "x"\n'),), place=("src/area.ml", 3, 19), logs="string"),
    "a change that breaks another file": Change(
        (area(ONE, "let squared side = side * side\n"),), place=("src/report.ml", 1, 42), says="Area.square"
    ),
    "what only the build refuses": Change((WriteFile(path="bin/sides.txt", content="four\n"),), logs="int_of_string"),
    "a failing test": Change((area(ONE, "let square side = side * 4\n"),), failed=(SQUARE, LINE), logs="12"),
    "a test that never ends": Change((area(ONE, "let rec square side = square side\n"),), says="stopped after"),
    "tests that are never seen": Change(
        (area(ONE, "let square side = side * side\nlet () = Stdlib.exit 0\n"),), says="no test was seen"
    ),
    "a new file": Change(
        (
            WriteFile(path="src/cube.ml", content="let cube side = side * Area.square side\n"),
            area(TWO, "let double x = x + x\n"),
        )
    ),
    "a new file with an error": Change(
        (WriteFile(path="src/cube.ml", content='\nlet cube side = side ^ Area.square "side"\n'),),
        place=("src/cube.ml", 2, 35),
    ),
    "a deleted file that nothing needs": Change((DeleteFile(path="src/spare.ml"),)),
    "a deleted file that is needed": Change((DeleteFile(path="src/area.ml"),), place=("src/report.ml", 1, 42)),
    "a renamed file": Change(
        (
            RenameFile(path="src/area.ml", new_path="src/areas.ml"),
            WriteFile(path="src/report.ml", content=REPORT.replace("Area.", "Areas.")),
            WriteFile(path="src/area.ml", content="include Areas\n"),
        )
    ),
    "a renamed file that is missed": Change(
        (RenameFile(path="src/area.ml", new_path="src/areas.ml"),), place=("src/report.ml", 1, 42)
    ),
    "text that is not ASCII": Change(
        (
            WriteFile(path="src/données ✓.txt", content="été 🐫\n"),
            ReplaceBlocks(
                path="src/report.ml",
                blocks=(Block(search='let title = "shapes"\n', replace='(* été 🐫 *)\nlet title = "façades 🐫"\n'),),
            ),
        )
    ),
    "a failure told in text that is not ASCII": Change(
        (WriteFile(path="src/report.ml", content=REPORT.replace("area %d", "aire carrée 🐫 %d")),),
        failed=(LINE,),
        logs="aire carr",
    ),
    "lines that end in CR LF": Change((WriteFile(path="src/area.ml", content=AREA.replace("\n", "\r\n")),)),
    "an error in lines that end in CR LF": Change(
        (WriteFile(path="src/area.ml", content=AREA.replace("2 * x", '2 * "x"').replace("\n", "\r\n")),),
        place=("src/area.ml", 3, 19),
    ),
    "leftovers of other builds": Change(
        (area(TWO, "let double x = x + x\n"),),
        beneath={
            "_build/default/src/area.ml": "let broken = \n",
            "_build/default/src/.geo.objs/byte/geo__Area.cmi": b"\0not a cmi\xff",
            "_build/log": "# an old log\n",
            "_build/.db": b"\0\1\2",
            "src/area.cmi": b"\0stale",
            "src/area.ml.orig": "let broken = \n",
        },
    ),
    "leftovers that hide a failure": Change(
        (area(ONE, "let square side = side * 4\n"),),
        beneath={
            "_build/default/src/area.ml": AREA,
            "_build/default/test/test_geo.exe": "#!/bin/sh\nexit 0\n",
            "_build/.filesystem-clock": "",
            "src/area.cmo": b"\0stale",
        },
        failed=(SQUARE, LINE),
    ),
}
LANGUAGE = Language(FILES, (SQUARE, LINE), CHANGES)
