"""The scores of parts of the tasks: by error class, size and source of the task, and how many tasks its author has."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from greenloop.evals.estimators import mean
from greenloop.evals.metrics import Metric
from greenloop.evals.results import TaskResult
from greenloop.records import Part

SIZES: tuple[tuple[str, int], ...] = (("1 line", 1), ("2-3 lines", 3), ("4-10 lines", 10))
"""Buckets of the person's own edit by its changed lines: a name, and the largest that belongs to it."""
LARGER = "over 10 lines"
SHARES: tuple[tuple[str, int], ...] = (("1 task", 1), ("2-5 tasks", 5), ("6-20 tasks", 20))
"""Buckets of authors by how many of the tasks are theirs."""
MORE = "over 20 tasks"


class Group(Part):
    """The scores of a part of the tasks. ``kind``: ``category``, ``size``, ``origin`` or ``author's tasks``.

    ``scores`` is name → mean of those tasks to which it applies; too few, mostly, for an interval.
    """

    kind: str
    name: str
    tasks: int
    authors: int
    scores: dict[str, float]


def groups(scored: Sequence[TaskResult], metrics: Sequence[Metric]) -> tuple[Group, ...]:
    """Return the groups of each kind in order; a task of which a kind is not known is in no group of it."""
    return tuple(_groups(scored, metrics))


def _groups(scored: Sequence[TaskResult], metrics: Sequence[Metric]) -> Iterable[Group]:
    shares = Counter(result.author for result in scored)
    kinds: tuple[tuple[str, Callable[[TaskResult], str]], ...] = (
        ("category", lambda result: result.category.value),
        ("size", lambda result: "" if result.size is None else _bucket(result.size, SIZES, LARGER)),
        ("origin", lambda result: "" if result.origin is None else result.origin.value),
        ("author's tasks", lambda result: _bucket(shares[result.author], SHARES, MORE)),
    )
    order = [name for name, _ in SIZES] + [LARGER] + [name for name, _ in SHARES] + [MORE]
    for kind, name_of in kinds:
        parts: dict[str, list[TaskResult]] = {}
        for result in scored:
            name = name_of(result)
            if name:
                parts.setdefault(name, []).append(result)
        for name in sorted(parts, key=lambda name: (order.index(name) if name in order else 0, name)):
            yield _group(kind, name, parts[name], metrics)


def _group(kind: str, name: str, results: Sequence[TaskResult], metrics: Sequence[Metric]) -> Group:
    scores: dict[str, float] = {}
    for metric in metrics:
        values = [value for result in results if (value := metric.of(result)) is not None]
        if values:
            scores[metric.name] = mean(values)
    authors = len({result.author for result in results})
    return Group(kind=kind, name=name, tasks=len(results), authors=authors, scores=scores)


def _bucket(number: int, buckets: Sequence[tuple[str, int]], more: str) -> str:
    return next((name for name, largest in buckets if number <= largest), more)
