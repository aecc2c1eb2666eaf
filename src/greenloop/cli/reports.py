"""Gathering what the report's page shows. Imported only when it is made: scipy and matplotlib take seconds."""

import json
from pathlib import Path
from typing import Any

from greenloop import __version__
from greenloop.cli.app import App
from greenloop.cli.console import Report, progress
from greenloop.cli.dataset import counts, funnel
from greenloop.cli.history import choose
from greenloop.cli.toolchains import judge_for
from greenloop.datasets.load import load, read_examples
from greenloop.evals.report import FixView, Number, ReportData, TimelineRow, fix_view, render_html, task_views
from greenloop.evals.results import ResultsFolder
from greenloop.evals.scores import EvalReport
from greenloop.evals.tables import percent
from greenloop.mining.timeline import timeline
from greenloop.records import InputError, Suggestion, Verdict
from greenloop.storage import named_io_errors
from greenloop.workspace.store import TreeStore

_MAX_ROWS = 40
"""Workspaces whose timelines are drawn: more would not be read."""


def page(here: App, *, examples: Path, dataset: Path, run: Path, fix: Path | None, split: str, title: str) -> str:
    """Return the page as HTML."""
    found = load(dataset)
    scores = _scores(run)
    tasks = found.tasks(split)
    results = ResultsFolder(run).read().values()
    views, left_out = task_views(here.home.trees, tasks, results, asking=scores.settings.asking)
    mined = read_examples(examples)
    with progress("looking up verdicts", "workspaces") as tell:
        rows = _timelines(here, {one.workspace for one in mined}, tell)
    view = _fix(here.home.trees, fix) if fix is not None else None
    return render_html(
        ReportData(
            title=title,
            subtitle="From a team's edits to verified examples, a scored model and a checked fix",
            made=f"greenloop {__version__}, dataset {found.version}",
            numbers=_numbers(counts(examples), scores, view),
            timeline=rows,
            funnel=funnel(examples),
            evaluation=scores,
            tasks=views,
            tasks_left_out=left_out,
            fix=view,
        )
    )


def _scores(run: Path) -> EvalReport:
    path = ResultsFolder(run).report
    if not path.is_file():
        raise InputError(f"{run}: no finished run: {path.name} is missing", "`greenloop eval run --out` writes one")
    with named_io_errors(path):
        return EvalReport.from_json(path.read_text("utf-8"))


def _timelines(here: App, workspaces: set[str], tell: Report) -> tuple[TimelineRow, ...]:
    rows = []
    for number, name in enumerate(sorted(workspaces)[:_MAX_ROWS], 1):
        (workspace,) = choose(here.home.snapshots.workspaces(), name)
        judge = judge_for(here, workspace)
        moments = timeline(here.home.snapshots.snapshots(workspace.id), judge.engine, judge.suite)
        rows.append(TimelineRow(workspace.id, moments))
        tell(number, len(workspaces))
    return tuple(rows)


def _fix(store: TreeStore, path: Path) -> FixView:
    with named_io_errors(path):
        text = path.read_text("utf-8")
    try:
        saved: dict[str, Any] = json.loads(text)
        before, suggestion = saved["before"], saved["suggestion"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: not what `greenloop fix --save` wrote", "run it again") from error
    return fix_view(
        store,
        Verdict.from_json(json.dumps(before)),
        None if suggestion is None else Suggestion.from_json(json.dumps(suggestion)),
        workspace=str(saved["workspace"]),
        summary=str(saved["summary"]),
    )


def _numbers(counted: dict[str, Any], scores: EvalReport, fix: FixView | None) -> tuple[Number, ...]:
    numbers = [
        Number("snapshots", str(counted["snapshots"]), f"{counted['trees']} distinct trees judged"),
        Number("verified examples", str(counted["verified"]), f"of {counted['mined']} red-to-green runs"),
        Number("held-out tasks", str(scores.scored), f"asked of {scores.settings.model}"),
        *(Number(score.name, percent(score.value)) for score in scores.scores),
    ]
    if fix is not None:
        numbers.append(Number("a red workspace", "repaired" if fix.fixed else "not repaired", fix.workspace))
    return tuple(numbers)
