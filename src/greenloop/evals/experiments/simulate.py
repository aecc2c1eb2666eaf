"""Teams that do not exist, to find out how often an experiment cries wolf, and what it can see.

Each developer has a habit of their own (how often they accept anything), a rhythm of their own (tasks a day), and,
where asked for, an effect of their own. Tasks come in the order of the days, which are looked at one by one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.stats

from greenloop.evals.experiments.ratio import STOP, sample_ratio
from greenloop.evals.experiments.sequence import Floats, Ints, Sample, effect

Assign = Callable[[str, str], bool]
"""(developer, task) → whether it is treated."""


@dataclass(frozen=True, slots=True)
class Team:
    """What a simulated team is like."""

    developers: int = 20
    days: int = 30
    tasks_a_day: float = 4.0
    """Of a developer on average; who is busier than others is drawn too."""
    accepts: float = 0.3
    """Share of tasks with an acceptance, on average."""
    habit: float = 0.5
    """How much developers differ: the habits' share of the variance that they could have (0 to 1)."""
    effect: float = 0.0
    """Added to the chance of an acceptance where treated, on average over developers."""
    spread: float = 0.0
    """The standard deviation of the effect between developers."""


@dataclass(frozen=True, slots=True)
class Run:
    """One simulated experiment: its tasks in order, and how many there were by the end of each day."""

    sample: Sample
    days: Ints


def simulate(team: Team, seed: int, assign: Assign) -> Run:
    """Draw a run. The arms are ``assign``'s, so a faulty assignment is found too."""
    draw = np.random.default_rng(seed)
    strength = (1 - team.habit) / team.habit
    habits = draw.beta(team.accepts * strength, (1 - team.accepts) * strength, team.developers)
    effects = (
        draw.normal(team.effect, team.spread, team.developers) if team.spread else np.full(team.developers, team.effect)
    )
    rates = draw.gamma(2.0, team.tasks_a_day / 2.0, team.developers)
    counts = draw.poisson(rates, (team.days, team.developers))
    developer: Ints = np.concatenate([np.repeat(np.arange(team.developers), today) for today in counts]).astype(
        np.int64
    )
    treated: Floats = np.array(
        [assign(f"{seed}-{who}", f"{seed}-{number}") for number, who in enumerate(developer.tolist())], dtype=np.float64
    )
    chance = np.clip(habits[developer] + treated * effects[developer], 0.0, 1.0)
    value = (draw.random(len(developer)) < chance).astype(np.float64)
    return Run(Sample(developer, treated, value), np.cumsum(counts.sum(axis=1)))


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of many runs. ``alarms``: an effect was told on some day; ``ratio``: the sample ratio stopped it."""

    runs: int
    alarms: int
    ratio: int
    peeking: int
    """Runs in which a t test at 5 %, looked at daily and taking tasks as independent, told an effect on some day."""

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval (Clopper and Pearson) of the share of alarms."""
        found = scipy.stats.binomtest(self.alarms, self.runs).proportion_ci(0.95, method="exact")
        return float(found.low), float(found.high)


def tally(team: Team, runs: int, assign: Assign, *, seed: int = 0) -> Tally:
    """Simulate experiments that are looked at at the end of each day, and end with the first effect that is told."""
    alarms = ratio = peeking = 0
    for number in range(seed, seed + runs):
        run = simulate(team, number, assign)
        ratio += any(_wrong(run.sample.first(int(count))) for count in run.days)
        alarms += any(_told(run.sample.first(int(count))) for count in run.days)
        peeking += any(_naive(run.sample.first(int(count))) for count in run.days)
    return Tally(runs, alarms, ratio, peeking)


def _told(sample: Sample) -> bool:
    found = effect(sample)
    return found is not None and found.differs


def _wrong(sample: Sample) -> bool:
    treated = int(sample.treated.sum())
    counts = {"treated": treated, "control": len(sample.value) - treated}
    return sample_ratio(counts, {"treated": 1, "control": 1}) < STOP


def _naive(sample: Sample) -> bool:
    one, other = sample.value[sample.treated == 1], sample.value[sample.treated == 0]
    if min(len(one), len(other)) < 2:
        return False
    error = float(np.sqrt(one.var(ddof=1) / len(one) + other.var(ddof=1) / len(other)))
    return error > 0 and abs(float(one.mean() - other.mean())) > 1.96 * error
