"""The engine: verdicts on trees, each judged once, with a toolchain in a sandbox.

What is stored: every verdict but infrastructure errors. Whatever the machine might be to blame for is tried once
more, alone: an infrastructure error, a time-out, and a tool that crashed or was killed. The second answer holds.
So a time-out is stored too, though it is a matter of wall clock: the limits are part of the fingerprint, and a
model's endless loop must not cost its limit in every run. A trial that timed out is not tried again: whoever asks
for one tree waits for it, and has said for how long. What was cancelled is neither tried again nor stored.
"""

import copy
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from greenloop.builds import batch
from greenloop.builds.diagnostics import PARSER_VERSION
from greenloop.builds.judge import Progress
from greenloop.builds.limited import tighten
from greenloop.builds.sandbox.policy import Sandbox
from greenloop.builds.shelf import Shelf
from greenloop.builds.stop import Stop
from greenloop.builds.toolchain import Outcome, Toolchain, Workbench, combine
from greenloop.records import EvaluationLimits, InfrastructureError, InputError, Status, Suite, TreeId, Verdict
from greenloop.workspace.store import TreeStore

if TYPE_CHECKING:
    from greenloop.builds.verdicts import VerdictStore  # a recorder does without SQLAlchemy

_DOUBTFUL = frozenset({Status.INFRA_ERROR, Status.TIMEOUT, Status.REJECTED})
_MAX_FAULTS = 5
"""Trees that may end in an infrastructure error before the rest of a run is given up."""
_MAX_LIMITED = 32
"""Engines with other limits that are remembered; clients choose the limits, so there is no end of them."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A verdict, and what stands beside it but is no part of it."""

    verdict: Verdict
    log: str = ""
    """What the tools printed; empty when the verdict comes from the store."""
    seen_before: bool = False
    """The verdict comes from the store: nothing was run."""
    store_seconds: float = 0.0
    """Wall clock of looking up and storing."""


@runtime_checkable
class _Closeable(Protocol):
    """What keeps processes running between calls: spare drivers of a sandbox, checkers of a toolchain."""

    def close(self) -> None: ...


class Engine:
    """The real ``Judge``. One engine serves one toolchain; several may share a verdict store."""

    def __init__(
        self,
        *,
        store: TreeStore,
        verdicts: "VerdictStore",
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
        self._limited: dict[EvaluationLimits, Engine] = {}
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: tools, commands, flags, limits, sandbox policy and parsers."""
        return self._fingerprint

    @property
    def warm(self) -> Shelf:
        """The warm builds of this toolchain: what they take on disk, who holds them, their removal."""
        return Shelf(self._bench.scratch / "warm", self._bench.warm_kind)

    @property
    def sandboxed(self) -> bool:
        """Whether the code that it judges is held in a sandbox."""
        return self._bench.sandbox.sandboxed

    def limited(self, limits: EvaluationLimits) -> "Engine":
        """Return the engine that grants a tree no more than ``limits``; this one where they ask for no less.

        It has a fingerprint of its own, since limits can change a verdict, and shares the verdict store and the warm
        builds. Raises ``InputError`` when the sandbox has no limits.
        """
        sandbox = tighten(self._bench.sandbox, limits)
        if sandbox is self._bench.sandbox:
            return self
        with self._lock:
            known = self._limited.get(limits)
            if known is None:
                bench = self._bench
                known = Engine(
                    store=bench.store,
                    verdicts=self._verdicts,
                    toolchain=self._toolchain,
                    sandbox=sandbox,
                    scratch=bench.scratch,
                    workers=self._workers,
                )
                while len(self._limited) >= _MAX_LIMITED:
                    del self._limited[next(iter(self._limited))]
                self._limited[limits] = known
        return known

    def until(self, stop: Stop) -> "Engine":
        """See ``Judge.until``. The view shares everything with this engine, which alone is closed."""
        view = copy.copy(self)
        view._bench = replace(self._bench, stop=stop)
        return view

    def close(self) -> None:
        """End what the toolchain and the sandbox keep running between trees. May be called again."""
        for part in (self._toolchain, self._bench.sandbox):
            if isinstance(part, _Closeable):
                part.close()

    def trial(
        self, tree: TreeId, suite: Suite, *, base: TreeId | None = None, stop: Stop | None = None, fresh: bool = False
    ) -> Trial:
        """Judge one tree, or find its verdict again unless ``fresh``; the verdict is stored.

        ``base`` is the tree above whose warm build it is judged; ``None`` takes the nearest. Raises
        ``InfrastructureError`` when no verdict could be reached, ``Cancelled`` when ``stop`` was requested before
        it was, ``InputError`` when the tree is unknown or the suite is none of the toolchain's.
        """
        self._demand(suite)
        start = time.perf_counter()
        known = None if fresh else self._verdicts.get(tree, self._fingerprint, suite)
        looked_up = time.perf_counter() - start
        if known is not None:
            return Trial(known, seen_before=True, store_seconds=looked_up)
        fresh_one = self.aside(tree, suite, base=base, stop=stop)
        start = time.perf_counter()
        self._verdicts.put((fresh_one.verdict,))
        return replace(fresh_one, store_seconds=looked_up + time.perf_counter() - start)

    def aside(self, tree: TreeId, suite: Suite, *, base: TreeId | None = None, stop: Stop | None = None) -> Trial:
        """Judge one tree, and neither look its verdict up nor store it.

        For what is run again to see whether it comes out alike, and for trees that nobody may find.
        """
        self._demand(suite)
        if stop is not None:
            stop.check()
        bench = replace(self._bench, base=base, stop=stop)
        (outcome,) = self._judge_batch((tree,), suite, bench, _DOUBTFUL - {Status.TIMEOUT})
        if outcome.status is Status.INFRA_ERROR:
            raise InfrastructureError(f"{tree} could not be judged: {outcome.note}", "judge it again, or elsewhere")
        return Trial(self._verdict(tree, suite, outcome), outcome.log)

    def judge(self, tree: TreeId, suite: Suite) -> Verdict:
        """See ``Judge.judge``."""
        return self.judge_many((tree,), suite)[tree]

    def judge_many(
        self, trees: Iterable[TreeId], suite: Suite, progress: Progress | None = None
    ) -> dict[TreeId, Verdict]:
        """See ``Judge.judge_many``. Verdicts are stored as they come: a run that was cut short goes on where it was.

        Raises ``InfrastructureError`` once the other trees are judged, or after ``_MAX_FAULTS`` failures.
        """
        self._demand(suite)
        distinct = tuple(dict.fromkeys(trees))
        known = self._verdicts.get_many(distinct, self._fingerprint, suite)
        missing = [tree for tree in distinct if tree not in known]
        if progress is not None:
            progress(len(known), len(distinct))
        faults: list[str] = []

        def work(some: Sequence[TreeId]) -> tuple[Outcome, ...]:
            if self._bench.stop is not None:
                self._bench.stop.check()
            return self._judge_batch(some, suite, self._bench, _DOUBTFUL)

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

    def confirm(
        self, trees: Iterable[TreeId], suite: Suite, times: int, progress: Progress | None = None
    ) -> frozenset[TreeId]:
        """See ``Judge.confirm``. What was judged again is noted with the verdict, so it is never done twice.

        A judgement that the machine may be to blame for is none: the tree is judged once more the next time.
        """
        known = self.judge_many(trees, suite)
        for number in range(1, times):
            again = self._verdicts.repeats(known, self._fingerprint, suite)
            todo = [tree for tree in known if len(again.get(tree, ())) < number]

            def work(some: Sequence[TreeId]) -> tuple[Outcome, ...]:
                return self._judge_batch(some, suite, self._bench, _DOUBTFUL)

            parts = batch.chunks(todo, self._toolchain.batch, self._workers)
            done = len(known) - len(todo)
            for some, outcomes in batch.run(work, parts, self._workers):
                seen = {
                    tree: outcome.status
                    for tree, outcome in zip(some, outcomes, strict=True)
                    if outcome.status is not Status.INFRA_ERROR
                }
                self._verdicts.add_repeats(seen, self._fingerprint, suite, number)
                done += len(some)
                if progress is not None:
                    progress(done, len(known))
        again = self._verdicts.repeats(known, self._fingerprint, suite)
        return frozenset(tree for tree, verdict in known.items() if set(again.get(tree, ())) - {verdict.status})

    def _demand(self, suite: Suite) -> None:
        if suite not in self._toolchain.suites:
            can = ", ".join(sorted(suite.value for suite in self._toolchain.suites))
            raise InputError(
                f"the toolchain {self._toolchain.name} cannot judge the suite {suite.value!r}", f"it can: {can}"
            )

    def _judge_batch(
        self, trees: Sequence[TreeId], suite: Suite, bench: Workbench, doubtful: frozenset[Status]
    ) -> tuple[Outcome, ...]:
        """Judge a batch, and once more, alone, each tree whose outcome the machine may be to blame for."""
        try:
            outcomes = self._toolchain.judge(trees, suite, bench)
        except InfrastructureError:
            # whatever befell the batch as a whole is tried again whole, and then raised
            outcomes = self._toolchain.judge(trees, suite, bench)
        return tuple(
            self._again(tree, suite, bench, outcome) if outcome.status in doubtful and not outcome.final else outcome
            for tree, outcome in zip(trees, outcomes, strict=True)
        )

    def _again(self, tree: TreeId, suite: Suite, bench: Workbench, first: Outcome) -> Outcome:
        try:
            (outcome,) = self._toolchain.judge((tree,), suite, bench)
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
            rewritten=outcome.rewritten,
            sandboxed=self._bench.sandbox.sandboxed,
        )
