"""A reply drawn anew, given that it is another one."""

import math
from collections import Counter
from dataclasses import replace

import pytest

from greenloop.models.altering import Step, departure
from greenloop.models.local import LocalModel
from greenloop.models.seam import Message, Request


def step(text: str, probability: float, **others: float) -> Step:
    return Step(text, math.log(probability), [(other, math.log(share)) for other, share in others.items()])


def test_the_likeliest_other_way_is_taken() -> None:
    along = [step("a", 0.9, x=0.06, y=0.04), step("b", 0.5, z=0.3), step("c", 0.99, w=0.01)]
    assert departure(along, 0.0, 1) == "az"
    assert departure(along[:1], 0.0, 1) == "x"
    # the end of a turn has no text, and half a letter cannot be written down
    assert departure([step("a", 0.5, **{"": 0.3, "\ufffd": 0.2})], 0.0, 1) is None
    assert departure([], 0.0, 1) is None


def test_ways_are_drawn_as_often_as_drawing_until_one_differs_would() -> None:
    along = [step("a", 0.8, x=0.2), step("b", 0.5, y=0.4, z=0.1)]
    drawn = Counter(departure(along, 1.0, seed) for seed in range(4000))
    # of all that differs (0.2 + 0.8 * 0.5)
    for way, probability in {"x": 0.2 / 0.6, "ay": 0.32 / 0.6, "az": 0.08 / 0.6}.items():
        assert drawn[way] / 4000 == pytest.approx(probability, abs=0.03)
    assert departure(along, 1.0, 7) == departure(along, 1.0, 7)
    cold = Counter(departure(along, 0.2, seed) for seed in range(400))
    assert cold["ay"] > 350


def test_the_real_model_says_something_else(smollm2: LocalModel) -> None:
    request = Request((Message("user", "What is the capital of France?"),), max_tokens=20)
    before = smollm2.complete(request)
    (said,) = before
    kept = said.text[:4]
    other = smollm2.altered(request, 0, said.text, kept)
    assert other is not None
    assert other.text.startswith(kept)
    assert other.text != said.text
    assert other.reply_tokens > said.reply_tokens
    assert smollm2.altered(request, 0, said.text, kept) == other
    warm = replace(request, temperature=0.8, n=3)
    drawn = {reply.text for index in range(3) if (reply := smollm2.altered(warm, index, said.text, kept))}
    assert len(drawn) > 1
    assert said.text not in drawn
    assert smollm2.complete(request) == before, "what was asked between changes no reply"
