"""A reply drawn anew, given that it is another one: a third thing that some models can be asked.

A small model that is asked for an edit often copies the old text: at each token to copy is likelier than any one
change, though a change somewhere is likelier than none. Drawing again mostly copies again. So the first token at which
the new reply differs is drawn, from the probabilities that the model gave along the old one: what drawing until a reply
differs would come to, at the price of one more.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from greenloop.models.seam import Halt, Reply, Request


@runtime_checkable
class Altering(Protocol):
    """A model that can draw a reply anew. ``models.local`` is one."""

    def altered(self, request: Request, index: int, reply: str, kept: str, stop: Halt | None = None) -> Reply | None:
        """Return reply ``index`` of ``request`` anew: it begins with ``kept``, as ``reply`` does, and is another one.

        At temperature 0 it goes the likeliest other way. ``None`` where the model sees none. Raises ``ModelError`` when
        the model gives no usable answer, ``Cancelled`` once ``stop`` is requested.
        """
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """A token of a reply: its text, its log-probability, and the likeliest others with theirs, in nats."""

    text: str
    logprob: float
    others: Sequence[tuple[str, float]]


def departure(steps: Sequence[Step], temperature: float, seed: int) -> str | None:
    """Return how far another reply goes with the one of ``steps``, and with which token it leaves it.

    At temperature 0 that is the likeliest way, else it is drawn, by ``seed``. ``None`` where no step has another token.
    """
    heat = temperature or 1.0
    ways: list[tuple[float, str]] = []
    along, text = 0.0, ""
    for step in steps:
        scaled = [step.logprob / heat, *(logprob / heat for _, logprob in step.others)]
        whole = math.log(sum(math.exp(one - max(scaled)) for one in scaled)) + max(scaled)
        ways += [
            (along + one - whole, text + other)
            for one, (other, _) in zip(scaled[1:], step.others, strict=True)
            if other and "\ufffd" not in other
        ]
        along += scaled[0] - whole
        text += step.text
    if not ways:
        return None
    if not temperature:
        return max(ways)[1]
    weights = [math.exp(one - max(ways)[0]) for one, _ in ways]
    return random.Random(seed).choices([way for _, way in ways], weights)[0]  # noqa: S311 - sampling, no secret
