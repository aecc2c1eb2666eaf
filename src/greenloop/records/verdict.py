"""A verdict: a fact about a tree under a named toolchain and suite."""

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from greenloop.records.base import Part, Record
from greenloop.records.diagnostic import Diagnostic, Severity
from greenloop.records.tree import TreeId


class Stage(StrEnum):
    """The stages of a judgement, in the order in which they run."""

    PARSE = "parse"
    TYPES = "types"
    BUILD = "build"
    TESTS = "tests"


class Suite(StrEnum):
    """How far a judgement goes: each suite holds all stages up to its last."""

    CHECK = "check"
    BUILD = "build"
    TEST = "test"

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of this suite, in order."""
        last = {Suite.CHECK: Stage.TYPES, Suite.BUILD: Stage.BUILD, Suite.TEST: Stage.TESTS}[self]
        order = tuple(Stage)
        return order[: order.index(last) + 1]


class Status(StrEnum):
    """What a judgement came to. ``INFRA_ERROR`` says nothing about the code and is never stored."""

    GREEN = "green"
    RED = "red"
    TIMEOUT = "timeout"
    REJECTED = "rejected"
    INFRA_ERROR = "infra_error"


class TestStatus(StrEnum):
    """How one test ended."""

    __test__ = False  # pytest would take it for a class of tests, by its name

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class TestResult(Part):
    """One named test's end."""

    __test__: ClassVar[bool] = False  # pytest would take it for a class of tests, by its name

    name: str
    status: TestStatus


class StageResult(Part):
    """One stage's end, and the wall-clock seconds that its tools took.

    The seconds of all stages add up to what was run, each run once: where one command does several stages (dune
    types and builds at once), they are told of the first of these, and the others have 0; where a stage is tried once
    more to know how it ends, the first try's seconds are among its own.
    """

    stage: Stage
    status: Status
    seconds: float = Field(ge=0)


class Verdict(Record):
    """Whether a tree parses, type-checks, builds and passes its tests, and why not.

    It belongs to (tree, toolchain, suite) and to nothing else. ``stages`` holds the stages that ran; the
    last of them is the stage reached. ``note`` explains a status that no diagnostic explains.
    """

    tree: TreeId
    toolchain: str
    """Fingerprint of the toolchain: compiler, build tool, flags, commands and sandbox policy."""
    suite: Suite
    status: Status
    stages: tuple[StageResult, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    tests: tuple[TestResult, ...] = ()
    note: str = ""
    rewritten: tuple[str, ...] = ()
    """Files that tests are held by and that were written while they ran, the first of them. People's own tests may do
    so; in a judged edit it is the edit's doing, unless the base does the same."""
    sandboxed: bool = True

    @property
    def green(self) -> bool:
        """Whether every stage of the suite passed."""
        return self.status is Status.GREEN

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """The diagnostics of severity error, in the order in which the tool printed them."""
        return tuple(d for d in self.diagnostics if d.severity is Severity.ERROR)

    def passed(self, stage: Stage) -> bool:
        """Whether this stage ran and was green."""
        return any(result.stage is stage and result.status is Status.GREEN for result in self.stages)
