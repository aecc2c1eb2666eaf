"""The funnel as a picture: an SVG of its own, beside examples or a dataset, with equal bytes for equal counts."""

import io
import re
import warnings
from itertools import groupby

import matplotlib as mpl
from matplotlib.figure import Figure

from greenloop.mining.funnel import Funnel, Step

_KEPT, _DROPPED = "#2f6f4f", "#9a9a9a"
_INK = "#555555"
_MAX_LABEL = 44
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""What XML forbids, and what turns the direction of the text around it."""


def funnel_svg(funnel: Funnel) -> bytes:
    """Return one bar a step: what was kept is filled, what was dropped is outlined. Bars of one unit share a scale.

    The background is clear and the ink a grey that shows on light and dark. There is no date and no random id in it.
    """
    groups = [list(held) for _, held in groupby(funnel.steps, key=lambda step: step.unit)]
    steps = [step for held in groups for step in held]
    with mpl.rc_context():
        mpl.rc("svg", fonttype="none", hashsalt="greenloop funnel")
        mpl.rc("font", family="DejaVu Sans", size=9.5)
        mpl.rc("text", color=_INK, parse_math=False)
        mpl.rc("ytick", labelcolor=_INK)
        figure = Figure(figsize=(9.0, 0.5 + 0.3 * max(1, len(steps))), layout="constrained")
        axes = figure.subplots()
        place = 0
        for held in groups:
            scale = max(1, held[0].seen)
            for step in held:
                axes.barh(place, step.seen / scale, height=0.66, facecolor="none", edgecolor=_DROPPED, linewidth=0.8)
                axes.barh(place, step.kept / scale, height=0.66, facecolor=_KEPT, edgecolor=_KEPT, linewidth=0.8)
                axes.text(1.015, place, _said(step), va="center")
                place += 1
        axes.set_ylim(max(1, len(steps)) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.set_yticks(range(len(steps)), [_label(step.name) for step in steps])
        axes.tick_params(axis="y", length=0)
        axes.spines[:].set_visible(False)
        target = io.BytesIO()
        with warnings.catch_warnings():
            # whoever shows it picks the font of a letter that DejaVu lacks; here it is only measured
            warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
            figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return target.getvalue()


def _said(step: Step) -> str:
    dropped = f", {step.dropped:,} dropped" if step.dropped else ""
    return f"{step.kept:,} {_label(step.unit)}{dropped}"


def _label(name: str) -> str:
    # a rule may be named after a file, a unit is read from one, and XML forbids control characters
    name = _CONTROL.sub("\ufffd", name)
    half = _MAX_LABEL // 2 - 1
    return name if len(name) <= _MAX_LABEL else f"{name[:half]}…{name[-half:]}"
