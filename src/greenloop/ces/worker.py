"""The worker: one edit to one base, from the request to everything that makes its evaluation credible.

Blocking, and called from several threads. It keeps nothing between calls but what its parts keep. Queues, retries on
other machines and the books belong to its callers.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from greenloop.builds.engine import Engine
from greenloop.builds.landing import Landed, mistrust, put_back
from greenloop.builds.stop import Stop
from greenloop.ces.bases import Bases
from greenloop.ces.examination import Examination, Findings
from greenloop.ces.expectations import reached_tests
from greenloop.ces.quarantine import Quarantine
from greenloop.ces.questions import Question, ask
from greenloop.ces.revisions import tree_project
from greenloop.ces.seams import Asked
from greenloop.records import EditError, Evaluation, EvaluationRequest, Status, Timings
from greenloop.workspace.store import TreeStore

_READERS = 8
"""Threads that read flags; each is made when it is first needed."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An evaluation, and what the tools printed: no part of it, and nothing of the hidden tests in it."""

    evaluation: Evaluation
    log: str = ""


class Worker:
    """Judges edits with one engine above the builds of one pool."""

    def __init__(
        self,
        *,
        store: TreeStore,
        engine: Engine,
        pool: Bases,
        protected: Sequence[str],
        quarantine: Quarantine,
    ) -> None:
        """``protected`` are globs of the files that no edit changes unless its request allows it."""
        self._store = store
        self._engine = engine
        self._pool = pool
        self._protected = tuple(protected)
        self._quarantine = quarantine
        self._aside = ThreadPoolExecutor(_READERS, "ces-flags")

    def ask(self, request: EvaluationRequest) -> Asked:
        """Find the base of one edit and apply it; judging it then tells of the base as it was found here.

        Runs no tool. Raises ``InputError`` when there is no such base, or the request's limits or hidden paths are no
        good. Judging raises ``Cancelled`` soon after its stop was requested, ``InputError`` when the base is not to be
        had, and ``InfrastructureError`` when the machine failed twice: then nothing is known of the edit.
        """
        began = time.perf_counter()
        engine = self._engine.limited(request.limits)
        found = None if request.revision is None else self._pool.find(request.revision)
        question = ask(
            self._store,
            request,
            warm=found.tree if found is not None else request.base_tree or "",
            fingerprint=engine.fingerprint,
            sandboxed=engine.sandboxed,
            protected=self._protected,
        )
        asking_ms = _since(began)
        project = tree_project(question.base) if found is None else found.project
        return Asked(question.id, lambda stop: self._judge(request, engine, question, project, asking_ms, stop))

    def _judge(
        self,
        request: EvaluationRequest,
        engine: Engine,
        question: Question,
        project: str,
        asking_ms: float,
        stop: Stop,
    ) -> Judged:
        began = time.perf_counter()
        stop.check()
        if isinstance(question.landing, EditError):
            return Judged(_rejected(question, question.landing, request, engine, asking_ms))
        base, applied = question.base, question.landing
        result, restored = put_back(self._store, base, applied.tree, protected=self._protected, allowed=request.allowed)
        applied_ms = asking_ms + _since(began)
        with self._pool.base_for(request, stop) as warm:
            # the flags are read while the tools run: on a large file that takes as long as a type check
            flags = self._aside.submit(mistrust, self._store, base, result, restored)
            judging = time.perf_counter()
            found = Examination(
                store=self._store,
                engine=engine,
                quarantine=self._quarantine,
                project=project,
                service=self._engine,
                request=request,
                warm=warm,
                stop=stop,
            ).run(base, result)
            judged_ms = _since(judging)
            landed = Landed(applied.tree, result, restored, applied.rung, flags.result())
        store_ms = 1000 * found.store_seconds
        timings = Timings(
            apply_ms=applied_ms,
            judge_ms=max(0.0, judged_ms - store_ms),
            store_ms=store_ms,
            total_ms=asking_ms + _since(began),
        )
        return Judged(_evaluation(question, landed, found, request, engine, timings), found.log)


def _since(start: float) -> float:
    return 1000 * (time.perf_counter() - start)


def _rejected(
    question: Question, error: EditError, request: EvaluationRequest, engine: Engine, took_ms: float
) -> Evaluation:
    return Evaluation(
        id=question.id,
        status=Status.REJECTED,
        reason=error.reason,
        note=str(error),
        base=question.base,
        suite=request.suite,
        flags=() if engine.sandboxed else ("unsandboxed",),
        toolchain=engine.fingerprint,
        sandboxed=engine.sandboxed,
        timings=Timings(apply_ms=took_ms, total_ms=took_ms),
    )


def _evaluation(
    question: Question,
    landed: Landed,
    found: Findings,
    request: EvaluationRequest,
    engine: Engine,
    timings: Timings,
) -> Evaluation:
    shown = found.shown
    flags = _flags(landed, found, engine)
    status, reason, note = _ending(question, landed, found, request, flags)
    return Evaluation(
        id=question.id,
        status=status,
        reason=reason,
        note=note,
        base=question.base,
        result=landed.result,
        suite=request.suite,
        tree_status=found.tree_status,
        stage=shown.stages[-1].stage if shown.stages else None,
        stages=shown.stages,
        diagnostics=shown.diagnostics,
        tests=shown.tests,
        hidden=found.hidden,
        flags=flags,
        restored=landed.restored,
        flaky=found.flaky,
        rung=landed.rung,
        toolchain=engine.fingerprint,
        sandboxed=engine.sandboxed,
        seen_before=found.seen_before,
        timings=timings,
    )


def _flags(landed: Landed, found: Findings, engine: Engine) -> tuple[str, ...]:
    # a tool that names no test says by its exit status alone that they passed, and the code under test can end it
    unnamed = found.shown.green and reached_tests(found.shown) and not found.shown.tests
    more = (
        ("tamper", found.rewritten),
        ("tests-missing", found.missing),
        ("flaky", found.flaky),
        ("unnamed-tests", unnamed),
        ("unsandboxed", not engine.sandboxed),
    )
    return tuple(dict.fromkeys((*landed.flags, *(name for name, holds in more if holds))))


def _ending(
    question: Question, landed: Landed, found: Findings, request: EvaluationRequest, flags: Sequence[str]
) -> tuple[Status, str, str]:
    """Return (status, reason, note). The first thing that keeps a tree from counting as green is the reason."""
    if found.status is not Status.GREEN:
        reason = found.reason or ("tool-failed" if found.status is Status.REJECTED else "")
        return found.status, reason, found.note or found.shown.note
    if landed.restored and landed.result == question.base:
        return Status.RED, "protected", f"only protected files were changed: {', '.join(landed.restored[:10])}"
    refused = [flag for flag in flags if flag in request.refuse]
    if refused:
        return Status.RED, "hack", f"green, but with what this task refuses: {', '.join(refused)}"
    return Status.GREEN, "", found.shown.note
