"""A report as rows of text, for a terminal or a page."""

from collections.abc import Sequence

from greenloop.evals.estimators import Interval
from greenloop.evals.scores import EvalReport

Row = tuple[str, str, str, str]
"""(section, name, value, detail); rows of a section stand together."""


def table_rows(report: EvalReport) -> tuple[Row, ...]:
    """Return the report as rows: scores with their intervals, stages, groups, reasons, costs."""
    rows: list[Row] = [("tasks", "scored", str(report.scored), _tasks(report))]
    rows += [("scores", one.name, percent(one.value), interval_text(one.interval)) for one in report.scores]
    rows += [("samples", rate.name, percent(rate.value), f"{rate.count} of {rate.of}") for rate in report.rates]
    for group in report.groups:
        detail = f"fixed@{report.k} {percent(group.fixed_at_k)}, {_count(group.tasks, 'task')}"
        rows.append((f"by {group.kind}", group.name, percent(group.fixed_at_1), detail))
    rows += [("not fixed because", reason, str(count), "") for reason, count in report.reasons]
    costs = report.costs
    rows.append(("a sample", "tokens", f"{costs.prompt_tokens:.0f} + {costs.reply_tokens:.0f}", "prompt + reply"))
    rows.append(
        ("a sample", "seconds", f"{costs.seconds:.2f}", f"{costs.total_seconds:.0f} s for all, judging left out")
    )
    return tuple(rows)


def percent(value: float) -> str:
    """Return a share as text, with one decimal."""
    return f"{100 * value:.1f} %"


def interval_text(interval: Interval | None) -> str:
    """Return an interval and its method as text, or why there is none."""
    if interval is None:
        return "no honest interval can be given"
    return f"95 % interval {100 * interval.low:.1f} to {100 * interval.high:.1f} % ({interval.method})"


def _tasks(report: EvalReport) -> str:
    parts = [f"of {_count(report.tasks, 'task')}, {_count(report.authors, 'author')}"]
    parts += _left_out(report.not_red, "not red under this toolchain")
    parts += _left_out(report.unjudged, "could not be judged")
    return "; ".join(parts)


def _left_out(tasks: Sequence[str], why: str) -> list[str]:
    return [f"{len(tasks)} left out: {why}"] if tasks else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
