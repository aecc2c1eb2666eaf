"""Any language: Python with its real compiler and unittest, and plain shell."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from greenloop.builds.toolchains.command import CommandConfig, CommandToolchain
from greenloop.records import Category, EnvironmentFault, InputError, Span, Stage, Status, Suite, TestStatus

if TYPE_CHECKING:
    from tests.builds.conftest import Bench

PYTHON = CommandConfig(
    check="for f in $(find . -name '*.py'); do python3 -m py_compile $f || failed=1; done; exit ${failed:-0}",
    test=("python3", "-m", "unittest", "-v"),
    tools=("python3",),
    diagnostic_pattern=r'^  File "(?P<file>[^"]+)", line (?P<line>\d+).*\n(?:    .*\n)+(?P<message>\w+: .*)$',
    syntax_pattern="SyntaxError|IndentationError",
    test_pattern=r"^(?P<name>\w+ \([\w.]+\)) \.\.\. (?P<status>\w+)",
    environment={"PYTHONDONTWRITEBYTECODE": "1"},
)
FILES = {
    "shapes.py": "def area(side):\n    return side * side\n",
    "test_shapes.py": "import unittest\nfrom shapes import area\n\n\nclass Area(unittest.TestCase):\n"
    "    def test_two(self):\n        self.assertEqual(area(2), 4)\n\n"
    '    @unittest.skip("slow")\n    def test_slow(self):\n        pass\n',
}


def test_python_green(bench: "Bench") -> None:
    verdict = bench.engine(CommandToolchain(PYTHON)).judge(bench.tree(FILES), Suite.TEST)
    assert verdict.green, verdict
    assert [result.stage for result in verdict.stages] == [Stage.PARSE, Stage.TYPES, Stage.TESTS]
    assert {result.name.split()[0]: result.status for result in verdict.tests} == {
        "test_two": TestStatus.PASSED,
        "test_slow": TestStatus.SKIPPED,
    }


def test_python_syntax_error(bench: "Bench") -> None:
    tree = bench.tree(FILES | {"shapes.py": "def area(side):\n    return side *\n"})
    verdict = bench.engine(CommandToolchain(PYTHON)).judge(tree, Suite.TEST)
    assert verdict.status is Status.RED
    assert [(result.stage, result.status) for result in verdict.stages] == [(Stage.PARSE, Status.RED)]
    assert [(e.path, e.category, e.span) for e in verdict.errors] == [
        ("shapes.py", Category.SYNTAX, Span(line=2, column=0, end_line=2, end_column=0))
    ]
    assert "SyntaxError: invalid syntax" in verdict.errors[0].message


def test_python_failing_test(bench: "Bench") -> None:
    tree = bench.tree(FILES | {"shapes.py": "def area(side):\n    return side + side + 1\n"})
    verdict = bench.engine(CommandToolchain(PYTHON)).judge(tree, Suite.TEST)
    assert verdict.status is Status.RED
    assert verdict.stages[-1].stage is Stage.TESTS
    assert any(error.message.startswith("test failed: test_two") for error in verdict.errors)
    assert all(error.category is Category.TEST for error in verdict.errors)


def test_python_that_ends_its_tests_early_is_not_green(bench: "Bench") -> None:
    tree = bench.tree(FILES | {"shapes.py": "import os\nos._exit(0)\n"})
    verdict = bench.engine(CommandToolchain(PYTHON)).judge(tree, Suite.TEST)
    assert verdict.status is Status.RED
    assert "no test was seen to run" in verdict.note


SHELL = CommandConfig(
    check="sh -n run.sh",
    build="sh run.sh > out",
    test="grep -q hello out",
    products=("out",),
    diagnostic_pattern=r"^(?P<message>.+)$",
)


@pytest.mark.parametrize(
    ("script", "suite", "status", "stage"),
    [
        ("echo hello\n", Suite.TEST, Status.GREEN, Stage.TESTS),
        ("echo goodbye\n", Suite.TEST, Status.RED, Stage.TESTS),
        ("echo goodbye\n", Suite.BUILD, Status.GREEN, Stage.BUILD),
        ("echo broken >&2; exit 3\n", Suite.TEST, Status.RED, Stage.BUILD),
        ("if then\n", Suite.TEST, Status.RED, Stage.TYPES),
    ],
)
def test_shell(bench: "Bench", script: str, suite: Suite, status: Status, stage: Stage) -> None:
    verdict = bench.engine(CommandToolchain(SHELL)).judge(bench.tree({"run.sh": script}), suite)
    assert verdict.status is status, verdict
    assert verdict.stages[-1].stage is stage
    assert bool(verdict.errors) == (status is Status.RED)


def test_a_command_that_is_killed_or_hangs_is_not_red(bench: "Bench") -> None:
    config = CommandConfig(check=("sh", "run.sh"), check_seconds=0.5)
    engine = bench.engine(CommandToolchain(config))
    assert engine.judge(bench.tree({"run.sh": "kill -9 $$\n"}), Suite.CHECK).status is Status.REJECTED
    assert engine.judge(bench.tree({"run.sh": "sleep 60\n"}), Suite.CHECK).status is Status.TIMEOUT


@pytest.mark.parametrize("signal", [9, 15])
def test_tests_that_are_killed_are_red(bench: "Bench", signal: int) -> None:
    script = f"echo ok - one\nkill -{signal} $$\n"
    config = CommandConfig(check="true", test=("sh", "run.sh"), test_pattern=r"^(?P<status>ok|not ok) - (?P<name>.+)$")
    verdict = bench.engine(CommandToolchain(config)).judge(bench.tree({"run.sh": script}), Suite.TEST)
    assert (verdict.status, verdict.stages[-1].stage) == (Status.RED, Stage.TESTS)
    assert verdict.note == f"the test run was killed, by signal {signal}"
    assert [error.message for error in verdict.errors] == [verdict.note]
    assert [result.name for result in verdict.tests] == ["one"]


def test_tests_see_nothing_of_a_build_but_the_products_that_are_named(bench: "Bench") -> None:
    """Else a step of the build could write the tests' answers into the tree."""
    config = CommandConfig(
        check="echo planted > run.sh", build="echo made > out; echo stray > /tmp/stray", test=("sh", "run.sh")
    )
    tree = bench.tree({"run.sh": "test ! -e out && test ! -e /tmp/stray\n"})
    assert bench.engine(CommandToolchain(config)).judge(tree, Suite.TEST).green
    named = config.model_copy(update={"products": ("out",)})
    assert bench.engine(CommandToolchain(named)).judge(tree, Suite.TEST).status is Status.RED
    made = bench.tree({"run.sh": "test $(cat out) = made && test ! -e /tmp/stray\n"})
    assert bench.engine(CommandToolchain(named)).judge(made, Suite.TEST).green


def test_each_tree_is_judged_clean_unless_leftovers_are_asked_for(bench: "Bench") -> None:
    check = "cat made 2>/dev/null; test ! -e made"
    base = {f"{number}.txt": "" for number in range(6)}
    engine = bench.engine(CommandToolchain(CommandConfig(check=check)))
    assert engine.judge(bench.tree(base), Suite.CHECK).green
    warm = CommandConfig(check="test -e made", warm=("touch made",))
    assert bench.engine(CommandToolchain(warm)).judge(bench.tree(base | {"0.txt": "x"}), Suite.CHECK).green


def test_what_there_is_no_command_for_cannot_be_judged(bench: "Bench") -> None:
    toolchain = CommandToolchain(CommandConfig(check="true"))
    assert toolchain.suites == {Suite.CHECK}
    with pytest.raises(InputError, match="cannot judge the suite 'test'"):
        bench.engine(toolchain).judge(bench.tree({"a": ""}), Suite.TEST)


def test_bad_configuration_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        CommandToolchain(CommandConfig(check=()))
    with pytest.raises(InputError, match="test_pattern lacks the named group"):
        CommandToolchain(CommandConfig(check="true", test_pattern="x"))
    with pytest.raises(EnvironmentFault, match="no-such-compiler: not found"):
        CommandToolchain(CommandConfig(check=("no-such-compiler", "a.c"))).fingerprint()


def test_the_fingerprint_follows_commands_and_tools_but_not_disk_space() -> None:
    plain = CommandToolchain(PYTHON).fingerprint()
    assert plain == CommandToolchain(PYTHON.model_copy(update={"keep_warm": 9})).fingerprint()
    assert plain != CommandToolchain(PYTHON.model_copy(update={"version": "2"})).fingerprint()
    assert plain != CommandToolchain(PYTHON.model_copy(update={"tools": ()})).fingerprint()
