"""How likely a model holds a text to be its reply: a second thing that some models can be asked.

llama.cpp tells the probability of what it generates, and a grammar makes it generate just the text that is asked about.
A server that does not tell has no such method, and is not asked.
"""

from collections.abc import Sequence
from itertools import takewhile
from typing import Protocol, runtime_checkable

from greenloop.models.seam import Message


@runtime_checkable
class Likelihood(Protocol):
    """A model that can say how likely it holds replies. ``models.local`` is one; the scripted model is the fake."""

    def log_likelihoods(self, messages: tuple[Message, ...], replies: Sequence[str]) -> tuple[float, ...]:
        """Return for each reply the logarithm of its probability after ``messages``, its end of turn included, in nats.

        What all replies begin with, whole lines, counts as given: the numbers compare replies, and are no measure of
        one alone. Raises ``ModelError`` when the model gives no usable answer.
        """
        ...


def common_lines(texts: Sequence[str]) -> str:
    """Return the whole lines that all texts begin with; never all of a text."""
    lines = [text.splitlines(keepends=True)[:-1] for text in texts]
    shared = takewhile(lambda same: len(set(same)) == 1, zip(*lines, strict=False))
    return "".join(same[0] for same in shared)
