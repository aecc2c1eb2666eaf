"""A worker whose tools answer by words that are written in the tree itself."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from greenloop.builds.engine import Engine
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.builds.sandbox.policy import Completed
from greenloop.builds.sandbox.scripted import ScriptedSandbox
from greenloop.builds.stop import Stop
from greenloop.builds.toolchain import Outcome, Workbench
from greenloop.builds.verdicts import VerdictStore
from greenloop.ces.bases import ScriptedBases
from greenloop.ces.quarantine import MemoryQuarantine
from greenloop.ces.worker import Worker
from greenloop.records import (
    Category,
    Diagnostic,
    Edit,
    Evaluation,
    EvaluationRequest,
    Severity,
    Stage,
    StageResult,
    Status,
    Suite,
    TestResult,
    TestStatus,
    TreeId,
    WarmBuild,
    WriteFile,
)
from greenloop.workspace.store import TreeStore

Write = Callable[[Mapping[str, str]], TreeId]
NewBench = Callable[..., "Bench"]

FILES = {
    "a.ml": "let one = 1\n\nlet two = one + 1\n",
    "dune": "(library (name a))\n",
    "test/t.txt": "adds\nties\n",
    "test/dune": "(test)\n",
}


class Written:
    """Judges by words in ``a.ml``, with the tests that the files ``*/t.txt`` name, a line each.

    ``TYPES``, ``LOOPS``, ``CRASHES``, ``MACHINE``; ``FAILS x``, ``SKIPS x``, ``HIDES x``, ``SOMETIMES x`` about the
    test x; ``QUIETLY`` fails without naming a test. A file ``machine.txt`` is a machine that fails with these words.
    A test whose line ends in ``?`` fails every other time by itself.
    """

    name = "written"
    batch = 1
    suites = frozenset(Suite)

    def __init__(self, store: TreeStore) -> None:
        self._store = store
        self.asked: list[TreeId] = []
        self.above: list[TreeId | None] = []

    def fingerprint(self) -> str:
        return "written"

    def judge(self, trees: Sequence[TreeId], suite: Suite, bench: Workbench) -> tuple[Outcome, ...]:
        (tree,) = trees
        if bench.stop is not None:
            bench.stop.check()
        times = self.asked.count(tree)
        self.asked.append(tree)
        self.above.append(bench.base)
        words = (self._store.read(tree, "a.ml") or b"").decode().split()
        log = f"run {times} of {tree}\n"
        broken = self._store.read(tree, "machine.txt")
        if broken is not None:
            return (Outcome(Status.INFRA_ERROR, note=broken.decode()),)
        if "MACHINE" in words:
            return (Outcome(Status.INFRA_ERROR, note="no memory left"),)
        for word, status, stage in (("CRASHES", Status.REJECTED, Stage.BUILD), ("LOOPS", Status.TIMEOUT, Stage.TESTS)):
            if word in words and stage in suite.stages:
                return (Outcome(status, _stages(stage, status), note=word.lower(), log=log),)
        if "TYPES" in words:
            wrong = Diagnostic(severity=Severity.ERROR, category=Category.TYPE, message="no int", path="a.ml")
            return (Outcome(Status.RED, _stages(Stage.TYPES, Status.RED), (wrong,), log=log),)
        if suite is not Suite.TEST:
            return (Outcome(Status.GREEN, _stages(suite.stages[-1], Status.GREEN), log=log),)
        about = dict(zip(words[1:], words, strict=False))
        return (_tests(self._lines(tree), about, times, log, quietly="QUIETLY" in words),)

    def _lines(self, tree: TreeId) -> list[str]:
        paths = [path for path in self._store.files(tree) if path.endswith("/t.txt")]
        return [line for path in paths for line in (self._store.read(tree, path) or b"").decode().split()]


def _stages(last: Stage, status: Status) -> tuple[StageResult, ...]:
    reached = list(Stage)[: list(Stage).index(last) + 1]
    return tuple(StageResult(stage=s, status=status if s is last else Status.GREEN, seconds=0.5) for s in reached)


def _tests(lines: list[str], about: Mapping[str, str], times: int, log: str, *, quietly: bool) -> Outcome:
    results = []
    for name in (line.removesuffix("?") for line in lines):
        word = about.get(name, "SOMETIMES" if f"{name}?" in lines else "")
        bad = word == "FAILS" or (word == "SOMETIMES" and times % 2 == 1)
        end = TestStatus.FAILED if bad else TestStatus.SKIPPED if word == "SKIPS" else TestStatus.PASSED
        if word != "HIDES":
            results.append(TestResult(name=name, status=end))
    errors = [f"test failed: {one.name}\nsecret line" for one in results if one.status is TestStatus.FAILED]
    errors += ["exited with code 3"] * quietly
    told = tuple(Diagnostic(severity=Severity.ERROR, category=Category.TEST, message=error) for error in errors)
    status = Status.RED if errors else Status.GREEN
    return Outcome(status, _stages(Stage.TESTS, status), told, tuple(results), log=log + "\n".join(errors))


GOOD = "let one = 1\n\nlet two = 1 + one\n"
"""An honest edit of ``a.ml``."""


class Bench:
    """A worker on a scripted pool, with the project at the revision ``main``."""

    def __init__(
        self, store: TreeStore, base: TreeId, root: Path, *, tests: tuple[str, ...] = ("adds", "ties")
    ) -> None:
        self.store = store
        self.base = base
        self.tools = Written(store)
        sandbox = ScriptedSandbox(lambda folder, command: Completed(0, b"", b"", 0, timed_out=False, truncated=False))
        self.sandbox = sandbox
        sandbox.sandboxed = True
        self.verdicts = VerdictStore(root / "verdicts.db")
        self.engine = Engine(
            store=store, verdicts=self.verdicts, toolchain=self.tools, sandbox=sandbox, scratch=root / "scratch"
        )
        build = WarmBuild(revision="main", tree=base, state="green", tests=tests)
        self.pool = ScriptedBases({"main": build, "shop@main": build, base: build})
        self.quarantine = MemoryQuarantine()
        self.worker = Worker(
            store=store, engine=self.engine, pool=self.pool, protected=DEFAULT_GLOBS, quarantine=self.quarantine
        )

    good = GOOD
    files: Mapping[str, str] = FILES

    @staticmethod
    def words(words: str) -> str:
        """An edit of ``a.ml`` that holds these words."""
        return f"{GOOD}let words = {words}\n"

    def ask(self, text: str | None = None, **more: object) -> Evaluation:
        """Judge the edit that writes ``a.ml``, or what ``more`` says."""
        return self.judged(text, **more)[0]

    def judged(self, text: str | None = None, **more: object) -> tuple[Evaluation, str]:
        with Stop() as stop:
            judged = self.worker.ask(self.request(text, **more)).judge(stop)
        assert self.pool.held == []
        return judged.evaluation, judged.log

    def request(self, text: str | None = None, **more: object) -> EvaluationRequest:
        given: dict[str, object] = {"revision": "main"}
        if text is not None:
            given["edit"] = Edit(files=(WriteFile(path="a.ml", content=text),))
        return EvaluationRequest.model_validate(given | more)


@pytest.fixture
def new_bench(store: TreeStore, write: Write, tmp_path: Path) -> NewBench:
    """Return a function that makes a bench whose base has these tests (see ``Written``)."""

    def new(lines: str = "adds\nties\n", *, tests: tuple[str, ...] = ("adds", "ties")) -> Bench:
        return Bench(store, write(FILES | {"test/t.txt": lines}), tmp_path, tests=tests)

    return new


@pytest.fixture
def bench(new_bench: NewBench) -> Bench:
    """A bench whose base has two steady tests."""
    return new_bench()
