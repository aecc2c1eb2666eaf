"""Asking the model which of several fixes it holds likeliest, whoever made them.

A search finds fixes that the model would not write, and says little about which of them is meant; a model that was
trained on people's own fixes knows more of that. It is asked for the likelihood of each fix as its own reply, in the
words in which it was trained to answer. Only fixes are weighed: what is not fixed stands behind them, whatever a model
thinks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from greenloop.candidates.attempt import Attempt
from greenloop.candidates.ranking import distinct, merit
from greenloop.models.likelihood import Likelihood
from greenloop.prompts.gather import gather
from greenloop.prompts.question import Question
from greenloop.prompts.render import render
from greenloop.records import Asking, EditError
from greenloop.workspace.edits import edit_between
from greenloop.workspace.edits.reply_writer import render_reply
from greenloop.workspace.store import TreeStore


class Weigher(Protocol):
    """Says which of several fixes is likelier to be meant."""

    def weighed(self, store: TreeStore, question: Question, attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
        """Return ``attempts`` in their order, the honest fixes among them with a ``preference``.

        Raises ``ModelError`` when a model gives no usable answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class ModelWeigher:
    """Asks ``model`` as ``asking`` says, about the ``most`` best fixes; the others count as the least likely one."""

    model: Likelihood
    asking: Asking
    most: int = 12

    def weighed(self, store: TreeStore, question: Question, attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
        """See ``Weigher``."""
        fixes = sorted(
            (one for one in distinct(attempts) if one.fixed and not one.flags), key=lambda one: (-merit(one), one.index)
        )
        replies = {one.result: text for one in fixes[: self.most] if (text := _reply(store, question, one)) is not None}
        texts = tuple(dict.fromkeys(replies.values()))
        if len(texts) < 2:
            return tuple(attempts)
        context = gather(store, question, budget=self.asking.budget_tokens)
        said = self.model.log_likelihoods(render(question, context, self.asking.strategy), texts)
        top = max(said)
        total = top + math.log(sum(math.exp(one - top) for one in said))
        share = {text: one - total for text, one in zip(texts, said, strict=True)}
        least = min(share.values())
        known = {one.result: share[replies[one.result]] if one.result in replies else least for one in fixes}
        return tuple(
            one.model_copy(update={"preference": known[one.result]}) if one.result in known else one for one in attempts
        )


def _reply(store: TreeStore, question: Question, attempt: Attempt) -> str | None:
    """Return the attempt as a perfect model would have written it; ``None`` where it cannot be written."""
    if attempt.result is None:
        return None
    try:
        return render_reply(edit_between(store, question.tree, attempt.result))
    except EditError:
        return None
