"""How far an arm is from the control, with an interval that holds at all times together.

The asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit
theory and asymptotic confidence sequences", Annals of Statistics 52(6), 2024 (arXiv 2103.06476), theorem 2.2: with the
estimate's standard error s after t tasks, the interval is

    estimate ± s · sqrt((t·r² + 1) / (t·r²) · ln((t·r² + 1) / a²)),    r² = (-2 ln a + ln(1 - 2 ln a)) / t*

for an error probability a, tightest near t = t*. The estimate is the difference within developers (a regression on
the arm with an intercept for each developer), and its standard error is robust to dependence within a developer
(Liang and Zeger 1986, with Stata's correction for few clusters), but never below the one that takes tasks as
independent: with few developers the robust one alone is too small too often.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ALPHA = 0.05
TIGHTEST = 1000
"""Tasks at which the sequence is tightest."""
LEAST_DEVELOPERS = 5
LEAST_TASKS = 50
"""Of each arm. With less than this, an interval that is asymptotic says nothing, and none is told."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Tasks in two arms, one entry each: whose (numbers from 0), whether treated (1) or control (0), its value."""

    developer: Ints
    treated: Floats
    value: Floats

    def first(self, count: int) -> "Sample":
        """Return the first so many tasks."""
        return Sample(self.developer[:count], self.treated[:count], self.value[:count])


@dataclass(frozen=True, slots=True)
class Effect:
    """Treated minus control. ``error`` is the standard error, ``low`` and ``high`` hold at all times together."""

    estimate: float
    error: float
    low: float
    high: float
    tasks: int
    developers: int

    @property
    def differs(self) -> bool:
        """Whether no difference is ruled out."""
        return self.low > 0 or self.high < 0


def effect(sample: Sample, *, alpha: float = ALPHA, tightest: int = TIGHTEST) -> Effect | None:
    """Return the effect with its confidence sequence, or ``None`` while there is too little to tell anything."""
    treated = int(sample.treated.sum())
    tasks = len(sample.value)
    if min(treated, tasks - treated) < LEAST_TASKS:
        return None
    size = np.bincount(sample.developer)
    seen = np.maximum(size, 1)
    arm = sample.treated - (np.bincount(sample.developer, sample.treated) / seen)[sample.developer]
    value = sample.value - (np.bincount(sample.developer, sample.value) / seen)[sample.developer]
    weight = arm @ arm
    # a developer with one arm only says nothing of the difference
    developers = int(np.count_nonzero(np.bincount(sample.developer, arm * arm)))
    free = tasks - int(np.count_nonzero(size)) - 1
    if developers < LEAST_DEVELOPERS or free < 1:
        return None
    estimate = float(arm @ value / weight)
    score = arm * (value - estimate * arm)
    clusters = np.bincount(sample.developer, score)
    robust = clusters @ clusters * developers / (developers - 1)
    independent = score @ score * tasks / free
    error = math.sqrt(max(float(robust), float(independent))) / float(weight)
    half = error * _reach(tasks, alpha, tightest)
    return Effect(estimate, error, estimate - half, estimate + half, tasks, developers)


def _reach(tasks: int, alpha: float, tightest: int) -> float:
    """Return how many standard errors the sequence reaches to each side."""
    rho = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tightest
    time = tasks * rho
    return math.sqrt((time + 1) / time * math.log((time + 1) / alpha**2))
