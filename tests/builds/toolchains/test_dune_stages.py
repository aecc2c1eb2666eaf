"""How the stages of dune are run: one dune for types and build, tests apart from all that a build may leave."""

from typing import TYPE_CHECKING

import pytest

from greenloop.builds.toolchains.command import CommandConfig, CommandToolchain
from greenloop.builds.toolchains.dune import Dune, DuneConfig
from greenloop.builds.toolchains.ocaml_file import OcamlFile
from greenloop.records import EvaluationLimits, Stage, Status, Suite, TreeId

if TYPE_CHECKING:
    from tests.builds.conftest import Bench

PROJECT = {
    "dune-project": "(lang dune 2.9)\n",
    "lib/dune": "(library (name lib))\n",
    "lib/a.ml": "let a = 1\n",
    "test/dune": "(test (name t) (libraries lib))\n",
    "test/t.ml": "let () = print_endline (string_of_int Lib.A.a)\n",
}


@pytest.fixture(scope="module")
def base(project_bench: "Bench") -> TreeId:
    return project_bench.tree(PROJECT)


def test_types_are_red_with_the_same_errors_whatever_the_suite(project_bench: "Bench", base: TreeId) -> None:
    engine = project_bench.engine(Dune())
    # the rule fails in the build only, and must not be heard of while types are red; but its time counts
    rule = PROJECT["lib/dune"] + '(rule (targets x) (action (system "sleep 1; echo no; exit 3")))\n'
    tree = project_bench.edit(base, {"lib/a.ml": "let a = 1 + true\n", "lib/dune": rule})
    check, build, test = (engine.aside(tree, suite, base=base).verdict for suite in Suite)
    assert check.status is Status.RED
    assert check.diagnostics == build.diagnostics == test.diagnostics
    assert [stage.stage for stage in test.stages] == [Stage.PARSE, Stage.TYPES]
    assert test.stages[-1].seconds > 1
    fixed = project_bench.edit(tree, {"lib/a.ml": "let a = 2\n"})
    verdict = engine.aside(fixed, Suite.TEST, base=base).verdict
    assert verdict.stages[-1].stage is Stage.BUILD
    assert verdict.passed(Stage.TYPES)
    assert verdict.stages[-1].seconds > 1


def test_one_dune_does_types_and_build_and_its_time_is_told_once(project_bench: "Bench", base: TreeId) -> None:
    tree = project_bench.edit(base, {"lib/a.ml": "let a = 3\n"})
    verdict = project_bench.engine(Dune()).aside(tree, Suite.TEST, base=base).verdict
    seconds = {result.stage: result.seconds for result in verdict.stages}
    assert verdict.green
    assert seconds[Stage.BUILD] == 0
    assert seconds[Stage.TYPES] > 0
    assert seconds[Stage.TESTS] > 0


def test_tests_see_the_tree_and_what_was_built_and_nothing_else(project_bench: "Bench", base: TreeId) -> None:
    leave = "touch /w/stray /w/lib/stray.ml /tmp/stray /dev/shm/stray; echo lost >/w/lib/a.ml; echo made >made"
    stray = '[ "/w/stray"; "/w/lib/stray.ml"; "/tmp/stray"; "/dev/shm/stray" ]'
    tree = project_bench.edit(
        base,
        {
            "lib/dune": PROJECT["lib/dune"] + f'(rule (targets made) (action (system "{leave}")))\n',
            "test/t.ml": f"let () = assert (List.filter Sys.file_exists {stray} = [])\n"
            'let () = assert (input_line (open_in "/w/lib/a.ml") = "let a = 1")\n'
            'let () = assert (input_line (open_in "/w/_build/default/lib/made") = "made")\n',
        },
    )
    verdict = project_bench.engine(Dune()).aside(tree, Suite.TEST, base=base).verdict
    assert verdict.green, verdict.diagnostics


def sleeping(target: str, seconds: float) -> str:
    action = f'(action (system "sleep {seconds}; echo >{target}"))'
    return PROJECT["lib/dune"] + f"(rule (targets {target}) {action})\n"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("target", "check", "build", "ended"),
    [("x", 1000, 2, Stage.BUILD), ("x", 2, 2, Stage.BUILD), ("made.ml", 2, 1000, Stage.TYPES)],
)
def test_a_rule_that_never_ends_stops_the_stage_that_it_belongs_to_by_the_limit_of_that(
    project_bench: "Bench", base: TreeId, target: str, check: float, build: float, ended: Stage
) -> None:
    # what a plain ``dune build @check`` says: it makes the module, and has no use for the other file
    tree = project_bench.edit(base, {"lib/dune": sleeping(target, 10000)})
    engine = project_bench.engine(Dune(DuneConfig(check_seconds=check, build_seconds=build)))
    trial = engine.aside(tree, Suite.TEST, base=base)
    assert trial.verdict.status is Status.TIMEOUT
    assert trial.verdict.stages[-1].stage is ended
    assert trial.verdict.passed(Stage.TYPES) is (ended is Stage.BUILD)
    assert trial.verdict.stages[-1].seconds > 1


def test_the_seconds_of_a_request_bind_each_stage(project_bench: "Bench", base: TreeId) -> None:
    engine = project_bench.engine(Dune()).limited(EvaluationLimits(seconds=2))
    tree = project_bench.edit(base, {"lib/dune": sleeping("x", 10000)})
    verdict = engine.aside(tree, Suite.TEST, base=base).verdict
    assert verdict.status is Status.TIMEOUT
    assert verdict.stages[-1].stage is Stage.BUILD


def test_a_build_that_is_slow_but_within_its_limit_is_green(project_bench: "Bench", base: TreeId) -> None:
    # too slow for one dune to do it all in its share of the limit
    engine = project_bench.engine(Dune(DuneConfig(check_seconds=8, build_seconds=12)))
    tree = project_bench.edit(base, {"lib/dune": sleeping("x", 2.5)})
    verdict = engine.aside(tree, Suite.TEST, base=base).verdict
    assert verdict.green, verdict.diagnostics
    seconds = {result.stage: result.seconds for result in verdict.stages}
    # the joint run's share is told of the types, and the rule's time of the build
    assert seconds[Stage.TYPES] > 2
    assert seconds[Stage.BUILD] > 2.5
    assert seconds[Stage.TESTS] > 0


def test_a_log_tells_what_each_stage_printed(project_bench: "Bench", base: TreeId) -> None:
    engine = project_bench.engine(Dune())
    tree = project_bench.edit(base, {"test/t.ml": 'let () = print_endline "I ran"; exit 3\n'})
    trial = engine.aside(tree, Suite.TEST, base=base)
    assert [line.split(":")[0] for line in trial.log.splitlines() if line.startswith("==")] == [
        "== types",
        "== build",
        "== tests",
    ]
    assert "I ran" in trial.log
    loud = project_bench.edit(base, {"test/t.ml": "let () = print_string (String.make 1_000_000 'x')\n"})
    log = engine.aside(loud, Suite.TEST, base=base).log
    assert len(log.encode()) <= 64 << 10
    assert "bytes cut" in log


def test_other_toolchains_keep_logs_too(project_bench: "Bench") -> None:
    bench = project_bench
    tree = bench.tree({"a.ml": "let a : int = true\n", "b.ml": "let b = 1\n"})
    assert "a.ml" in bench.engine(OcamlFile()).aside(tree, Suite.CHECK).log
    command = CommandToolchain(CommandConfig(check="echo one; echo two >&2; exit 1"))
    log = bench.engine(command).aside(tree, Suite.CHECK).log
    assert "exit status 1" in log
    assert "one" in log
    assert "two" in log
