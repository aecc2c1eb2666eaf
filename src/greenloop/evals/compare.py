"""Two runs on the same tasks: by how much they differ, and whether that may be chance.

- The difference B - A of each score is that over the tasks that both runs scored, with a 95 % interval by the BCa
  bootstrap over authors (``scipy.stats.bootstrap``): whole authors are drawn, with all their tasks and both answers.
- The p-value is two-sided. Where every task is right or wrong: McNemar's exact test (the binomial test on the tasks on
  which the runs differ; ``scipy.stats.binomtest``). Where a task has a share between (any of k of more samples, one
  sampled reply): Wilcoxon's signed-rank test on the tasks' differences (``scipy.stats.wilcoxon``).
- Both tests take tasks as independent, which those of one author are not. So a run is called better only where p is
  below 0.05 *and* the interval over authors leaves out 0, or every author differs by exactly as much.

No correction for looking at many scores is made: name beforehand the one that decides.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats
from pydantic import Field

from greenloop.evals.estimators import difference, mean
from greenloop.evals.metrics import Metric, Shape, metrics
from greenloop.evals.results import ResultsFolder, RunSettings, TaskResult
from greenloop.records import InputError, Part, Record

ALPHA = 0.05
_MAY_DIFFER = frozenset({"model", "seed", "asking"})
"""What two runs are compared in, and how a model wants to be asked; whatever else differs asks another question."""


class Difference(Part):
    """One score of both runs on the tasks that both scored, and B - A."""

    name: str
    tasks: int
    authors: int
    a: float
    b: float
    difference: float
    low: float | None = None
    high: float | None = None
    """Ends of the 95 % interval of the difference; ``None`` where no honest one can be given."""
    interval: str = ""
    """How the interval was made, or why there is none."""
    only_a: int = Field(default=0, ge=0)
    """Tasks on which A is better."""
    only_b: int = Field(default=0, ge=0)
    p: float
    test: str
    better: str = ""
    """``A``, ``B``, or empty where no difference is shown."""


class Comparison(Record):
    """Two runs side by side. ``only_in_a`` and ``only_in_b`` count tasks that one run alone scored: left out."""

    a: RunSettings
    b: RunSettings
    tasks: int
    only_in_a: int
    only_in_b: int
    differing: tuple[str, ...] = ()
    """Settings in which the runs differ though they should not, if that was allowed."""
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """The settings of a run and what it scored."""

    settings: RunSettings
    results: dict[str, TaskResult]

    @classmethod
    def read(cls, folder: ResultsFolder) -> "Run":
        """Read a run. Raises ``InputError`` when the folder holds none."""
        settings = folder.settings()
        if settings is None:
            raise InputError(f"{folder.path}: no run is here", "`greenloop eval run --out` writes one")
        return cls(settings, {task: result for task, result in folder.read().items() if result.red})


def compare(a: Run, b: Run, *, anyway: bool = False) -> Comparison:
    """Compare two runs on the tasks that both scored.

    Raises ``InputError`` where they are of different datasets or settings, unless ``anyway``, and where they share no
    task.
    """
    names = [name for name in RunSettings.model_fields if name not in _MAY_DIFFER]
    differing = tuple(name for name in names if getattr(a.settings, name) != getattr(b.settings, name))
    if differing and not anyway:
        name = differing[0]
        raise InputError(
            f"the runs differ in more than the model: {name} is {getattr(a.settings, name)!r} in the one and "
            f"{getattr(b.settings, name)!r} in the other",
            "run both on the same tasks under the same settings, or compare them all the same with --anyway",
        )
    shared = [task for task in a.results if task in b.results]
    if not shared:
        raise InputError("the runs have no task in common", "compare runs on the same part of the same dataset")
    pairs = [(a.results[task], b.results[task]) for task in shared]
    return Comparison(
        a=a.settings,
        b=b.settings,
        tasks=len(shared),
        only_in_a=len(a.results) - len(shared),
        only_in_b=len(b.results) - len(shared),
        differing=differing,
        differences=tuple(
            found for one, other in _both(a.settings, b.settings) if (found := _difference(one, other, pairs))
        ),
    )


def _both(a: RunSettings, b: RunSettings) -> Sequence[tuple[Metric, Metric]]:
    """The scores that both runs have, each as the one and as the other counts it."""
    k = min(a.sampled, b.sampled) or 1
    ours, theirs = ({metric.name: metric for metric in metrics(Shape.of(one), k)} for one in (a, b))
    return [(metric, theirs[name]) for name, metric in ours.items() if name in theirs]


def _difference(one: Metric, other: Metric, pairs: Sequence[tuple[TaskResult, TaskResult]]) -> Difference | None:
    rows = [
        (x, y, left.author)
        for left, right in pairs
        if (x := one.of(left)) is not None and (y := other.of(right)) is not None
    ]
    if not rows:
        return None
    a, b, authors = [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows]
    p, test = _significance(a, b)
    found = difference([y - x for x, y in zip(a, b, strict=True)], authors)
    delta = mean(b) - mean(a)
    # where every author differs alike there is no spread to draw an interval from, and nobody who disagrees
    apart = bool(delta) if found.low is None or found.high is None else not found.low <= 0 <= found.high
    return Difference(
        name=one.name,
        tasks=len(rows),
        authors=len(set(authors)),
        a=mean(a),
        b=mean(b),
        difference=delta,
        low=found.low,
        high=found.high,
        interval=found.method,
        only_a=sum(x > y for x, y in zip(a, b, strict=True)),
        only_b=sum(y > x for x, y in zip(a, b, strict=True)),
        p=p,
        test=test,
        better=("B" if delta > 0 else "A") if apart and p < ALPHA else "",
    )


def _significance(a: Sequence[float], b: Sequence[float]) -> tuple[float, str]:
    changes = [y - x for x, y in zip(a, b, strict=True)]
    unequal = [change for change in changes if change]
    if not unequal:
        return 1.0, "no task differs"
    if all(value in (0.0, 1.0) for value in (*a, *b)):
        gained = sum(change > 0 for change in unequal)
        return float(scipy.stats.binomtest(gained, len(unequal)).pvalue), "McNemar, exact"
    return float(scipy.stats.wilcoxon(np.array(unequal)).pvalue), "Wilcoxon signed-rank"
