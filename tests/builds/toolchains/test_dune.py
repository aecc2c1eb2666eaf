"""dune for real: every stage red and green, and warm trees that agree with a plain build from nothing."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.diagnostics import alcotest, ocaml
from greenloop.builds.toolchains.dune import Dune, DuneConfig
from greenloop.records import Category, EnvironmentFault, Severity, Stage, Status, Suite, TestStatus, TreeId, Verdict

if TYPE_CHECKING:
    from tests.builds.conftest import Bench

ML, MLI, TEST = "geometry/geometry.ml", "geometry/geometry.mli", "test/test_geometry.ml"
Changes = dict[str, str | None]


def replaced(path: str, old: str, new: str) -> Callable[["Bench", TreeId], Changes]:
    def change(bench: "Bench", tree: TreeId) -> Changes:
        text = bench.text(tree, path)
        assert old in text
        return {path: text.replace(old, new)}

    return change


def added(path: str, text: str) -> Callable[["Bench", TreeId], Changes]:
    return lambda bench, tree: {path: bench.text(tree, path) + text}


def files(**changes: str | None) -> Callable[["Bench", TreeId], Changes]:
    named = {name.replace("__", "/").replace("_ml", ".ml"): text for name, text in changes.items()}
    return lambda bench, tree: named


def moved(old: str, new: str) -> Callable[["Bench", TreeId], Changes]:
    return lambda bench, tree: {old: None, new: bench.text(tree, old)}


def both(*edits: Callable[["Bench", TreeId], Changes]) -> Callable[["Bench", TreeId], Changes]:
    return lambda bench, tree: {path: text for edit in edits for path, text in edit(bench, tree).items()}


EDITS = {
    "nothing": (files(), Suite.TEST, Status.GREEN, None),
    "a comment": (added("util/sums.ml", "(* more *)\n"), Suite.CHECK, Status.GREEN, None),
    "a body": (replaced(ML, "s * s", "s * (s + 0)"), Suite.TEST, Status.GREEN, None),
    "wrong type": (replaced(ML, "3 * r", '"3" * r'), Suite.CHECK, Status.RED, Category.TYPE),
    "wrong type at the root": (replaced("util/sums.ml", "x + y", "x +. y"), Suite.CHECK, Status.RED, Category.TYPE),
    "unbound value": (replaced(ML, "Util.Sums.add", "Util.Sums.sum"), Suite.CHECK, Status.RED, Category.UNBOUND),
    "unbound module": (replaced(ML, "Util.Names", "Util.Nouns"), Suite.CHECK, Status.RED, Category.UNBOUND),
    "syntax error": (added(ML, "let x = 1 in\n"), Suite.CHECK, Status.RED, Category.SYNTAX),
    "syntax error in an interface": (added(MLI, "val x :\n"), Suite.CHECK, Status.RED, Category.SYNTAX),
    "syntax error in the program": (added("bin/main.ml", "let )\n"), Suite.CHECK, Status.RED, Category.SYNTAX),
    "two errors": (
        both(added("util/names.ml", "let x = nowhere\n"), added("util/sums.ml", "let y : int = true\n")),
        Suite.CHECK, Status.RED, Category.UNBOUND,
    ),
    "unused value": (added(ML, "let unused = 1\n"), Suite.CHECK, Status.RED, Category.WARNING),
    "unused variable": (added("util/sums.ml", "let f x = let y = 1 in x\n"), Suite.CHECK, Status.RED, Category.WARNING),
    "partial match": (added(ML, "let _ = function Circle 1 -> 1\n"), Suite.CHECK, Status.RED, Category.WARNING),
    "value added to the interface": (
        both(added(MLI, "val one : int\n"), added(ML, "let one = 1\n")), Suite.BUILD, Status.GREEN, None,
    ),
    "interface asks for more": (added(MLI, "val one : int\n"), Suite.CHECK, Status.RED, Category.TYPE),
    "interface gives less": (replaced(MLI, "val total", "val totals"), Suite.CHECK, Status.RED, Category.UNBOUND),
    "interface deleted": (files(geometry__geometry_mli=None), Suite.BUILD, Status.GREEN, None),
    "interface made": (
        files(util__sums_mli="val add : int -> int -> int\n"), Suite.CHECK, Status.RED, Category.WARNING,
    ),
    "module deleted": (files(util__names_ml=None), Suite.CHECK, Status.RED, Category.UNBOUND),
    "module added": (files(util__more_ml="let more = Names.square\n"), Suite.BUILD, Status.GREEN, None),
    "module renamed": (moved("util/names.ml", "util/nouns.ml"), Suite.CHECK, Status.RED, Category.UNBOUND),
    "module renamed with its use": (
        both(moved("util/names.ml", "util/nouns.ml"), replaced(ML, "Util.Names", "Util.Nouns")),
        Suite.BUILD, Status.GREEN, None,
    ),
    "cycle of modules": (
        both(added("util/names.ml", "let a = Sums.add\n"), added("util/sums.ml", "let b = Names.square\n")),
        Suite.CHECK, Status.RED, Category.DEPENDENCY,
    ),
    "library gone": (replaced("geometry/dune", "util", "utils"), Suite.CHECK, Status.RED, Category.DEPENDENCY),
    "library renamed": (replaced("util/dune", "util", "utils"), Suite.CHECK, Status.RED, Category.DEPENDENCY),
    "folder deleted": (
        files(util__dune=None, util__sums_ml=None, util__names_ml=None), Suite.CHECK, Status.RED, Category.DEPENDENCY,
    ),
    "folder becomes a file": (
        files(bin__dune=None, bin__main_ml=None, bin="no folder\n"), Suite.BUILD, Status.GREEN, None,
    ),
    "dune file unclosed": (files(util__dune="(library (name util)\n"), Suite.CHECK, Status.RED, Category.SYNTAX),
    "dune field unknown": (
        files(util__dune="(library (name util) (colour red))\n"), Suite.CHECK, Status.RED, Category.DEPENDENCY,
    ),
    "dune flags": (
        files(util__dune="(library (name util) (flags (:standard -open Nowhere)))\n"),
        Suite.CHECK, Status.RED, Category.UNBOUND,
    ),
    "wrong language": (files(**{"dune-project": "(lang dune 99.0)\n"}), Suite.CHECK, Status.RED, Category.DEPENDENCY),
    "rule that fails": (
        added("util/dune", '(rule (targets x) (action (system "echo hello; exit 3")))\n'),
        Suite.BUILD, Status.RED, Category.OTHER,
    ),
    "rule that makes a module": (
        both(
            added("util/dune", "(rule (with-stdout-to made.ml (echo \"let made = 1\")))\n"),
            added(ML, "let _made = Util.Made.made\n"),
        ),
        Suite.BUILD, Status.GREEN, None,
    ),
    "missing C function": (
        added("util/sums.ml", 'external f : int -> int = "no_such_function"\nlet g x = f x\n'),
        Suite.BUILD, Status.RED, Category.DEPENDENCY,
    ),
    "failing test": (replaced(ML, "s * s", "s + s + 1"), Suite.TEST, Status.RED, Category.TEST),
    "raising initialiser": (added("util/names.ml", 'let () = failwith "boo"\n'), Suite.TEST, Status.RED, Category.TEST),
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in EDITS if EDITS[name][1] is not Suite.TEST])
def test_a_warm_tree_agrees_with_a_plain_build(small_bench: "Bench", small: TreeId, tmp_path: Path, name: str) -> None:
    agree(small_bench, small, tmp_path, name)


@pytest.mark.parametrize("name", [name for name in EDITS if EDITS[name][1] is Suite.TEST])
def test_a_warm_tree_agrees_with_plain_tests(
    project_bench: "Bench", project: TreeId, tmp_path: Path, name: str
) -> None:
    agree(project_bench, project, tmp_path, name)


def agree(bench: "Bench", base: TreeId, folder: Path, name: str) -> None:
    edit, suite, status, category = EDITS[name]
    engine = bench.engine(Dune())
    # the base is warm and green, so that every edit is judged above it
    assert engine.judge(base, Suite.BUILD).green
    tree = bench.edit(base, edit(bench, base))
    verdict = engine.judge(tree, suite)
    assert verdict.status is status, verdict
    assert (verdict.errors[0].category if verdict.errors else None) is category
    assert len(list((bench.root / "scratch" / "warm").glob("*/w"))) == 1
    plain_status, plain_errors = plain(bench, tree, suite, folder)
    assert plain_status is status
    if category not in {Category.OTHER, Category.TEST}:
        # those two have no place and no form of their own: the toolchain words what dune leaves open
        assert {(d.path, d.span, d.message, d.category) for d in verdict.errors} == plain_errors


def plain(bench: "Bench", tree: TreeId, suite: Suite, folder: Path) -> tuple[Status, set[object]]:
    """What ``dune build`` says of a clean copy, without any of Greenloop but the parser."""
    bench.store.materialise(tree, folder / "w")
    for stage in suite.stages[1:]:
        alias = {Stage.TYPES: "@check", Stage.BUILD: "@all", Stage.TESTS: "@runtest"}[stage]
        done = subprocess.run(
            ["dune", "build", "--root", ".", "--display", "quiet", alias],
            cwd=folder / "w",
            env={"PATH": os.environ["PATH"], "DUNE_CACHE": "disabled", "HOME": str(folder)},
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            text = alcotest.parse(done.stderr).rest.replace(f"{folder / 'w'}/", "/w/")
            found = ocaml.parse(text)
            return Status.RED, {(d.path, d.span, d.message, d.category) for d in found if d.severity is Severity.ERROR}
    return Status.GREEN, set()


def test_there_are_many_kinds_of_edits() -> None:
    assert len(EDITS) >= 30
    assert {category for _, _, _, category in EDITS.values()} >= set(Category) - {None}


def judged(bench: "Bench", project: TreeId, suite: Suite, path: str, text: str) -> Verdict:
    return bench.engine(Dune()).judge(bench.edit(project, {path: bench.text(project, path) + text}), suite)


def test_every_stage_is_named_where_it_ends(project_bench: "Bench", project: TreeId) -> None:
    bench = project_bench
    green = bench.engine(Dune()).judge(project, Suite.TEST)
    assert [result.stage for result in green.stages] == list(Stage)
    assert [(result.name, result.status) for result in green.tests] == [
        ("geometry/area/0/a square", TestStatus.PASSED),
        ("geometry/total/0/all of them", TestStatus.PASSED),
    ]
    assert green.sandboxed
    assert not green.diagnostics
    for text, stage in (("let x = in", Stage.PARSE), ("let x = 1 + true", Stage.TYPES)):
        verdict = judged(bench, project, Suite.TEST, "util/sums.ml", f"{text}\n")
        assert verdict.status is Status.RED
        assert verdict.stages[-1].stage is stage
        assert verdict.errors[0].path == "util/sums.ml"
    external = 'external f : int -> int = "no_such_function"\nlet g x = f x\n'
    assert judged(bench, project, Suite.TEST, "util/sums.ml", external).stages[-1].stage is Stage.BUILD


def test_a_failing_test_is_named(project_bench: "Bench", project: TreeId) -> None:
    bench = project_bench
    tree = bench.edit(project, replaced(ML, "s * s", "s + s + 1")(bench, project))
    verdict = bench.engine(Dune()).judge(tree, Suite.TEST)
    assert verdict.stages[-1].stage is Stage.TESTS
    assert verdict.passed(Stage.BUILD)
    assert {result.name: result.status for result in verdict.tests} == {
        "geometry/area/0/a square": TestStatus.FAILED,
        "geometry/total/0/all of them": TestStatus.FAILED,
    }
    assert "Expected: `4'" in verdict.errors[0].message


def test_a_failure_without_a_name_is_told_beside_one_with_a_name(project_bench: "Bench", project: TreeId) -> None:
    wrong = project_bench.text(project, "geometry/geometry.ml").replace("3 * r", "4 * r")
    both = {
        "geometry/geometry.ml": wrong,
        "test/dune": "(tests (names test_geometry other) (libraries geometry alcotest))\n",
        "test/other.ml": "let () = exit 3\n",
    }
    verdict = project_bench.engine(Dune()).judge(project_bench.edit(project, both), Suite.TEST)
    assert [error.message.partition("\n")[0] for error in verdict.errors] == [
        "test failed: geometry/total/0/all of them",
        "another command of the tests failed as well, without naming a test",
    ]


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("util/names.ml", "let () = exit 0\n", "no test was seen"),
        (TEST, "", "ended before it was over"),
        ("geometry/geometry.ml", "let () = at_exit (fun () -> exit 0)\n", "but the exit status was 0"),
    ],
)
def test_an_exit_status_alone_is_never_a_pass(
    project_bench: "Bench", project: TreeId, path: str, text: str, says: str
) -> None:
    bench = project_bench
    broken = bench.edit(project, replaced(ML, "s * s", "s + s + 1")(bench, project))
    if path == TEST:
        broken = bench.edit(
            broken, replaced(TEST, "let square () =", "let square () = if true then exit 0;")(bench, broken)
        )
    tree = bench.edit(broken, {path: bench.text(broken, path) + text})
    verdict = bench.engine(Dune()).judge(tree, Suite.TEST)
    assert verdict.status is Status.RED
    assert verdict.stages[-1].stage is Stage.TESTS
    assert says in verdict.note


def test_an_endless_test_times_out(project_bench: "Bench", project: TreeId) -> None:
    bench = project_bench
    tree = bench.edit(
        project, {"util/names.ml": bench.text(project, "util/names.ml") + "let () = while true do () done\n"}
    )
    verdict = bench.engine(Dune(DuneConfig(test_seconds=1))).judge(tree, Suite.TEST)
    assert verdict.status is Status.TIMEOUT
    assert verdict.stages[-1].stage is Stage.TESTS
    assert verdict.passed(Stage.BUILD)


def test_the_first_tree_may_be_red_and_the_next_green_one_becomes_the_warm_one(bench: "Bench", project: TreeId) -> None:
    files = {"dune-project": "(lang dune 2.9)\n", "dune": "(library (name a))\n", "a.ml": "let x = 1 +\n"}
    engine = bench.engine(Dune())
    assert engine.judge(bench.tree(files), Suite.CHECK).status is Status.RED
    assert engine.judge(bench.tree(files | {"a.ml": "let x = 1\n"}), Suite.CHECK).green
    built = [folder for folder in (bench.root / "scratch" / "warm").glob("*/") if (folder / "built").exists()]
    assert len(built) == 1


def test_the_fingerprint_follows_what_can_change_a_verdict(bench: "Bench", tmp_path: Path) -> None:
    plain = Dune().fingerprint()
    assert len(plain) == 64
    assert plain == Dune(DuneConfig(jobs=7, keep_warm=1)).fingerprint()
    assert plain != Dune(DuneConfig(profile="release")).fingerprint()
    assert plain != Dune(DuneConfig(check_seconds=1)).fingerprint()
    with pytest.raises(EnvironmentFault, match=r"dune: not found.*apt-get install .*ocaml-dune"):
        bench.engine(Dune(DuneConfig(path=str(tmp_path))))
