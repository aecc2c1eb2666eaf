"""The engine: verdicts on trees, each judged once, with a toolchain in a sandbox.

What is stored: every verdict but infrastructure errors. Whatever the machine might be to blame for is tried once
more, alone: an infrastructure error, a time-out, and a tool that crashed or was killed. The second answer holds.
So a time-out is stored too, though it is a matter of wall clock: the limits are part of the fingerprint, and a
model's endless loop must not cost its limit in every run.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from greenloop.builds import batch
from greenloop.builds.diagnostics import PARSER_VERSION
from greenloop.builds.judge import Progress
from greenloop.builds.sandbox.policy import Sandbox
from greenloop.builds.shelf import Shelf
from greenloop.builds.toolchain import Outcome, Toolchain, Workbench, combine
from greenloop.builds.verdicts import VerdictStore
from greenloop.records import InfrastructureError, InputError, Status, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore

_DOUBTFUL = frozenset({Status.INFRA_ERROR, Status.TIMEOUT, Status.REJECTED})
_MAX_FAULTS = 5
"""Trees that may end in an infrastructure error before the rest of a run is given up."""


class Engine:
    """The real ``Judge``. One engine serves one toolchain; several may share a verdict store."""

    def __init__(
        self,
        *,
        store: TreeStore,
        verdicts: VerdictStore,
        toolchain: Toolchain,
        sandbox: Sandbox,
        scratch: Path,
        workers: int = 2,
    ) -> None:
        """``scratch`` is a folder of Greenloop's own, kept between runs; ``workers`` judge at the same time.

        Raises ``EnvironmentFault`` when the toolchain is not installed.
        """
        tools = toolchain.fingerprint()
        parts = {"toolchain": tools, "sandbox": sandbox.fingerprint(), "parsers": PARSER_VERSION}
        self._fingerprint = combine(parts)
        self._verdicts = verdicts
        self._toolchain = toolchain
        self._workers = max(1, workers)
        self._bench = Workbench(store, sandbox, scratch, self._fingerprint, toolchain=tools)

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: tools, commands, flags, limits, sandbox policy and parsers."""
        return self._fingerprint

    @property
    def warm(self) -> Shelf:
        """The warm builds of this toolchain: what they take on disk, who holds them, their removal."""
        return Shelf(self._bench.scratch / "warm", self._bench.warm_kind)

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        """See ``Judge.judge``."""
        return self.judge_many((tree,), suite)[tree]

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        """See ``Judge.judge_many``. Verdicts are stored as they come: a run that was cut short goes on where it was.

        Raises ``InfrastructureError`` once the other trees are judged, or after ``_MAX_FAULTS`` failures.
        """
        if suite not in self._toolchain.suites:
            can = ", ".join(sorted(suite.value for suite in self._toolchain.suites))
            raise InputError(
                f"the toolchain {self._toolchain.name} cannot judge the suite {suite.value!r}", f"it can: {can}"
            )
        distinct = tuple(dict.fromkeys(trees))
        known = self._verdicts.get_many(distinct, self._fingerprint, suite)
        missing = [tree for tree in distinct if tree not in known]
        if progress is not None:
            progress(len(known), len(distinct))
        faults: list[str] = []

        def work(some: Sequence[TreeId]) -> tuple[Outcome, ...]:
            return self._judge_batch(some, suite)

        for some, outcomes in batch.run(
            work, batch.chunks(missing, self._toolchain.batch, self._workers), self._workers
        ):
            fresh = [
                self._verdict(tree, suite, outcome)
                for tree, outcome in zip(some, outcomes, strict=True)
                if outcome.status is not Status.INFRA_ERROR
            ]
            self._verdicts.put(fresh)
            known.update((verdict.tree, verdict) for verdict in fresh)
            faults += [
                f"{tree}: {outcome.note}"
                for tree, outcome in zip(some, outcomes, strict=True)
                if outcome.status is Status.INFRA_ERROR
            ]
            if len(faults) >= _MAX_FAULTS:
                break
            if progress is not None:
                progress(len(known), len(distinct))
        if faults:
            raise InfrastructureError(
                f"{len(faults)} of {len(missing)} trees could not be judged, the first: {faults[0]}",
                "what was judged is stored: when the machine is well again, the same command goes on from there",
            )
        return {tree: known[tree] for tree in distinct}

    def _judge_batch(self, trees: Sequence[TreeId], suite: Suite) -> tuple[Outcome, ...]:
        """Judge a batch, and once more, alone, each tree whose outcome the machine may be to blame for."""
        try:
            outcomes = self._toolchain.judge(trees, suite, self._bench)
        except InfrastructureError:
            # whatever befell the batch as a whole is tried again whole, and then raised
            outcomes = self._toolchain.judge(trees, suite, self._bench)
        return tuple(
            self._again(tree, suite, outcome) if outcome.status in _DOUBTFUL and not outcome.final else outcome
            for tree, outcome in zip(trees, outcomes, strict=True)
        )

    def _again(self, tree: TreeId, suite: Suite, first: Outcome) -> Outcome:
        try:
            (outcome,) = self._toolchain.judge((tree,), suite, self._bench)
        except InfrastructureError as error:
            return Outcome(Status.INFRA_ERROR, note=f"{first.note}; then {error}" if first.note else str(error))
        return outcome

    def _verdict(self, tree: TreeId, suite: Suite, outcome: Outcome) -> Verdict:
        return Verdict(
            tree=tree,
            toolchain=self._fingerprint,
            suite=suite,
            status=outcome.status,
            stages=outcome.stages,
            diagnostics=outcome.diagnostics,
            tests=outcome.tests,
            note=outcome.note,
            sandboxed=self._bench.sandbox.sandboxed,
        )
