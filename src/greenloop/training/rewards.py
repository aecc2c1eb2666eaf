"""From judged replies to rewards and advantages: pure, a group at a time, so that a resumed run finds the same.

What a reply is worth follows the assessment of evaluation (``candidates``, ``evals.measures``) and nothing else.
Partial credit helps early and is gamed late (Agnostics, arXiv 2508.04865): it fades as the group's share of clean fixes
passes ``fade_from``. A reply that nobody could judge has no reward: it is left out, never 0.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from greenloop.candidates.attempt import Attempt, Outcome
from greenloop.ces.policy import CHEAP
from greenloop.evals.results import Marks
from greenloop.records import Stage
from greenloop.training.verdict_sections import RewardSection

_EPSILON = 1e-4
"""Added to the deviation, as in TRL."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One reply with its end and its marks."""

    attempt: Attempt
    marks: Marks

    @property
    def known(self) -> bool:
        """Whether anything can be said of it."""
        return self.attempt.outcome is not Outcome.UNJUDGED

    @property
    def clean(self) -> bool:
        """Whether it is an honest fix that matched literally."""
        return self.attempt.fixed and self.attempt.exact and not self.attempt.flags

    def passed(self, stage: Stage) -> bool:
        """Whether an edit that matched literally and changed something led to a tree that passed ``stage``."""
        attempt = self.attempt
        judged = attempt.outcome is Outcome.JUDGED and attempt.exact
        return judged and attempt.verdict is not None and attempt.verdict.passed(stage)


def rewards(group: Sequence[Judged | None], how: RewardSection) -> tuple[float | None, ...]:
    """Return the reward of each reply to one task, in 0 … 1; ``None`` where nobody could judge it."""
    known = [one for one in group if one is not None and one.known]
    share = sum(one.clean for one in known) / len(known) if known else 0.0
    fade = min(1.0, max(0.0, 2.0 - share / how.fade_from))
    return tuple(_reward(one, how, fade) if one is not None and one.known else None for one in group)


def advantages(group: Sequence[float | None]) -> tuple[float | None, ...] | None:
    """Return how far each reward lies above its group's mean, in its standard deviations; ``None`` as in ``group``.

    Returns ``None`` for a group whose rewards are all the same: there is nothing to learn from it.
    """
    known = [reward for reward in group if reward is not None]
    if len(known) < 2 or max(known) - min(known) < _EPSILON:
        return None
    mean = sum(known) / len(known)
    deviation = math.sqrt(sum((reward - mean) ** 2 for reward in known) / (len(known) - 1))
    return tuple(None if reward is None else (reward - mean) / (deviation + _EPSILON) for reward in group)


def _reward(one: Judged, how: RewardSection, fade: float) -> float:
    attempt = one.attempt
    if one.clean:
        return how.not_same if how.same and one.marks.same is False else 1.0
    if CHEAP.intersection(attempt.flags) or attempt.fixed:
        return 0.0
    if one.passed(Stage.TYPES):
        return how.types * fade
    return how.parses * fade if one.passed(Stage.PARSE) else 0.0
