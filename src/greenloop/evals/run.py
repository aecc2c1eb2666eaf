"""Running a model on tasks, resumably."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from greenloop import __version__
from greenloop.builds.behaviour_store import Behaviours
from greenloop.builds.judge import Judge
from greenloop.builds.protect import DEFAULT_GLOBS
from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.candidates.examine import Rules, examine
from greenloop.candidates.sampling import ModelSource, Sampling
from greenloop.candidates.searching import Search, searched
from greenloop.candidates.source import Source
from greenloop.candidates.weighing import Weigher
from greenloop.evals.measures import Marker, OwnFix, shown
from greenloop.evals.results import ResultsFolder, RunSettings, TaskResult
from greenloop.evals.scores import EvalReport, evaluate
from greenloop.models.seam import Model
from greenloop.prompts.question import Question
from greenloop.records import Asking, InfrastructureError, InputError, Status, Task, Verdict
from greenloop.storage import write_atomically
from greenloop.workspace.store import TreeStore

MAX_FAULTS = 3
"""After so many tasks in a row that could not be judged, the machine is at fault and the run stops."""

Progress = Callable[[int, int, int], None]
"""Called with (tasks done, tasks asked for, tasks with a fix among their samples) after each task."""


def sampling_for(n: int, *, temperature: float = 0.8, max_tokens: int = 256, seed: int = 0) -> Sampling:
    """Return how a task is asked: once greedily; where ``n`` is above 1, ``n`` times independently beside that.

    pass@k is unbiased for samples drawn alike, so the greedy reply is none of the ``n``.
    """
    sampled = n if n > 1 else 0
    return Sampling(greedy=1, sampled=sampled, temperature=temperature, max_tokens=max_tokens, seed=seed)


def run(
    tasks: Sequence[Task],
    model: Model,
    judge: Judge,
    store: TreeStore,
    *,
    sampling: Sampling,
    k: int,
    asking: Asking,
    out_dir: Path,
    dataset: str = "",
    part: str = "",
    protected: tuple[str, ...] = DEFAULT_GLOBS,
    own_fixes: Mapping[str, OwnFix] | None = None,
    behaviours: Behaviours | None = None,
    sources: Sequence[Source] = (),
    searches: Sequence[Search] = (),
    weigher: Weigher | None = None,
    progress: Progress | None = None,
) -> EvalReport:
    """Ask ``model`` each task, judge its samples, store every result in ``out_dir`` and return the report.

    ``own_fixes`` is task id → what the person did, for *same*, *exact* and the breakdowns; ``behaviours`` runs programs
    for *same*. ``sources`` and ``searches`` are asked beside the model, as ``greenloop fix`` asks them: it counts for
    what is shown, and for nothing else; so does ``weigher``, which says which of several fixes is likelier. Tasks whose
    result is stored already are not asked again: a run that stopped goes on where it was.

    Raises ``InputError`` when ``out_dir`` holds another run or there are too few samples for ``k``, ``ModelError`` when
    the model gives no usable answer, and ``InfrastructureError`` when ``MAX_FAULTS`` tasks in a row could not be
    judged. What is done is kept in each case.
    """
    _check(tasks, sampling, k)
    folder = ResultsFolder(out_dir)
    settings = RunSettings(
        greenloop=__version__,
        dataset=dataset,
        part=part,
        model=model.name,
        toolchain=judge.fingerprint,
        greedy=sampling.greedy,
        sampled=sampling.sampled,
        temperature=sampling.temperature,
        max_tokens=sampling.max_tokens,
        seed=sampling.seed,
        asking=asking,
        protected=protected,
        sources=(*(source.label for source in sources), *map(_name, searches)),
        runner="" if behaviours is None else behaviours.fingerprint,
        weighed=weigher is not None,
    )
    done = folder.open(settings)
    bench = _Bench(
        ModelSource(model, sampling, asking),
        tuple(sources),
        tuple(searches),
        judge,
        store,
        protected,
        own_fixes or {},
        Marker(store, judge, behaviours),
        weigher,
    )
    faults: list[str] = []
    in_a_row = fixed = 0
    for number, task in enumerate(tasks, 1):
        if task.id not in done:
            try:
                result = bench.answer(task)
            except InfrastructureError:
                faults.append(task.id)
                in_a_row += 1
                if in_a_row == MAX_FAULTS:
                    raise
                continue
            in_a_row = 0
            folder.append(result)
            done[task.id] = result
        fixed += any(attempt.fixed for attempt in done[task.id].attempts)
        if progress is not None:
            progress(number, len(tasks), fixed)
    results = [done[task.id] for task in tasks if task.id in done]
    report = evaluate(settings, results, k=k, tasks=len(tasks), unjudged=faults)
    write_atomically(folder.report, report.to_json().encode() + b"\n")
    return report


def _name(search: Search) -> str:
    return f"{search.source.label}: {search.max_checks} checks, {search.enough} enough"


def _check(tasks: Sequence[Task], sampling: Sampling, k: int) -> None:
    counting = sampling.sampled or sampling.greedy
    if not 1 <= k <= counting:
        raise InputError(f"fixed@{k} cannot be estimated from {counting} samples a task", "ask for n >= k >= 1")
    if not tasks:
        raise InputError("there is no task to evaluate on", "is the held-out part of the dataset empty?")
    if len({task.id for task in tasks}) < len(tasks):
        raise InputError("two tasks have the same id", "build the dataset again")


@dataclass(frozen=True, slots=True)
class _Bench:
    """What all tasks of a run share."""

    model: ModelSource
    sources: tuple[Source, ...]
    searches: tuple[Search, ...]
    judge: Judge
    store: TreeStore
    protected: tuple[str, ...]
    own_fixes: Mapping[str, OwnFix]
    marker: Marker
    weigher: Weigher | None

    def answer(self, task: Task) -> TaskResult:
        """Ask the model one task and judge its samples. Raises ``InfrastructureError`` if one cannot be judged."""
        before = self.judge.judge(task.base, task.suite)
        answer = self.own_fixes.get(task.id)
        result = TaskResult(
            task=task.id,
            author=task.author,
            base=task.base,
            prompt=task.prompt,
            category=task.category,
            size=None if answer is None else answer.size,
            target=None if answer is None else answer.target,
            origin=None if answer is None else answer.origin,
            red=before.status is Status.RED,
        )
        if not result.red:
            return result
        key = self.marker.key(answer, task.suite)
        attempts, seconds = self._attempts(task, before)
        return result.model_copy(
            update={
                "whole": key.whole,
                "quarantined": key.quarantined,
                "results": None if key.behaviour is None else key.behaviour.results,
                "attempts": attempts,
                "marks": self.marker.marks(key, attempts),
                "shown": shown(attempts),
                "judging_seconds": seconds,
            }
        )

    def _attempts(self, task: Task, before: Verdict) -> tuple[tuple[Attempt, ...], float]:
        question = Question(task.base, task.prompt, before.diagnostics)
        proposals = [
            proposal for source in (*self.sources, self.model) for proposal in source.proposals(self.store, question)
        ]
        # every distinct sample is judged: a bound would be an arbitrary failure
        rules = Rules(task.suite, task.max_changed_lines, self.protected, max_judged=len(proposals))
        start = time.monotonic()
        attempts = examine(self.store, self.judge, before, proposals, rules)
        for search in self.searches:
            row = search.source.proposals(self.store, question)
            attempts += searched(self.store, self.judge, before, row, rules, search, start=len(attempts))
        for attempt in attempts:
            if attempt.outcome is Outcome.UNJUDGED:
                # no failure of the model, so the whole task is tried again another time
                raise InfrastructureError(
                    f"a candidate could not be judged: {attempt.detail}",
                    "run the command again: what is done is kept",
                )
        seconds = time.monotonic() - start
        if self.weigher is not None:
            attempts = self.weigher.weighed(self.store, question, attempts)
        return attempts, seconds
