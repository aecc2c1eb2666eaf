"""From results to scores: pure counting, so that a report can be made again from what is stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from pydantic import Field

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.evals.degenerate import Degenerate, degenerate
from greenloop.evals.estimators import Interval, interval, mean
from greenloop.evals.groups import Group, groups
from greenloop.evals.metrics import Metric, Shape, metrics
from greenloop.evals.results import RunSettings, TaskResult
from greenloop.records import InputError, Part, Record, Stage


class Score(Part):
    """A mean over tasks, each in 0 … 1, with its interval if one can be given honestly; see ``evals.metrics``."""

    name: str
    measure: str
    how: str
    value: float
    tasks: int
    """How many tasks count; where none does the value says nothing."""
    interval: Interval | None = None


class Rate(Part):
    """How many of the samples came so far, or were such."""

    name: str
    count: int = Field(ge=0)
    of: int = Field(ge=0)

    @property
    def value(self) -> float:
        """The share, 0 where there is nothing to share."""
        return self.count / self.of if self.of else 0.0


class Latency(Part):
    """Wall clock in seconds: the median and the 95th percentile of ``count`` measurements."""

    name: str
    count: int = Field(ge=1)
    p50: float
    p95: float


class Costs(Part):
    """What the model's replies cost. Tokens are the model's own counts, 0 where it does not tell."""

    prompt_tokens: float
    """Mean of a reply."""
    reply_tokens: float
    """Mean of a reply."""
    all_tokens: int
    """Of all replies, prompts included: what a server would charge for without a cache."""
    seconds: float
    """Mean wall clock of one reply, judging left out; of sampled ones its share of the batch."""
    total_seconds: float
    """Wall clock of all replies, judging left out."""
    latency: tuple[Latency, ...] = ()


class EvalReport(Record):
    """What a run came to. ``tasks`` were asked for, ``scored`` of them count; the others are told by their ids."""

    settings: RunSettings
    k: int
    n: int
    """Samples a task that count for any of k."""
    tasks: int
    scored: int
    authors: int
    not_red: tuple[str, ...] = ()
    """Green under this toolchain, so there is nothing to fix: left out."""
    unjudged: tuple[str, ...] = ()
    """Could not be judged, which says nothing about the model: left out, and tried again by the next run."""
    whole: int = 0
    """Whole-file tasks, those in quarantine included: *same* is of the others."""
    with_results: int = 0
    """Whole-file tasks out of quarantine whose own program prints a value that is no function."""
    quarantined: tuple[tuple[str, str], ...] = ()
    """(task, why) where *same* cannot be told though the task is a whole-file one."""
    scores: tuple[Score, ...]
    rates: tuple[Rate, ...]
    """The stages in order, of all replies; then what else is worth knowing."""
    reasons: tuple[tuple[str, int], ...]
    """Why replies are no fix, most frequent first."""
    groups: tuple[Group, ...]
    costs: Costs
    degenerate: Degenerate
    """Whether the replies are such that the model must not be promoted, whatever its scores."""

    def score(self, name: str) -> Score:
        """Return a score by its name. Raises ``InputError`` naming those that there are."""
        found = next((score for score in self.scores if score.name == name), None)
        if found is None:
            names = ", ".join(score.name for score in self.scores)
            raise InputError(f"there is no score {name!r} in this run", f"there are {names}")
        return found

    @property
    def fixed_at_1(self) -> float:
        """*Fixed* by the greedy reply, or by one sampled reply where no greedy one was asked for."""
        return self.score("fixed@1").value

    @property
    def fixed_at_k(self) -> float:
        """*Fixed* by any of k."""
        return self.score(f"fixed@{self.k}").value


_STAGES: tuple[tuple[str, Callable[[Attempt], bool]], ...] = (
    ("format ok", lambda attempt: attempt.outcome is not Outcome.UNREADABLE),
    ("applies", lambda attempt: attempt.applies),
    ("applies exactly", lambda attempt: attempt.exact),
    ("parses", lambda attempt: _passed(attempt, Stage.PARSE)),
    ("types", lambda attempt: _passed(attempt, Stage.TYPES)),
    ("fixed", lambda attempt: attempt.fixed),
    ("fixed, exact match", lambda attempt: attempt.fixed and attempt.exact),
)
_OTHERS: tuple[tuple[str, Callable[[Attempt], bool]], ...] = (
    ("no-op", lambda attempt: attempt.outcome is Outcome.UNCHANGED or "unchanged" in attempt.flags),
    ("stub", lambda attempt: not {"stub", "unsafe", "raises"}.isdisjoint(attempt.flags)),
    ("deletion", lambda attempt: "deletion" in attempt.flags),
    ("protected files touched", lambda attempt: bool(attempt.restored)),
    ("cut off", lambda attempt: attempt.finish_reason == "length"),
)


def evaluate(
    settings: RunSettings, results: Sequence[TaskResult], *, k: int, tasks: int, unjudged: Sequence[str] = ()
) -> EvalReport:
    """Count ``results``. ``tasks`` is how many were asked for, ``unjudged`` names those without a result.

    Raises ``InputError`` when a task has fewer than ``k`` samples that count.
    """
    scored = [result for result in results if result.red]
    if any(len(result.sampled or result.replies) < k for result in scored):
        raise InputError(f"any of {k} needs {k} samples a task", "ask for a smaller k, or for more samples")
    wanted = metrics(Shape.of(settings), k)
    replies = [result.attempts[place] for result in scored for place in result.replies]
    counted = [result for result in scored if result.results is not None]
    return EvalReport(
        settings=settings,
        k=k,
        n=settings.sampled or settings.greedy,
        tasks=tasks,
        scored=len(scored),
        authors=len({result.author for result in scored}),
        not_red=tuple(result.task for result in results if not result.red),
        unjudged=tuple(unjudged),
        whole=sum(result.whole for result in scored),
        with_results=sum(bool(result.results) for result in counted),
        quarantined=tuple((result.task, result.quarantined) for result in scored if result.quarantined),
        scores=tuple(_score(metric, scored) for metric in wanted),
        rates=tuple(
            Rate(name=name, count=sum(map(test, replies)), of=len(replies)) for name, test in (*_STAGES, *_OTHERS)
        ),
        reasons=_reasons(replies),
        groups=groups(scored, wanted),
        costs=_costs(scored, replies),
        degenerate=degenerate(scored),
    )


def _passed(attempt: Attempt, stage: Stage) -> bool:
    return attempt.verdict is not None and attempt.verdict.passed(stage)


def _score(metric: Metric, scored: Sequence[TaskResult]) -> Score:
    pairs = [(value, result.author) for result in scored if (value := metric.of(result)) is not None]
    values = [value for value, _ in pairs]
    return Score(
        name=metric.name,
        measure=metric.measure,
        how=metric.how,
        value=mean(values),
        tasks=len(values),
        interval=interval(values, [author for _, author in pairs]),
    )


def _reasons(attempts: Iterable[Attempt]) -> tuple[tuple[str, int], ...]:
    found = Counter(attempt.reason or "unknown" for attempt in attempts if not attempt.fixed)
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _costs(scored: Sequence[TaskResult], replies: Sequence[Attempt]) -> Costs:
    sampled = [result for result in scored if result.sampled]
    measured = (
        (
            "the greedy reply",
            [result.attempts[result.greedy].seconds for result in scored if result.greedy is not None],
        ),
        ("all sampled replies", [_seconds(result, result.sampled) for result in sampled]),
        ("judging a task's answers", [result.judging_seconds for result in scored]),
        (
            "a task in all",
            [_seconds(result, range(len(result.attempts))) + result.judging_seconds for result in scored],
        ),
    )
    return Costs(
        prompt_tokens=mean([float(attempt.prompt_tokens) for attempt in replies]),
        reply_tokens=mean([float(attempt.reply_tokens) for attempt in replies]),
        all_tokens=sum(attempt.prompt_tokens + attempt.reply_tokens for attempt in replies),
        seconds=mean([attempt.seconds for attempt in replies]),
        total_seconds=sum(attempt.seconds for attempt in replies),
        latency=tuple(_latency(name, seconds) for name, seconds in measured if seconds),
    )


def _seconds(result: TaskResult, places: Iterable[int]) -> float:
    return sum(result.attempts[place].seconds for place in places)


def _latency(name: str, seconds: Sequence[float]) -> Latency:
    p50, p95 = np.percentile(seconds, (50, 95))
    return Latency(name=name, count=len(seconds), p50=round(float(p50), 4), p95=round(float(p95), 4))
