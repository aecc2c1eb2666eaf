"""How a model is asked: what a trained model must be asked with again."""

from enum import StrEnum

from pydantic import Field

from greenloop.records.base import Part


class Strategy(StrEnum):
    """How a question is rendered as messages (``prompts.render``)."""

    EDIT_BLOCKS = "edit-blocks"
    """The form of the reply is explained, with an example: for a model that was not trained on it."""
    BARE_BLOCKS = "bare-blocks"
    """The same reply without an explanation: for a model that was. A third of a short prompt is saved."""


class Asking(Part):
    """A strategy, and how much context goes with it."""

    strategy: Strategy = Strategy.EDIT_BLOCKS
    budget_tokens: int = Field(default=1200, ge=1)
    """Tokens of context, as ``prompts.tokens`` estimates them."""
