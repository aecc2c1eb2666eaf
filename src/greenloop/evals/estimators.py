"""pass@k, and how sure one can be of a mean over tasks."""

import math
import warnings
from collections.abc import Sequence

import numpy as np
import scipy.stats
from numpy.typing import NDArray
from pydantic import Field

from greenloop.records import InputError, Part

CONFIDENCE = 0.95
RESAMPLES = 9999
_SEED = 20170501
"""Fixed, so that the same results give the same interval; the value has no meaning."""
FEW_AUTHORS = 10
"""With fewer clusters than this a bootstrap interval is too narrow more often than it says."""


class Interval(Part):
    """A 95 % confidence interval of a proportion or a mean of proportions, and the method that gave it."""

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)
    method: str


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the chance that at least one of ``k`` samples drawn from ``n``, of which ``c`` are right, is right.

    The unbiased estimator 1 - C(n-c, k) / C(n, k) of Chen et al. 2021 (arXiv 2107.03374), in exact integers and
    rounded once. Raises ``InputError`` unless 0 <= c <= n and 1 <= k <= n.
    """
    if not 0 <= c <= n or not 1 <= k <= n:
        raise InputError(
            f"pass@{k} of {c} right among {n} samples cannot be estimated", "draw at least k samples a task"
        )
    ways = math.comb(n, k)
    return (ways - math.comb(n - c, k)) / ways


def mean(values: Sequence[float]) -> float:
    """Return the mean, 0 for no values."""
    return math.fsum(values) / len(values) if values else 0.0


def interval(values: Sequence[float], clusters: Sequence[str]) -> Interval | None:
    """Return the interval of the mean of ``values`` (each in 0 … 1), one a task, ``clusters`` naming their authors.

    - Two authors or more: bias-corrected and accelerated bootstrap over authors (``scipy.stats.bootstrap``, BCa),
      for the tasks of one person are alike: whole authors are drawn, the statistic is the mean over their tasks.
    - One author: nothing can be said of other people. Where every value is 0 or 1, Wilson's interval over tasks
      (``scipy.stats.binomtest``) as if they were independent, and the method says so; otherwise the same bootstrap
      over tasks.
    - All values equal: a bootstrap would claim certainty. Wilson over tasks if they are 0 or 1, else ``None``.
    - No values, one value that is not 0 or 1, or a distribution that degenerates: ``None``.
    """
    if len(values) != len(clusters):
        raise InputError(f"{len(values)} values belong to {len(clusters)} authors")
    authors = len(set(clusters))
    binary = all(value in (0.0, 1.0) for value in values)
    if not values:
        return None
    if len(set(values)) == 1 or (authors == 1 and binary):
        if not binary:
            return None
        why = "one author" if authors == 1 else "all values equal"
        return _wilson(values, f"Wilson, tasks taken as independent ({why})")
    if authors == 1:
        return _bootstrap(values, [str(task) for task in range(len(values))], "BCa bootstrap over tasks (one author)")
    few = f"; fewer than {FEW_AUTHORS}, so it is too narrow" if authors < FEW_AUTHORS else ""
    return _bootstrap(values, clusters, f"BCa bootstrap over {authors} authors{few}")


def _wilson(values: Sequence[float], method: str) -> Interval:
    found = scipy.stats.binomtest(int(sum(values)), len(values)).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(low=_within(found.low), high=_within(found.high), method=method)


class Spread(Part):
    """A 95 % confidence interval of a mean difference in -1 … 1, ``None`` where no honest one can be given."""

    low: float | None = None
    high: float | None = None
    method: str


def difference(changes: Sequence[float], clusters: Sequence[str]) -> Spread:
    """Return the interval of the mean of ``changes`` (each in -1 … 1), one a task, ``clusters`` naming their authors.

    The BCa bootstrap over authors, as in ``interval``; over tasks where all are of one author, which says nothing of
    other people. None where no author's mean differs from another's, or the distribution degenerates.
    """
    if len(changes) != len(clusters):
        raise InputError(f"{len(changes)} values belong to {len(clusters)} authors")
    authors = len(set(clusters))
    if authors == 1:
        clusters, what = [str(task) for task in range(len(changes))], "tasks (one author)"
    else:
        few = f"; fewer than {FEW_AUTHORS}, so it is too narrow" if authors < FEW_AUTHORS else ""
        what = f"{authors} authors{few}"
    found = _drawn(changes, clusters)
    if found is None:
        return Spread(method="none: all authors differ alike" if authors > 1 else "none: all tasks differ alike")
    return Spread(low=found[0], high=found[1], method=f"BCa bootstrap over {what}")


def _bootstrap(values: Sequence[float], clusters: Sequence[str], method: str) -> Interval | None:
    found = _drawn(values, clusters)
    return None if found is None else Interval(low=_within(found[0]), high=_within(found[1]), method=method)


def _drawn(values: Sequence[float], clusters: Sequence[str]) -> tuple[float, float] | None:
    """Return the ends of the bootstrap interval, ``None`` where nothing varies or it degenerates."""
    totals: dict[str, float] = {}
    counts: dict[str, int] = {}
    for value, cluster in zip(values, clusters, strict=True):
        totals[cluster] = totals.get(cluster, 0.0) + value
        counts[cluster] = counts.get(cluster, 0) + 1
    sums, sizes = np.array(list(totals.values())), np.array([float(count) for count in counts.values()])
    if np.ptp(sums / sizes) == 0.0:
        # every author has the same mean: each resample gives it again, which is no certainty
        return None
    with warnings.catch_warnings():
        # scipy warns where BCa degenerates; the NaN that comes with it is what is looked at
        warnings.simplefilter("ignore")
        found = scipy.stats.bootstrap(
            (sums, sizes),
            _ratio,
            paired=True,
            vectorized=True,
            confidence_level=CONFIDENCE,
            n_resamples=RESAMPLES,
            method="BCa",
            rng=np.random.default_rng(_SEED),
        ).confidence_interval
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return None
    return float(found.low), float(found.high)


def _ratio(sums: NDArray[np.float64], sizes: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    """The mean over all tasks of the drawn authors: a ratio of sums, as authors have unequal numbers of tasks."""
    ratio: NDArray[np.float64] = sums.sum(axis=axis) / sizes.sum(axis=axis)
    return ratio


def _within(value: float) -> float:
    return min(1.0, max(0.0, float(value)))
