"""The fakes of two seams, for tests and for dry runs: a judge and a toolchain that answer from a script."""

import copy
import select
from collections.abc import Callable, Iterable, Mapping, Sequence

from greenloop.builds.judge import Progress
from greenloop.builds.stop import Stop
from greenloop.builds.toolchain import Outcome, Workbench
from greenloop.records import (
    Diagnostic,
    GreenloopError,
    InputError,
    Severity,
    StageResult,
    Status,
    Suite,
    TreeId,
    Verdict,
)

Answer = Verdict | Status | tuple[Diagnostic, ...] | GreenloopError
"""A whole verdict; a bare status; diagnostics (red if any is an error, else green); or an error to raise."""

Script = Mapping[TreeId, Answer] | Callable[[TreeId, Suite], Answer]


class ScriptedJudge:
    """Answers from ``script``; a tree that it does not name gets ``otherwise``, or ``InputError`` without one.

    ``asked`` lists every (tree, suite) judged, in order, repeats included. Each judgement takes ``seconds``.
    """

    def __init__(
        self,
        script: Script,
        *,
        otherwise: Answer | None = None,
        fingerprint: str = "scripted",
        seconds: float = 0.0,
    ) -> None:
        self._script = script
        self._otherwise = otherwise
        self._fingerprint = fingerprint
        self._seconds = seconds
        self._stop: Stop | None = None
        self.asked: list[tuple[TreeId, Suite]] = []

    @property
    def fingerprint(self) -> str:
        """The toolchain that its verdicts name."""
        return self._fingerprint

    def until(self, stop: Stop) -> "ScriptedJudge":
        """Return a view that shares the script and ``asked``."""
        view = copy.copy(self)
        view._stop = stop
        return view

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        """Return the scripted verdict, or raise the scripted error."""
        self.asked.append((tree, suite))
        waiting = select.poll()
        if self._stop is not None:
            waiting.register(self._stop.fileno(), select.POLLIN)
        if waiting.poll(int(self._seconds * 1000)) and self._stop is not None:
            self._stop.check()
        answer = self._answer(tree, suite)
        if isinstance(answer, GreenloopError):
            raise answer
        if isinstance(answer, Verdict):
            return answer
        if isinstance(answer, Status):
            return self._verdict(tree, suite, answer, ())
        red = any(diagnostic.severity is Severity.ERROR for diagnostic in answer)
        return self._verdict(tree, suite, Status.RED if red else Status.GREEN, answer)

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        """Judge each distinct tree once, in order."""
        distinct = tuple(dict.fromkeys(trees))
        verdicts: dict[TreeId, Verdict] = {}
        for tree in distinct:
            verdicts[tree] = self.judge(tree, suite)
            if progress is not None:
                progress(len(verdicts), len(distinct))
        return verdicts

    def confirm(
        self, trees: Iterable[TreeId], suite: Suite, times: int, progress: Progress | None = None
    ) -> frozenset[TreeId]:
        """Judge each distinct tree so often; return those on which the script's answers differ."""
        distinct = tuple(dict.fromkeys(trees))
        flaky = {tree for tree in distinct if len({self.judge(tree, suite).status for _ in range(times)}) > 1}
        if progress is not None:
            progress(len(distinct), len(distinct))
        return frozenset(flaky)

    def _answer(self, tree: TreeId, suite: Suite) -> Answer:
        if callable(self._script):
            return self._script(tree, suite)
        answer = self._script.get(tree, self._otherwise)
        if answer is None:
            raise InputError(f"{tree}: the script has no verdict on this tree", "add it, or give `otherwise`")
        return answer

    def _verdict(self, tree: TreeId, suite: Suite, status: Status, diagnostics: tuple[Diagnostic, ...]) -> Verdict:
        # a tree that is not green stops at its first stage, so that `passed` never contradicts the status
        stages = suite.stages if status is Status.GREEN else suite.stages[:1]
        return Verdict(
            tree=tree,
            toolchain=self._fingerprint,
            suite=suite,
            status=status,
            stages=tuple(StageResult(stage=stage, status=status, seconds=0) for stage in stages),
            diagnostics=diagnostics,
        )


class ScriptedToolchain:
    """Answers each tree by ``script`` and runs nothing; what the script raises befalls the whole batch.

    ``asked`` lists the batches judged, in order; with several workers the order is theirs.
    """

    name = "scripted"

    def __init__(
        self,
        script: Callable[[TreeId, Suite], Outcome],
        *,
        batch: int = 1,
        suites: frozenset[Suite] = frozenset(Suite),
        fingerprint: str = "scripted",
    ) -> None:
        self._script = script
        self._fingerprint = fingerprint
        self.batch = batch
        self.suites = suites
        self.asked: list[tuple[TreeId, ...]] = []

    def fingerprint(self) -> str:
        """The fingerprint that was given."""
        return self._fingerprint

    def judge(self, trees: Sequence[TreeId], suite: Suite, bench: Workbench) -> tuple[Outcome, ...]:  # noqa: ARG002
        """Answer by script, one outcome a tree."""
        self.asked.append(tuple(trees))
        return tuple(self._script(tree, suite) for tree in trees)
