"""Output made to exhaust or to mislead whoever reads it. Patterns that take ages hold all threads of a service."""

import threading
from collections.abc import Callable

import pytest

from greenloop.builds.diagnostics import alcotest, ocaml
from greenloop.builds.diagnostics.pattern import DIAGNOSTIC_GROUPS, compile_pattern, parse_diagnostics, parse_tests
from greenloop.builds.diagnostics.text import MAX_DIAGNOSTICS, MAX_NAME, MAX_TESTS
from greenloop.builds.toolchains.command import CommandConfig
from greenloop.records import Category

PLACE = 'File "a.ml", line 1, characters 1-2:\n'
WALLS = {
    "blanks after a status": "Testing `x'.\n  [OK]" + " " * 200_000 + "x\n",
    "blanks in a box": "Testing `x'.\n│ [FAIL]" + " " * 200_000 + "│\n",
    "indices": "Testing `x'.\n  [OK]" + " 1   " * 200_000 + "\n",
    "quotes": "Testing " + "'." * 200_000 + "\n",
    "folders": "(cd x " + " && " * 200_000 + "\n",
    "exits": "x" + " (exit " * 200_000 + "\n",
    "signals": "x (got signal " + "w" * 500_000 + "\n",
    "aliases": "x alias " * 200_000 + "\n",
    "excerpts": PLACE + " " * 500_000 + "\n",
    "carets": PLACE + "^~ " * 200_000 + "x\n",
    "warnings": PLACE + "Error (warning " * 100_000 + "\n",
    "linkers": "ld." * 200_000 + "\n" + ":" * 500_000 + "\n",
    "escapes": "\x1b[" * 500_000 + "\x1b[" + "0;" * 500_000,
    "one long line": "a" * 1_000_000,
    "many errors": "".join(f'File "a.ml", line {n}, characters 1-2:\nError: x {n}\n' for n in range(20_000)),
    "many continuations": PLACE + "Error: x\n" + "  y\n" * 100_000,
    "many related places": (PLACE + "Error: x\n") + (PLACE + "  z\n") * 10_000,
    "digits": f'File "a.ml", line {"9" * 9999}-{"9" * 9999}, characters {"1" * 9999}-{"2" * 9999}:\nError: x\n',
    "no text at all": "\0" * 1_000_000,
}


def in_time(work: Callable[[], object]) -> None:
    """Fail where the work takes 60 seconds, for which no machine is slow enough."""
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(60)
    assert not worker.is_alive()


@pytest.mark.parametrize("name", WALLS)
def test_every_parser_comes_to_an_end(name: str) -> None:
    text = WALLS[name].encode()
    pattern = compile_pattern(
        CommandConfig(check="x").diagnostic_pattern, groups=DIAGNOSTIC_GROUPS, needs=frozenset(), what="pattern"
    )

    def work() -> None:
        seen = alcotest.parse(text)
        found = (*ocaml.parse(text), *ocaml.parse(seen.rest))
        assert len(found) <= 2 * MAX_DIAGNOSTICS
        parse_diagnostics(text, pattern, category=Category.OTHER)

    in_time(work)


def test_numbers_of_any_length_are_read() -> None:
    (error,) = ocaml.parse(WALLS["digits"])
    assert error.span is not None
    assert error.span.line == 10**9
    pattern = compile_pattern(
        CommandConfig(check="x").diagnostic_pattern, groups=DIAGNOSTIC_GROUPS, needs=frozenset(), what="pattern"
    )
    (error,) = parse_diagnostics(f"a.py:{'9' * 9999}:{'8' * 9999}: error: no\n", pattern, category=Category.TYPE)
    assert error.span is not None
    assert error.span.line == 10**9


def test_test_results_are_bounded_in_number_and_length() -> None:
    pattern = compile_pattern(
        r"^(?P<status>ok) - (?P<name>.+)$", groups=frozenset({"name", "status"}), needs=frozenset(), what="pattern"
    )
    many = parse_tests("".join(f"ok - {n}\n" for n in range(MAX_TESTS + 10)), pattern)
    assert len(many) == MAX_TESTS
    (long,) = parse_tests("ok - " + "x" * 100_000, pattern)
    assert len(long.name) == MAX_NAME
    run = "Testing `x'.\n" + "".join(f"  [OK]  s  {n}   t.\n" for n in range(MAX_TESTS + 10))
    assert len(alcotest.parse(run).results) == MAX_TESTS


@pytest.mark.parametrize(
    "line",
    ["  [OK]          12   x.", "  [OK] suite 1  x.", "  [OK]suite 1   x.", " [OK] suite 1   x.", "  [YES] s 1   x."],
)
def test_what_only_looks_like_a_result_is_none(line: str) -> None:
    assert alcotest.parse(f"Testing `x'.\n{line}\n").results == ()


def test_suites_with_blanks_and_digits_keep_their_names() -> None:
    (one,) = alcotest.parse("Testing `x'.\n  [OK]     area 2 of 3          0   a 1   b.\n").results
    assert one.name == "x/area 2 of 3/0/a 1   b"
