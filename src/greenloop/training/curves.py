"""A curve as a picture: an SVG of its own, with equal bytes for equal numbers."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

_LINE, _FAINT, _INK = "#2f6f4f", "#9a9a9a", "#555555"
# told apart by their dashes as well as by their colours
_STYLES = tuple(
    (colour, style) for style in ("-", "--") for colour in (_LINE, "#b4552d", "#3b6ea8", "#8a5a9e", "#a8892c")
)
_SMOOTH = 0.9
"""Weight of the past in the moving average."""

Points = Sequence[tuple[int, float]]
"""(step, value) pairs in order."""


def curve_svg(title: str, unit: str, points: Points, heldout: Points = ()) -> bytes:
    """Return each step as a faint line, their moving average as a strong one, and held-out values as dots.

    The background is clear and the ink a grey that shows on light and dark. There is no date and no random id in it.
    """
    with _picture(title, unit) as (axes, target):
        steps = [step for step, _ in points]
        axes.plot(steps, [value for _, value in points], color=_FAINT, linewidth=0.8, label="each step")
        axes.plot(steps, _averaged([value for _, value in points]), color=_LINE, linewidth=1.8, label="moving average")
        if heldout:
            axes.plot(*zip(*heldout, strict=True), linestyle="", marker="o", color=_INK, label="held-out")
    return target.getvalue()


def curves_svg(title: str, unit: str, lines: Mapping[str, Points]) -> bytes:
    """Return several curves, each by its moving average; those without a point are left out."""
    with _picture(title, unit) as (axes, target):
        shown = {name: points for name, points in lines.items() if points}
        for (name, points), (colour, style) in zip(shown.items(), _STYLES, strict=False):
            values = _averaged([value for _, value in points])
            axes.plot([step for step, _ in points], values, color=colour, linestyle=style, linewidth=1.6, label=name)
        axes.set_ylim(-0.02, 1.02)
    return target.getvalue()


@contextmanager
def _picture(title: str, unit: str) -> Iterator[tuple[Any, io.BytesIO]]:
    """Give axes to draw on; at the end the picture is written to the buffer beside them."""
    with mpl.rc_context():
        mpl.rc("svg", fonttype="none", hashsalt=f"greenloop {title}")
        mpl.rc("font", family="DejaVu Sans", size=9.5)
        mpl.rc("text", color=_INK, parse_math=False)
        mpl.rc("axes", labelcolor=_INK, edgecolor=_FAINT)
        mpl.rc("axes.spines", top=False, right=False)
        mpl.rc("xtick", color=_FAINT, labelcolor=_INK)
        mpl.rc("ytick", color=_FAINT, labelcolor=_INK)
        figure = Figure(figsize=(9.0, 3.6), layout="constrained")
        axes, target = figure.subplots(), io.BytesIO()
        yield axes, target
        axes.set_title(title, loc="left", fontsize=9.5)
        axes.set_xlabel("optimiser steps")
        axes.set_ylabel(unit)
        axes.locator_params(axis="x", integer=True)
        axes.grid(axis="y", color=_FAINT, linewidth=0.4, alpha=0.6)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False)
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


def _averaged(values: Sequence[float]) -> list[float]:
    """Return the exponential moving average, without its bias towards 0 at the start (Kingma and Ba, 2014, §3)."""
    found: list[float] = []
    past = 0.0
    for count, value in enumerate(values, 1):
        past = _SMOOTH * past + (1 - _SMOOTH) * value
        found.append(past / (1 - _SMOOTH**count))
    return found
