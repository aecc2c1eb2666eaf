"""The parser of OCaml's and dune's output: captured text, hand-made corners, and the compiler that is here."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenloop.builds.diagnostics import MAX_MESSAGE, alcotest, ocaml
from greenloop.records import Category, Diagnostic, Severity, Span

CAPTURED = sorted(Path(__file__).with_name("captured").glob("*.txt"))


def render(diagnostic: Diagnostic) -> str:
    """One line a diagnostic, as the captured files write what they expect."""
    span = diagnostic.span
    where = f"{span.line}:{span.column}-{span.end_line}:{span.end_column}" if span else "-"
    message = diagnostic.message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{diagnostic.severity} {diagnostic.category} {diagnostic.path or "-"} {where} "{message}"'


def check(printed: str, expected: str) -> None:
    """Both parsers, one after the other, as the dune toolchain uses them."""
    seen = alcotest.parse(printed.encode())
    lines = [render(diagnostic) for diagnostic in (*ocaml.parse(seen.rest), *seen.diagnostics)]
    lines += [f"test {result.status} {result.name}" for result in seen.results]
    assert lines == expected.strip().splitlines()


def captured() -> list[object]:
    cases: list[object] = []
    for file in CAPTURED:
        for block in re.split(r"^=== ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            name, _, rest = block.partition("\n")
            printed, _, expected = rest.partition("--- expected\n")
            cases.append(pytest.param(printed, expected, id=f"{file.stem}-{name}"))
    return cases


@pytest.mark.parametrize(("printed", "expected"), captured())
def test_captured_output(printed: str, expected: str) -> None:
    check(printed, expected)


def test_there_is_captured_output_of_both_generations() -> None:
    assert len(CAPTURED) == 2
    assert len(captured()) >= 60


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        pytest.param(
            'File "a.ml", line 3, characters 4-9:\nWarning 8 [partial-match]: not exhaustive.\n',
            'warning warning a.ml 3:4-3:9 "not exhaustive."',
            id="a-warning",
        ),
        pytest.param(
            'File "a.ml", line 3, characters 4-9:\nAlert deprecated: g\nold\n',
            'warning warning a.ml 3:4-3:9 "g\\nold"',
            id="an-alert",
        ),
        pytest.param(
            'File "a.ml", line 3, characters 4-9:\nError (alert deprecated): g\n',
            'error warning a.ml 3:4-3:9 "g"',
            id="an-alert-made-an-error",
        ),
        pytest.param(
            'File "./_build/default/lib/a.ml", line 1:\nError: Unbound value x\nHint: Did you mean y?\n',
            'error unbound lib/a.ml 1:0-1:0 "Unbound value x\\nHint: Did you mean y?"',
            id="a-path-in-the-build-folder-and-a-hint",
        ),
        pytest.param(
            'File "/w/lib/a.ml", lines 3-5, characters 4-7:\n3 | ....begin\n4 |  1\n5 |  end\nError: no type\n',
            'error type lib/a.ml 3:4-5:7 "no type"',
            id="several-lines",
        ),
        pytest.param(
            'File "a.ml", line 1, characters 0-1:\nError: Unbound value x\n' * 3,
            'error unbound a.ml 1:0-1:1 "Unbound value x"',
            id="duplicates",
        ),
        pytest.param(
            'File "a.ml", line 2, characters 0-1:\n2 | File "b.ml", line 9, characters 1-2:\n    ^\n'
            "Error: Syntax error\n",
            'error syntax a.ml 2:0-2:1 "Syntax error"',
            id="an-excerpt-that-looks-like-a-place",
        ),
        pytest.param(
            '\x1b[1mFile "a.ml", line 1, characters 0-1\x1b[0m:\n\x1b[1;31mError\x1b[0m: Unbound value x\n',
            'error unbound a.ml 1:0-1:1 "Unbound value x"',
            id="colours",
        ),
        pytest.param(
            'File "_none_", line 1:\nError: No implementations provided for the following modules:\n'
            "         Foo referenced from bin/main.cmx\n",
            'error dependency - - "No implementations provided for the following modules:\\n'
            '  Foo referenced from bin/main.cmx"',
            id="the-linker-of-ocaml",
        ),
        pytest.param(
            'File "lib/dune", line 1, characters 36-40:\nError: Library "util" not found.\n'
            '-> required by library "geometry" in _build/default/lib\nHint: try:\n'
            "  dune external-lib-deps --missing @check\n",
            'error dependency lib/dune 1:36-1:40 "Library \\"util\\" not found."',
            id="what-depends-on-the-command-is-dropped",
        ),
        pytest.param("make: *** [all] Error 2\nall is well\n\n", "", id="nothing-of-ours"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_written_output(printed: str, expected: str) -> None:
    check(printed, expected)


def test_a_message_of_megabytes_is_clipped() -> None:
    printed = 'File "a.ml", line 1, characters 0-1:\nError: Unbound value ' + "x" * 3_000_000
    (diagnostic,) = ocaml.parse(printed)
    assert MAX_MESSAGE <= len(diagnostic.message) < MAX_MESSAGE + 10
    assert diagnostic.category is Category.UNBOUND


_LINES = st.sampled_from(
    [
        'File "a.ml", line 3, characters 4-9:', 'File "a.ml", line 0, characters 9-4:', 'File "x", lines 9-3:',
        'File "":', "Error: x", "Error (warning 3): x", "Warning 3: y", "3 | code", "    ^^^", "  indented", "",
        "(cd _build && x)", "   ocamlc a (exit 2)", "/usr/bin/ld: x", "Testing `a'.", "  [OK]   a   0   b.",
        "> [FAIL]   a   1   c.", "│ [FAIL]   a   1   c. │", " ──────────────", "2 failures! in 0.1s. 2 tests run.",
    ]
)  # fmt: skip


@given(st.lists(_LINES | st.text(max_size=20), max_size=12))
def test_no_text_makes_it_fail(lines: list[str]) -> None:
    seen = alcotest.parse("\n".join(lines))
    for diagnostic in ocaml.parse(seen.rest):
        assert diagnostic.message or diagnostic.severity is Severity.ERROR


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(output: bytes) -> None:
    ocaml.parse(output)
    alcotest.parse(output)


@pytest.mark.parametrize(
    ("source", "category", "span", "begins"),
    [
        ("let x = 1 + true\n", Category.TYPE, (1, 12, 1, 16), "This expression has type bool"),
        ("let y =\n  z\n", Category.UNBOUND, (2, 2, 2, 3), "Unbound value z"),
        ("let é = 1 in\n", Category.SYNTAX, None, ""),
        ('let s = "é" ^ 1\n', Category.TYPE, (1, 15, 1, 16), ""),
        ("let x = (1 + 2\nlet y = 3\n", Category.SYNTAX, (2, 0, 2, 3), "Syntax error: "),
        ('let x = "abc\n', Category.SYNTAX, (1, 8, 1, 9), "String literal not terminated"),
        ("(* never closed\n", Category.SYNTAX, (1, 0, 1, 2), "Comment not terminated"),
        ('let f (x : int) : string =\n  if x > 0 then begin\n    1\n  end else ""\n', Category.TYPE, None, ""),
        ("let x = M.y\n", Category.UNBOUND, (1, 8, 1, 11), "Unbound module"),
        ("let x = '\\9'\n", Category.SYNTAX, None, "Illegal backslash escape"),
    ],
)
def test_the_compiler_that_is_here(
    tmp_path: Path, source: str, category: Category, span: tuple[int, int, int, int] | None, begins: str
) -> None:
    (tmp_path / "a.ml").write_text(source, "utf-8")
    done = subprocess.run(
        ["ocamlc", "-w", "-a", "-stop-after", "typing", "-c", "a.ml"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 2
    (diagnostic,) = ocaml.parse(done.stderr)
    assert (diagnostic.severity, diagnostic.category, diagnostic.path) == (Severity.ERROR, category, "a.ml")
    assert diagnostic.message.startswith(begins)
    if span is not None:
        line, column, end_line, end_column = span
        assert diagnostic.span == Span(line=line, column=column, end_line=end_line, end_column=end_column)
