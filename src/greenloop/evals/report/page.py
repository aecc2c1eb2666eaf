"""Putting the page together."""

from functools import cache

import jinja2

from greenloop.evals.report import pictures
from greenloop.evals.report.data import ReportData
from greenloop.evals.report.filters import filters
from greenloop.evals.tables import interval_text, percent, score_text
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


_KINDS = {
    "category": "kind of error",
    "size": "the person's change",
    "origin": "source of the task",
    "author's tasks": "authors with",
}


def render_html(data: ReportData) -> str:
    """Return the whole page: one file with everything in it, readable without scripts and offline."""
    return _render("report.html.j2", data)


def render_evaluation(data: ReportData) -> str:
    """Return a page of the scores and the tasks alone, made the same way."""
    return _render("evaluation.html.j2", data)


def _render(template: str, data: ReportData) -> str:
    timeline = pictures.timeline(data.timeline) if any(row.moments for row in data.timeline) else None
    funnel = pictures.funnel(data.funnel) if data.funnel is not None and data.funnel.steps else None
    return (
        _environment()
        .get_template(template)
        .render(
            data=data,
            timeline=timeline,
            funnel=funnel,
            scores=pictures.scores(data.evaluation) if data.evaluation is not None else None,
            groups=pictures.groups(data.evaluation) if data.evaluation is not None else None,
            filters=filters(data.tasks),
            signs=_SIGNS,
            marks=_MARKS,
            kinds=_KINDS,
        )
    )


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
    environment.filters["score"] = score_text
    environment.filters["clean"] = pictures.clean
    return environment
