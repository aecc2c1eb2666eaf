"""By what the list of tasks is narrowed down: boxes that the page's style sheet looks at, without a script."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenloop.evals.groups import LARGER, SIZES
from greenloop.evals.report.data import TaskView
from greenloop.evals.results import TaskResult


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """One box. ``key`` is its id and the class of its tasks: lower-case letters, digits and hyphens alone."""

    key: str
    name: str
    tasks: int


@dataclass(frozen=True, slots=True)
class Filter:
    """A group of boxes of which every task has one."""

    name: str
    choices: tuple[FilterChoice, ...]


def filters(tasks: Sequence[TaskView]) -> tuple[Filter, ...]:
    """Return the boxes for these tasks; a kind that does not tell them apart has none."""
    counts = Counter(key for task in tasks for key in task.keys)
    names = {key: key.partition("--")[2].replace("-", " ") for key in counts}
    found = []
    for kind, _ in _KINDS:
        chosen = [key for key in sorted(counts) if key.startswith(f"{_slug(kind)}--")]
        if len(chosen) > 1:
            found.append(Filter(kind, tuple(FilterChoice(key, names[key], counts[key]) for key in chosen)))
    return tuple(found)


def keys(result: TaskResult) -> tuple[str, ...]:
    """Return the classes of a task, one of each kind."""
    return tuple(f"{_slug(kind)}--{_slug(of(result))}" for kind, of in _KINDS)


def facts(result: TaskResult) -> tuple[str, ...]:
    """Return what is told of a task in its line."""
    size = () if result.size is None else (_size(result),)
    origin = () if result.origin is None else (result.origin.value,)
    quarantined = (f"no same: {result.quarantined}",) if result.quarantined else ()
    return (result.category.value, *size, *origin, result.author, *quarantined)


def _answer(result: TaskResult) -> str:
    if result.shown is not None and result.marks[result.shown].fixed:
        return "fixed as shown"
    return "fixed but not shown" if any(marks.fixed for marks in result.marks) else "not fixed"


def _same(result: TaskResult) -> str:
    told = [marks.same for marks in result.marks if marks.same is not None]
    if not told:
        return "does not apply"
    if result.shown is not None and result.marks[result.shown].same:
        return "same as shown"
    return "same but not shown" if any(told) else "not the same"


def _size(result: TaskResult) -> str:
    if result.size is None:
        return "unknown"
    return next((name for name, largest in SIZES if result.size <= largest), LARGER)


_KINDS: tuple[tuple[str, Callable[[TaskResult], str]], ...] = (
    ("answer", _answer),
    ("program", _same),
    ("error", lambda result: result.category.value),
    ("size", _size),
    ("source", lambda result: "unknown" if result.origin is None else result.origin.value),
)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
