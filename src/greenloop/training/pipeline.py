"""Generating one batch while the one before is judged.

At each turn the batch of the next step is drawn first, with the weights of now, and only then are the verdicts of this
step's batch waited for: CES or the compiler had the whole time of the drawing. So a batch is learnt from one step after
it was drawn; the log-probabilities of its tokens under the weights that drew it are kept beside it, so the ratio of the
policy gradient is the right one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import torch

from greenloop.models.seam import Reply
from greenloop.training.generating import Drawn, Generator, seed_of
from greenloop.training.judging import Ends, Judging
from greenloop.training.questions import Asked, Questions
from greenloop.training.recipe import RlRecipe
from greenloop.training.rewards import advantages, rewards
from greenloop.training.rollouts import Batch, Group, Rollout
from greenloop.training.watch import watch

Score = Callable[[Sequence[int], Sequence[tuple[int, ...]]], list[torch.Tensor]]
"""Returns the log-probabilities of each reply's tokens after a prompt, under the weights of now."""


@dataclass(frozen=True, slots=True)
class Row:
    """A reply with its prompt, and how much better than its group it was."""

    prompt: tuple[int, ...]
    rollout: Rollout
    advantage: float


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a step learns from. ``rows`` is empty where no group had any variance."""

    rows: tuple[Row, ...]
    measures: dict[str, float]
    tokens: int
    """Of prompts and replies, those included that nothing is learnt from."""


class Pipeline:
    """Draws, has judged and compares. ``resumed`` is the batch that was in flight at the checkpoint, if any was."""

    def __init__(
        self,
        recipe: RlRecipe,
        questions: Questions,
        generator: Generator,
        judging: Judging,
        tokenizer: Any,
        *,
        ends: Sequence[int],
        steps: int,
        resumed: Batch | None = None,
    ) -> None:
        self._recipe = recipe
        self._questions = questions
        self._generator = generator
        self._judging = judging
        self._tokenizer = tokenizer
        self._ends = frozenset(ends)
        self._steps = steps
        self._resumed = resumed
        self._ahead: tuple[Batch, list[Future[Ends]]] | None = None

    @property
    def ahead(self) -> Batch | None:
        """The batch that is in flight: a checkpoint needs it, for its weights are gone."""
        return self._ahead[0] if self._ahead is not None else None

    def turn(self, step: int, model: Any, score: Score) -> Lesson:
        """Return what step ``step`` (from 0) learns from. Raises what keeps replies from being drawn or judged."""
        if self._ahead is None or self._ahead[0].step != step:
            held, self._resumed = self._resumed, None
            fitting = held is not None and held.step == step
            self._ahead = self._submit(held if fitting and held is not None else self._draw(step, model, score))
        batch, futures = self._ahead
        last = step + 1 >= self._steps
        self._ahead = None if last else self._submit(self._draw(step + 1, model, score))
        return self._lesson(batch, futures)

    def _draw(self, step: int, model: Any, score: Score) -> Batch:
        seeds = self._recipe.seeds
        self._generator.begin(model)
        groups = []
        for at, place in enumerate(self._questions.of_step(step, self._recipe.generation.groups, seeds.data)):
            prompt = self._questions.asked[place].ids
            drawn = self._generator.draw(prompt, seed_of(seeds.seed, step, at))
            known = score(prompt, [one.ids for one in drawn])
            pairs = zip(drawn, known, strict=True)
            groups.append(Group(place, tuple(self._rollout(one, logps) for one, logps in pairs)))
        return Batch(step, tuple(groups))

    def _rollout(self, drawn: Drawn, logps: torch.Tensor) -> Rollout:
        text = self._tokenizer.decode(drawn.ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return Rollout(drawn.ids, text, drawn.ids[-1] in self._ends, logps, drawn.logps)

    def _submit(self, batch: Batch) -> tuple[Batch, list[Future[Ends]]]:
        futures = []
        for group in batch.groups:
            asked = self._questions.asked[group.place]
            futures.append(self._judging.submit(asked, [_reply(asked, one) for one in group.rollouts]))
        return batch, futures

    def _lesson(self, batch: Batch, futures: Sequence[Future[Ends]]) -> Lesson:
        waited = self._judging.wait(futures)
        paid = [rewards(group, self._recipe.reward) for group in waited.groups]
        compared = [advantages(group) for group in paid]
        rows = [
            Row(self._questions.asked[group.place].ids, rollout, advantage)
            for group, found in zip(batch.groups, compared, strict=True)
            if found is not None
            for rollout, advantage in zip(group.rollouts, found, strict=True)
            if advantage is not None
        ]
        measures = watch(waited.groups, paid, dropped=sum(found is None for found in compared))
        tokens = sum(
            len(self._questions.asked[group.place].ids) + len(one.ids)
            for group in batch.groups
            for one in group.rollouts
        )
        return Lesson(tuple(rows), measures | {"waited": waited.seconds}, tokens)


def _reply(asked: Asked, one: Rollout) -> Reply:
    return Reply(one.text, "stop" if one.ended else "length", len(asked.ids), len(one.ids))
