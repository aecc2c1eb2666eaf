"""One self-contained HTML page on how it went: no script, no link, nothing fetched.

Invariants: every text from outside (file names, prompts, replies, messages) is escaped; colour never carries a
meaning alone; each picture has a text that says the same.
Absent here: judging, reading of stores other than trees, clocks, files (the caller writes the page).
"""

from greenloop.evals.report.data import FixView, Number, ReportData, TimelineRow
from greenloop.evals.report.page import render_evaluation, render_html
from greenloop.evals.report.views import fix_view, task_views

__all__ = [
    "FixView",
    "Number",
    "ReportData",
    "TimelineRow",
    "fix_view",
    "render_evaluation",
    "render_html",
    "task_views",
]
