"""Putting the page together."""

from functools import cache

import jinja2

from greenloop.evals.report import pictures
from greenloop.evals.report.data import ReportData
from greenloop.evals.tables import interval_text, percent
from greenloop.records import Badge

_SIGNS = {
    Badge.TESTS_PASS: "✓",
    Badge.BUILDS: "✓",
    Badge.TYPE_CHECKS: "✓",
    Badge.ERRORS: "✗",
    Badge.UNVERIFIED: "?",
}
_MARKS = {"fixed": "✓", "green": "~", "red": "✗", "none": "·"}
"""A sign for each way in which a sample ends, as colour alone says nothing to many readers."""


def render_html(data: ReportData) -> str:
    """Return the whole page: one file with everything in it, readable without scripts and offline."""
    timeline = pictures.timeline(data.timeline) if any(row.moments for row in data.timeline) else None
    funnel = pictures.funnel(data.funnel) if data.funnel is not None and data.funnel.steps else None
    scores = pictures.scores(data.evaluation) if data.evaluation is not None else None
    page = _environment().get_template("report.html.j2")
    return page.render(data=data, timeline=timeline, funnel=funnel, scores=scores, signs=_SIGNS, marks=_MARKS)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("greenloop.evals.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["interval"] = interval_text
    environment.filters["clean"] = pictures.clean
    return environment
