"""When a run of the tests must show named results."""

from typing import TYPE_CHECKING

import pytest

from greenloop.builds.toolchains import detect
from greenloop.builds.toolchains.stanzas import expects_results
from greenloop.records import InputError

if TYPE_CHECKING:
    from tests.builds.conftest import Bench


@pytest.mark.parametrize(
    ("dune", "expected"),
    [
        ("(test (name a) (libraries alcotest))", True),
        ("(tests (names a b) (libraries x alcotest y))", True),
        ("(library (name x))\n(test\n (name a)\n (libraries\n  alcotest-lwt))", True),
        ("(test (name a) (libraries ounit2))", False),
        ("; (test (name a) (libraries alcotest))", False),
        ("(executable (name a) (libraries alcotest))", False),
        ("(test (name a) (enabled_if false) (libraries alcotest))", False),
        ("(test (name a) (libraries alcotest) (action (run %{test} -q)))", False),
        ("(vendored_dirs x)\n(test (name a) (libraries alcotest))", False),
        ("(test (name a)", False),
        ("", False),
    ],
)
def test_expects_results(bench: "Bench", dune: str, expected: bool) -> None:
    assert expects_results(bench.store, bench.tree({"test/dune": dune, "a.ml": ""})) is expected


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["dune-project", "a.py"], "dune"),
        (["dune-workspace"], "dune"),
        (["lib/dune", "lib/a.ml"], "dune"),
        (["sub/hw1.ml", "README"], "ocaml_file"),
        (["a.mli"], "ocaml_file"),
    ],
)
def test_detect(bench: "Bench", paths: list[str], expected: str) -> None:
    assert detect(bench.store, bench.tree(dict.fromkeys(paths, ""))) == expected


def test_what_cannot_be_told_asks_for_a_description(bench: "Bench") -> None:
    with pytest.raises(InputError, match=r"cannot tell how.*choose the toolchain 'command'"):
        detect(bench.store, bench.tree({"a.py": ""}))
