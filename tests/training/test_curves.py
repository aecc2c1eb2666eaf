"""The loss as a picture."""

import xml.etree.ElementTree as ET

from greenloop.training.curves import curve_svg

POINTS = [(step, 5.0 - 0.1 * step) for step in range(1, 20)]


def test_equal_numbers_give_equal_bytes() -> None:
    first = curve_svg("run: loss", "nats a token", POINTS, [(19, 3.3)])
    assert first == curve_svg("run: loss", "nats a token", POINTS, [(19, 3.3)])
    assert first != curve_svg("run: loss", "nats a token", POINTS[:-1], [(19, 3.3)])


def test_it_says_what_it_shows_and_is_whole() -> None:
    svg = curve_svg("a <run>: $loss$", "nats a token", POINTS, [(19, 3.3)])
    texts = " ".join("".join(node.itertext()) for node in ET.fromstring(svg).iter() if node.tag.endswith("text"))
    for said in ("a <run>: $loss$", "nats a token", "optimiser steps", "moving average", "held-out"):
        assert said in texts
    assert b"dc:date" not in svg


def test_one_step_is_a_curve_too() -> None:
    assert curve_svg("run", "nats", [(1, 2.0)]).startswith(b"<?xml")
