"""From results to scores: pure counting, so that a report can be made again from what is stored."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from pydantic import Field

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.evals.estimators import Interval, interval, mean, pass_at_k
from greenloop.evals.results import RunSettings, TaskResult, counted, fixes
from greenloop.records import InputError, Part, Record, Stage

SIZES: tuple[tuple[str, int], ...] = (("1 line", 1), ("2-3 lines", 3), ("4-10 lines", 10))
"""Buckets of the person's own edit by its changed lines: a name, and the largest that belongs to it."""
LARGER = "over 10 lines"


class Score(Part):
    """A mean over tasks, each in 0 … 1, with its interval if one can be given honestly."""

    name: str
    value: float
    tasks: int
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


class Group(Part):
    """The scores of a part of the tasks; ``kind`` is ``category`` or ``size``."""

    kind: str
    name: str
    tasks: int
    fixed_at_1: float
    fixed_at_k: float


class Costs(Part):
    """Means over all samples. Tokens are the model's own counts, 0 where it does not tell."""

    prompt_tokens: float
    reply_tokens: float
    seconds: float
    """Wall clock of one sample, judging left out."""
    total_seconds: float
    """Wall clock of all samples, judging left out."""


class EvalReport(Record):
    """What a run came to. ``tasks`` were asked for, ``scored`` of them count; the others are told by their ids."""

    settings: RunSettings
    k: int
    n: int
    """Samples a task that count for pass@k."""
    tasks: int
    scored: int
    authors: int
    not_red: tuple[str, ...] = ()
    """Green under this toolchain, so there is nothing to fix: left out."""
    unjudged: tuple[str, ...] = ()
    """Could not be judged, which says nothing about the model: left out, and tried again by the next run."""
    scores: tuple[Score, ...]
    """``fixed@1``, ``fixed@k`` unless k is 1, and ``fixed (greedy)`` where a greedy reply stands beside samples."""
    rates: tuple[Rate, ...]
    """The stages in order, of all samples that count; then what else is worth knowing."""
    reasons: tuple[tuple[str, int], ...]
    """Why samples are no fix, most frequent first."""
    groups: tuple[Group, ...]
    costs: Costs

    @property
    def fixed_at_1(self) -> float:
        """The first score."""
        return self.scores[0].value

    @property
    def fixed_at_k(self) -> float:
        """The chance that one of k samples is a fix."""
        return next((score.value for score in self.scores if score.name == f"fixed@{self.k}"), 0.0)


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
    samples = [counted(result) for result in scored]
    if any(len(attempts) < k for attempts in samples):
        raise InputError(f"pass@{k} needs {k} samples a task", "ask for a smaller k, or for more samples")
    flat = [attempt for attempts in samples for attempt in attempts]
    return EvalReport(
        settings=settings,
        k=k,
        n=settings.sampled or settings.greedy,
        tasks=tasks,
        scored=len(scored),
        authors=len({result.author for result in scored}),
        not_red=tuple(result.task for result in results if not result.red),
        unjudged=tuple(unjudged),
        scores=tuple(_scores(settings, scored, samples, k)),
        rates=tuple(Rate(name=name, count=sum(map(test, flat)), of=len(flat)) for name, test in (*_STAGES, *_OTHERS)),
        reasons=_reasons(flat),
        groups=tuple(_groups(scored, samples, k)),
        costs=_costs([attempt for result in scored for attempt in result.attempts]),
    )


def _passed(attempt: Attempt, stage: Stage) -> bool:
    return attempt.verdict is not None and attempt.verdict.passed(stage)


def _scores(
    settings: RunSettings, scored: Sequence[TaskResult], samples: Sequence[Sequence[Attempt]], k: int
) -> Iterable[Score]:
    authors = [result.author for result in scored]

    def score(name: str, values: Sequence[float]) -> Score:
        return Score(name=name, value=mean(values), tasks=len(values), interval=interval(values, authors))

    for wanted in sorted({1, k}):
        yield score(f"fixed@{wanted}", _chances(samples, wanted))
    if settings.greedy and settings.sampled:
        greedy = [[attempt for attempt in result.attempts if attempt.greedy] for result in scored]
        yield score("fixed (greedy)", [float(fixes(attempts) > 0) for attempts in greedy])


def _chances(samples: Sequence[Sequence[Attempt]], k: int) -> list[float]:
    return [pass_at_k(len(attempts), fixes(attempts), k) for attempts in samples]


def _reasons(attempts: Iterable[Attempt]) -> tuple[tuple[str, int], ...]:
    found = Counter(attempt.reason or "unknown" for attempt in attempts if not attempt.fixed)
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _groups(scored: Sequence[TaskResult], samples: Sequence[Sequence[Attempt]], k: int) -> Iterable[Group]:
    order = [name for name, _ in SIZES] + [LARGER]
    for kind, name_of in (("category", lambda result: str(result.category)), ("size", _size)):
        parts: dict[str, list[Sequence[Attempt]]] = {}
        for result, attempts in zip(scored, samples, strict=True):
            name = name_of(result)
            if name:
                parts.setdefault(name, []).append(attempts)
        for name in sorted(parts, key=lambda name: (order.index(name) if name in order else 0, name)):
            yield Group(
                kind=kind,
                name=name,
                tasks=len(parts[name]),
                fixed_at_1=mean(_chances(parts[name], 1)),
                fixed_at_k=mean(_chances(parts[name], k)),
            )


def _size(result: TaskResult) -> str:
    if result.size is None:
        return ""
    size = result.size
    return next((name for name, largest in SIZES if size <= largest), LARGER)


def _costs(attempts: Sequence[Attempt]) -> Costs:
    return Costs(
        prompt_tokens=mean([float(attempt.prompt_tokens) for attempt in attempts]),
        reply_tokens=mean([float(attempt.reply_tokens) for attempt in attempts]),
        seconds=mean([attempt.seconds for attempt in attempts]),
        total_seconds=sum(attempt.seconds for attempt in attempts),
    )
