"""What is counted of a task: three measures, each by what was asked, so that none is ever told alone.

==================  =================================================================================================
``fixed@1``         the greedy reply; where none was asked for, the mean of the sampled ones
``fixed@8``         any of 8: the unbiased estimate over the sampled replies alone (see ``estimators.pass_at_k``)
``fixed@1_sampled`` one sampled reply, where both kinds were asked for
``fixed_shown``     the one answer that ``greenloop fix`` would put first, of all that was proposed
==================  =================================================================================================

and so for ``same`` and ``exact`` (see ``evals.measures``). Where further sources were asked beside the model,
``fixed_shown_model`` is what would be shown of the model's replies alone, and ``fixed_shown_without_model`` of the
others alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from greenloop.evals.estimators import pass_at_k
from greenloop.evals.measures import shown
from greenloop.evals.results import Marks, RunSettings, TaskResult

MEASURES: tuple[tuple[str, Callable[[Marks], bool | None]], ...] = (
    ("fixed", lambda marks: marks.fixed),
    ("same", lambda marks: marks.same),
    ("exact", lambda marks: marks.exact),
)


@dataclass(frozen=True, slots=True)
class Metric:
    """One number of a run: its name, and what it is of one task, in 0 … 1; ``None`` where a task does not count."""

    name: str
    measure: str
    how: str
    """In words, for people."""
    of: Callable[[TaskResult], float | None]


@dataclass(frozen=True, slots=True)
class Shape:
    """How many replies a task gets, and whether anything is asked beside the model."""

    greedy: int
    sampled: int
    sources: bool

    @classmethod
    def of(cls, settings: RunSettings) -> "Shape":
        """Return the shape of a run."""
        return cls(settings.greedy, settings.sampled, bool(settings.sources))


def metrics(shape: Shape, k: int) -> tuple[Metric, ...]:
    """Return what is counted of a run: the measures of *fixed*, then of *same*, then of *exact*."""
    return tuple(one for measure, worth in MEASURES for one in _of_measure(shape, k, measure, worth))


def _of_measure(shape: Shape, k: int, measure: str, worth: Callable[[Marks], bool | None]) -> Iterable[Metric]:
    def metric(name: str, how: str, chosen: Callable[[TaskResult], Sequence[int]], of: int) -> Metric:
        return Metric(f"{measure}{name}", measure, how, lambda result: _value(result, worth, chosen(result), of))

    if shape.greedy:
        yield metric("@1", "the greedy reply", _greedy, 1)
    if shape.sampled:
        if not shape.greedy:
            yield metric("@1", "one sampled reply", lambda result: result.sampled, 1)
        if k > 1:
            yield metric(f"@{k}", f"any of {k} sampled replies", lambda result: result.sampled, k)
        if shape.greedy:
            yield metric("@1_sampled", "one sampled reply", lambda result: result.sampled, 1)
    yield metric("_shown", "the one answer shown", lambda result: _one(result.shown), 1)
    if shape.sources:
        yield metric("_shown_model", "shown of the model alone", lambda result: _shown_of(result, by_model=True), 1)
        yield metric(
            "_shown_without_model", "shown without the model", lambda result: _shown_of(result, by_model=False), 1
        )


def _value(result: TaskResult, worth: Callable[[Marks], bool | None], places: Sequence[int], k: int) -> float | None:
    """The chance that one of ``k`` of the attempts at ``places`` is right; an answer that is not there is wrong."""
    if all(worth(marks) is None for marks in result.marks):
        return None
    if not places:
        return 0.0
    return pass_at_k(len(places), sum(bool(worth(result.marks[place])) for place in places), k)


def _greedy(result: TaskResult) -> Sequence[int]:
    return _one(result.greedy)


def _one(place: int | None) -> Sequence[int]:
    return () if place is None else (place,)


def _shown_of(result: TaskResult, *, by_model: bool) -> Sequence[int]:
    places = [place for place, attempt in enumerate(result.attempts) if (attempt.reply is not None) == by_model]
    best = shown([result.attempts[place] for place in places])
    return () if best is None else (places[best],)
