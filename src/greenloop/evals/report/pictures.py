"""The pictures: matplotlib draws them, and their colours are left to the page, so that they fit light and dark.

Colours stand in the drawing as marker values (``_INKS``) that become CSS variables of the page. Text stays text.
"""

import io
import itertools
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from greenloop.evals.report.data import TimelineRow
from greenloop.evals.scores import EvalReport
from greenloop.mining.funnel import Funnel, Step
from greenloop.records import Status

MAX_ROWS = 40
"""Workspaces that a timeline shows."""
_WIDTH = 9.0
"""Inches; the page shows an inch as 96 CSS pixels at most."""
_MAX_LABEL = 34

_TEXT, _FAINT, _GREEN, _RED, _OTHER, _ACCENT, _PAPER = (
    "#010203", "#010204", "#010205", "#010206", "#010207", "#010208", "#010209",
)  # fmt: skip
_INKS = {
    _TEXT: "var(--text)",
    _FAINT: "var(--faint)",
    _GREEN: "var(--green)",
    _RED: "var(--red)",
    _OTHER: "var(--other)",
    _ACCENT: "var(--accent)",
    _PAPER: "var(--paper)",
}
_ATTRIBUTES = 'aria-hidden="true" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""What XML forbids, and what turns the direction of the text around it."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline SVG, and the text that says the same."""

    svg: Markup
    alt: str


def timeline(rows: Sequence[TimelineRow]) -> Picture:
    """One row a workspace, one column a snapshot. Green is a full bar, red a hatched half one, the rest a line."""
    shown = rows[:MAX_ROWS]
    longest = max((len(row.moments) for row in shown), default=1)
    with _styled():
        figure = Figure(figsize=(_WIDTH, 0.75 + 0.42 * len(shown)), layout="constrained")
        axes = figure.subplots()
        for place, row in enumerate(shown):
            _row(axes, place, row)
        axes.set_ylim(len(shown) - 0.45, -0.55)
        axes.set_xlim(0, longest)
        axes.set_yticks(range(len(shown)), [_shortened(row.label) for row in shown])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("snapshots, in order")
        axes.locator_params(axis="x", integer=True)
        svg = _svg(figure, "timeline")
    sentences = [_row_sentence(row) for row in shown]
    if len(rows) > len(shown):
        sentences.append(f"{len(rows) - len(shown)} more workspaces are not drawn.")
    return Picture(svg, "Green and red over time. " + " ".join(sentences))


def _row(axes: Axes, place: int, row: TimelineRow) -> None:
    start = 0
    for kind, run in itertools.groupby(row.moments, key=lambda moment: _kind(moment.status)):
        length = sum(1 for _ in run)
        span = [(start, length)]
        if kind == "green":
            axes.broken_barh(span, (place - 0.36, 0.72), facecolor=_GREEN, edgecolor=_PAPER, linewidth=0.4)
        elif kind == "red":
            axes.broken_barh(span, (place, 0.36), facecolor=_RED, edgecolor=_PAPER, hatch="////", linewidth=0.4)
        else:
            axes.broken_barh(span, (place + 0.24, 0.12), facecolor=_OTHER, edgecolor=_OTHER, linewidth=0.4)
        start += length
    cuts = [index for index, moment in enumerate(row.moments) if moment.cut and index]
    if cuts:
        axes.plot(cuts, [place - 0.43] * len(cuts), linestyle="", marker="v", markersize=4, color=_TEXT, clip_on=False)


def _kind(status: Status) -> str:
    return status.value if status in (Status.GREEN, Status.RED) else "other"


def _row_sentence(row: TimelineRow) -> str:
    kinds = [_kind(moment.status) for moment in row.moments]
    turns = sum(before == "red" and after == "green" for before, after in itertools.pairwise(kinds))
    other = f", {kinds.count('other')} without a verdict" if "other" in kinds else ""
    return (
        f"{row.label}: {len(kinds)} snapshots, {kinds.count('green')} green, {kinds.count('red')} red{other}; "
        f"{turns} times from red to green."
    )


def funnel(steps: Funnel) -> Picture:
    """One bar a step: what was kept is filled, what was dropped is outlined. Bars of one unit share a scale."""
    rows: list[tuple[str, Step]] = []
    for unit, group in itertools.groupby(steps.steps, key=lambda step: step.unit):
        rows += [(unit, step) for step in group]
    largest = {unit: max(step.seen for u, step in rows if u == unit) or 1 for unit, _ in rows}
    with _styled():
        figure = Figure(figsize=(_WIDTH, 0.4 + 0.3 * len(rows)), layout="constrained")
        axes = figure.subplots()
        for place, (unit, step) in enumerate(rows):
            scale = largest[unit]
            axes.barh(place, step.seen / scale, height=0.66, facecolor="none", edgecolor=_FAINT, linewidth=0.8)
            axes.barh(place, step.kept / scale, height=0.66, facecolor=_ACCENT, edgecolor=_ACCENT, linewidth=0.8)
            dropped = f", {step.dropped:,} dropped" if step.dropped else ""
            axes.text(1.015, place, f"{step.kept:,} {unit}{dropped}", va="center")
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlim(0, 1)
        axes.set_xticks([])
        axes.set_yticks(range(len(rows)), [_shortened(step.name) for _, step in rows])
        axes.tick_params(axis="y", length=0)
        axes.spines[["left", "bottom"]].set_visible(False)
        svg = _svg(figure, "funnel")
    said = "; ".join(f"{step.name}: {step.kept} of {step.seen} {unit} kept" for unit, step in rows)
    return Picture(svg, f"What each step of mining kept. {said}.")


def scores(report: EvalReport) -> Picture:
    """Above, the scores of tasks with their 95 % intervals; below, how far the replies came."""
    stages = report.rates[:7]
    told = [score for score in report.scores if score.tasks]
    heights = (0.5 + 0.36 * len(told), 0.5 + 0.3 * len(stages))
    with _styled():
        figure = Figure(figsize=(_WIDTH, sum(heights) + 0.35), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=heights)
        for place, score in enumerate(told):
            if score.interval is not None:
                low, high = 100 * score.interval.low, 100 * score.interval.high
                upper.plot([low, high], [place, place], color=_ACCENT, linewidth=2.2, solid_capstyle="butt")
                for end in (low, high):
                    upper.plot([end, end], [place - 0.16, place + 0.16], color=_ACCENT, linewidth=2.2)
            upper.plot(100 * score.value, place, marker="o", markersize=9, color=_TEXT, markeredgecolor=_PAPER)
        _named(upper, [(score.name, f"{100 * score.value:.1f} % of {score.tasks}") for score in told])
        upper.set_title(f"of {report.scored} tasks", loc="left", fontsize=9.5)
        for place, rate in enumerate(stages):
            lower.barh(place, 100 * rate.value, height=0.6, facecolor=_ACCENT, edgecolor=_ACCENT)
        _named(lower, [(rate.name, f"{rate.count:,}") for rate in stages])
        total = stages[0].of if stages else 0
        lower.set_title(f"of {total:,} replies", loc="left", fontsize=9.5)
        lower.set_xlim(0, 100)
        lower.set_xlabel("%")
        svg = _svg(figure, "scores")
    said = "; ".join(f"{score.name} {100 * score.value:.1f} % of {score.tasks}" for score in told)
    came = "; ".join(f"{rate.name} {rate.count}" for rate in stages)
    return Picture(svg, f"Of {report.scored} tasks: {said}. Of {total} replies: {came}.")


def groups(report: EvalReport) -> Picture | None:
    """The first score of every group, a bar each, by kind; ``None`` where there is no group."""
    if not report.groups:
        return None
    first = next(iter(report.groups[0].scores))
    kinds = [(kind, list(members)) for kind, members in itertools.groupby(report.groups, key=lambda one: one.kind)]
    heights = [0.45 + 0.3 * len(members) for _, members in kinds]
    with _styled():
        figure = Figure(figsize=(_WIDTH, sum(heights) + 0.35), layout="constrained")
        drawn = figure.subplots(len(kinds), 1, sharex=True, height_ratios=heights, squeeze=False)
        for (axes,), (kind, members) in zip(drawn, kinds, strict=True):
            for place, group in enumerate(members):
                axes.barh(place, 100 * group.scores[first], height=0.6, facecolor=_ACCENT, edgecolor=_ACCENT)
            _named(axes, [(group.name, f"{100 * group.scores[first]:.1f} % of {group.tasks}") for group in members])
            axes.set_title(f"{first} by {kind}", loc="left", fontsize=9.5)
        drawn[-1][0].set_xlim(0, 100)
        drawn[-1][0].set_xlabel("%")
        svg = _svg(figure, "groups")
    said = "; ".join(f"{one.kind} {one.name}: {100 * one.scores[first]:.1f} % of {one.tasks}" for one in report.groups)
    return Picture(svg, f"{first} by kind of task. {said}.")


def _named(axes: Axes, rows: Sequence[tuple[str, str]]) -> None:
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=_FAINT, linewidth=0.4, alpha=0.6)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    for place, (_, value) in enumerate(rows):
        axes.text(101.5, place, value, va="center")


@contextmanager
def _styled() -> Iterator[None]:
    with mpl.rc_context():
        mpl.rc("svg", fonttype="none")
        mpl.rc("font", family="DejaVu Sans", size=9.5)
        mpl.rc("text", color=_TEXT, parse_math=False)
        mpl.rc("axes", labelcolor=_TEXT, edgecolor=_FAINT)
        mpl.rc("axes.spines", top=False, right=False)
        mpl.rc("xtick", color=_FAINT, labelcolor=_TEXT)
        mpl.rc("ytick", color=_FAINT, labelcolor=_TEXT)
        mpl.rc("hatch", linewidth=0.8)
        yield


def clean(text: str) -> str:
    """Return ``text`` with a sign in place of each character that a page must not hold; line ends and tabs stay."""
    return _CONTROL.sub("\ufffd", text)


def _shortened(label: str) -> str:
    label = clean(label).replace("\n", " ").replace("\t", " ")
    half = _MAX_LABEL // 2 - 1
    return label if len(label) <= _MAX_LABEL else f"{label[:half]}…{label[-half:]}"


def _svg(figure: Figure, name: str) -> Markup:
    """Return the drawing as an inline element: own ids, colours of the page, no metadata, hidden from readers."""
    target = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # the browser picks the font of a letter that DejaVu lacks; here it is only measured
        warnings.filterwarnings("ignore", message="Glyph .* missing from font", category=UserWarning)
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None})
    text = target.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    # only within tags: what stands between them is text
    text = re.sub(r"<[^>]+>", lambda tag: _themed(tag[0], name), text)
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf"<svg {_ATTRIBUTES} \1>", text, count=1)
    return Markup(text)  # noqa: S704 - matplotlib escapes every text that it writes


def _themed(tag: str, name: str) -> str:
    """One tag with ids of its own picture (several share a page), and with the colours of the page."""
    tag = re.sub(r'(\sid|:href)="(#?)', rf'\1="\g<2>{name}-', tag).replace("url(#", f"url(#{name}-")
    for marker, ink in _INKS.items():
        tag = tag.replace(marker, ink)
    return tag
