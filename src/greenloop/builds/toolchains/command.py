"""Any language: a team's own commands check, build and test a tree; patterns find what they print.

Each tree is laid clean above a materialised tree without anything built, so that no build system has to be trusted
with changed files; ``warm`` names the commands whose leftovers it may reuse, where the team says that it may.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from greenloop.builds import images
from greenloop.builds.diagnostics.pattern import (
    DIAGNOSTIC_GROUPS,
    TEST_GROUPS,
    compile_pattern,
    parse_diagnostics,
    parse_tests,
)
from greenloop.builds.diagnostics.text import clip, decode, distinct
from greenloop.builds.protect import TESTS, matches
from greenloop.builds.sandbox.policy import ENVIRONMENT, Command, Completed
from greenloop.builds.toolchain import (
    Outcome,
    Workbench,
    combine,
    find_tool,
    identify,
    killed,
    killed_tests,
    staged,
    with_rewritten,
)
from greenloop.builds.warm import WarmTrees
from greenloop.records import (
    Category,
    Diagnostic,
    EnvironmentFault,
    InputError,
    Part,
    Severity,
    Stage,
    Status,
    Suite,
    TestResult,
    TestStatus,
    TreeId,
)

Argv = tuple[str, ...]
_STAGES = (Stage.TYPES, Stage.BUILD, Stage.TESTS)


class CommandConfig(Part):
    """How a project in any language is checked, built and tested.

    A command is a list of words, or one string for ``/bin/sh -c``. It runs at the tree's root, in the sandbox.
    """

    check: Argv | str
    """Finds syntax and type errors; the cheapest command that does. Exit status 0 means that there are none."""
    build: Argv | str | None = None
    """Builds everything. Without it the suite ``build`` cannot be judged, and ``test`` skips that stage."""
    test: Argv | str | None = None
    """Runs the tests. Without it the suite ``test`` cannot be judged."""
    products: tuple[str, ...] = ()
    """Names at the tree's root of what the build leaves for the tests, which run in a fresh sandbox that holds the
    tree and these alone, so that nothing else that the check or the build wrote is seen."""
    warm: tuple[Argv | str, ...] = ()
    """Run once in a base tree whose leftovers later trees reuse. Only for build systems that are right about it."""
    diagnostic_pattern: str = (
        r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:(?P<column>\d+):)? ?"
        r"(?:(?P<severity>(?:fatal )?error|warning|note|info)\S*:? ?)?(?P<message>[^\n]+)$"
    )
    """Regular expression with the named groups file, line, column, end_line, end_column, severity, message.
    The default reads ``file:line:column: error: message``, as gcc, clang, mypy and many others print."""
    first_column: int = Field(default=1, ge=0, le=1)
    """What the tool calls the first column of a line: 1 or 0."""
    syntax_pattern: str | None = None
    """Regular expression; an error whose message it matches is a syntax error, and stops the stage ``parse``."""
    test_pattern: str | None = None
    """Regular expression with the named groups name and status; with it, tests that name no result are not green."""
    check_seconds: float = Field(default=60.0, gt=0)
    """Wall-clock limit of the check, in seconds."""
    build_seconds: float = Field(default=300.0, gt=0)
    """Wall-clock limit of the build, in seconds."""
    test_seconds: float = Field(default=120.0, gt=0)
    """Wall-clock limit of the tests, in seconds."""
    warm_seconds: float = Field(default=900.0, gt=0)
    """Wall-clock limit of each warming command, in seconds."""
    environment: dict[str, str] = Field(default_factory=dict)
    """Added to the sandbox's own environment; ``PATH`` is where tools are looked up."""
    read_only: tuple[str, ...] = ()
    """Absolute paths outside the tree that the commands may read; whoever makes the sandbox hands them to it."""
    tools: tuple[str, ...] = ()
    """Further programs whose content belongs to the fingerprint, such as a compiler that a script calls."""
    version: str = ""
    """Anything that tells one installation of the tools from another; part of the fingerprint."""
    keep_warm: int = Field(default=3, ge=1)
    """Base trees kept on disk."""


class CommandToolchain:
    """The ``command`` toolchain.

    Raises ``InputError`` when a command is empty or a pattern cannot be used.
    """

    name = "command"
    batch = 1

    def __init__(self, config: CommandConfig, *, root: Path | None = None) -> None:
        """``root``: the root file system that the sandbox shows, where it is not the host's own."""
        self._config = config
        self._root = root
        self._diagnostics = compile_pattern(
            config.diagnostic_pattern,
            groups=DIAGNOSTIC_GROUPS,
            needs=frozenset({"message"}),
            what="diagnostic_pattern",
        )
        self._tests = None
        if config.test_pattern is not None:
            self._tests = compile_pattern(
                config.test_pattern, groups=TEST_GROUPS, needs=TEST_GROUPS, what="test_pattern"
            )
        self._syntax = None
        if config.syntax_pattern is not None:
            nothing: frozenset[str] = frozenset()
            self._syntax = compile_pattern(config.syntax_pattern, groups=nothing, needs=nothing, what="syntax_pattern")
        self._argvs = {
            stage: _argv(command)
            for stage, command in zip(_STAGES, (config.check, config.build, config.test), strict=True)
            if command is not None
        }

    @property
    def suites(self) -> frozenset[Suite]:
        """The suites whose last stage has a command."""
        return frozenset(suite for suite in Suite if suite.stages[-1] in self._argvs)

    def fingerprint(self) -> str:
        """Hash the configuration and the programs that it names, where they can be told from it."""
        # what is kept on disk and where has no say in a verdict
        parts: dict[str, object] = {
            "toolchain": self.name,
            "image": "" if self._root is None else images.identity(self._root),
            "config": self._config.model_dump_json(exclude={"keep_warm", "read_only", "warm_seconds"}),
        }
        for words in (self._config.check, self._config.build, self._config.test, *self._config.warm):
            if words:
                name = (shlex.split(words) if isinstance(words, str) else words)[0]
                if isinstance(words, str):
                    # a shell's own word, or a script of the tree, is no program to be identified
                    try:
                        parts[f"tool {name}"] = self._identify(name) if "/" not in name else ""
                    except EnvironmentFault:
                        parts[f"tool {name}"] = ""
                elif "/" not in name:
                    parts[f"tool {name}"] = self._identify(name)
        parts |= {f"tool {name}": self._identify(name) for name in self._config.tools}
        return combine(parts)

    def _identify(self, name: str) -> str:
        path = self._config.environment.get("PATH", ENVIRONMENT["PATH"])
        way_out = f"install {name}, or correct the commands in greenloop.toml"
        return identify(find_tool(name, way_out, path, self._root), self._root)

    def judge(self, trees: Sequence[TreeId], suite: Suite, bench: Workbench) -> tuple[Outcome, ...]:
        """Judge each tree in a clean overlay of its own."""
        if suite not in self.suites:
            raise InputError(
                f"there is no command for the suite {suite.value!r}", "add it to greenloop.toml, or ask for less"
            )
        return tuple(self._judge(tree, suite, bench) for tree in trees)

    def _judge(self, tree: TreeId, suite: Suite, bench: Workbench) -> Outcome:
        config = self._config
        seconds = dict(zip(_STAGES, (config.check_seconds, config.build_seconds, config.test_seconds), strict=True))
        stages = [stage for stage in suite.stages if stage in self._argvs]
        warm_trees = WarmTrees(
            bench.scratch / "warm",
            kind=f"{bench.warm_kind}-{'warm' if config.warm else 'clean'}",
            store=bench.store,
            sandbox=bench.sandbox,
            commands=[Command(_argv(words), config.environment, config.warm_seconds) for words in config.warm],
            products=None,
            keep=config.keep_warm,
        )
        commands = [
            Command(
                self._argvs[stage],
                config.environment,
                seconds[stage],
                fresh=config.products if stage is Stage.TESTS else None,
            )
            for stage in stages
        ]
        with warm_trees.near(tree, bench.base, bench.stop) as warm:
            outcome = staged(stages, warm_trees.run_over(warm, tree, commands, bench.stop), self._assess)
            if outcome.killed:
                outcome = staged(stages, warm_trees.run_over(warm, tree, commands, bench.stop), self._assess)
        return outcome

    def _assess(self, stage: Stage, done: Completed) -> Outcome:
        outcome = self._assess_ended(stage, done)
        if stage is not Stage.TESTS:
            return outcome
        return with_rewritten(outcome, done, lambda path: matches(path, TESTS))

    def _assess_ended(self, stage: Stage, done: Completed) -> Outcome:
        """Judge one stage by its exit status, and tests also by the results that they name."""
        text = decode(done.stdout) + decode(done.stderr)
        if done.timed_out:
            return Outcome(Status.TIMEOUT, note=f"the {stage.value} command was stopped after {done.seconds:.0f} s")
        tests = parse_tests(text, self._tests) if stage is Stage.TESTS and self._tests is not None else ()
        if killed(done):
            if stage is Stage.TESTS:
                return killed_tests(done, tests)
            return Outcome(Status.REJECTED, note=f"the {stage.value} command was killed: out of memory?")
        failed = [result.name for result in tests if result.status is TestStatus.FAILED]
        found = self._errors(text, stage)
        failures = tuple(_error(Category.TEST, f"test failed: {name}") for name in failed)
        if not done.ok:
            tail = clip("\n".join(text.strip().splitlines()[-20:])) or "failed, silently"
            placeless = Category.TEST if stage is Stage.TESTS else Category.OTHER
            return Outcome(Status.RED, (), distinct((*found, *failures)) or (_error(placeless, tail),), tests)
        if failed:
            doubt = f"{len(failed)} tests failed, but the exit status was 0"
            return Outcome(Status.RED, (), (*failures, _error(Category.TEST, doubt)), tests, doubt)
        return self._passed(tests) if stage is Stage.TESTS else Outcome(Status.GREEN)

    def _passed(self, tests: tuple[TestResult, ...]) -> Outcome:
        """Judge tests that ended with success, none of them a failure."""
        if self._tests is None:
            return Outcome(Status.GREEN, note="no test_pattern: only the exit status is known")
        if not tests:
            doubt = "no test was seen to run; the exit status was 0"
            return Outcome(Status.RED, (), (_error(Category.TEST, doubt),), tests, doubt)
        return Outcome(Status.GREEN, tests=tests)

    def _errors(self, text: str, stage: Stage) -> tuple[Diagnostic, ...]:
        category = Category.TEST if stage is Stage.TESTS else Category.OTHER
        found = parse_diagnostics(
            text, self._diagnostics, category=category, first_column=self._config.first_column
        )  # fmt: skip
        return tuple(
            diagnostic.model_copy(update={"category": Category.SYNTAX})
            if self._syntax is not None and self._syntax.search(diagnostic.message)
            else diagnostic
            for diagnostic in found
            if diagnostic.severity is Severity.ERROR
        )


def _argv(words: Argv | str) -> Argv:
    """Return what to run: the words themselves, or a shell for a string."""
    argv = ("/bin/sh", "-c", words) if isinstance(words, str) else words
    if not argv or not argv[-1].strip():
        raise InputError("a command of the toolchain is empty", "write it in greenloop.toml, or leave the key out")
    return argv


def _error(category: Category, message: str) -> Diagnostic:
    return Diagnostic(severity=Severity.ERROR, category=category, message=message)
