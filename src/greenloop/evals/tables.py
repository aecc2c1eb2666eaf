"""A report as rows of text, for a terminal or a page."""

from collections.abc import Iterator, Sequence

from greenloop.evals.compare import Comparison, Difference
from greenloop.evals.estimators import Interval
from greenloop.evals.groups import Group
from greenloop.evals.scores import EvalReport, Score

Row = tuple[str, str, str, str]
"""(section, name, value, detail); rows of a section stand together."""


def table_rows(report: EvalReport) -> tuple[Row, ...]:
    """Return the report as rows: scores with their intervals, stages, groups, reasons, costs, what blocks it."""
    rows: list[Row] = [("tasks", "scored", str(report.scored), _tasks(report))]
    rows += [("scores", one.name, score_text(one), f"{one.how}; {_of(one)}") for one in report.scores]
    rows += [("samples", rate.name, percent(rate.value), f"{rate.count} of {rate.of}") for rate in report.rates]
    rows += [(f"by {group.kind}", group.name, *_group(group)) for group in report.groups]
    rows += [("not fixed because", reason, str(count), "") for reason, count in report.reasons]
    rows += _costs(report)
    found = report.degenerate
    rows.append(("promotion", "degenerate replies", "blocked" if found.blocked else "none", "; ".join(found.reasons)))
    return tuple(rows)


def comparison_lines(comparison: Comparison) -> tuple[str, ...]:
    """Return two lines a score: what it is in A and B and whether that differs; then how sure that is."""
    return tuple(line for one in comparison.differences for line in _difference(one))


def _difference(one: Difference) -> Iterator[str]:
    finding = f"{one.better} is better" if one.better else "no difference shown"
    change = f"B - A {100 * one.difference:+.1f} points"
    if one.low is not None and one.high is not None:
        change += f" ({100 * one.low:+.1f} to {100 * one.high:+.1f})"
    yield f"{one.name}: A {percent(one.a)}, B {percent(one.b)}, {change}, p {one.p:.2g}: {finding}"
    counted = (
        f"{_count(one.tasks, 'task')}, {_count(one.authors, 'author')}; A better on {one.only_a}, B on {one.only_b}"
    )
    yield f"    {counted}; p: {one.test}; interval: {one.interval}"


def percent(value: float) -> str:
    """Return a share as text, with one decimal."""
    return f"{100 * value:.1f} %"


def score_text(score: Score) -> str:
    """Return a score's value as text; ``none`` where no task counts for it."""
    return percent(score.value) if score.tasks else "none"


def interval_text(interval: Interval | None) -> str:
    """Return an interval and its method as text, or why there is none."""
    if interval is None:
        return "no honest interval can be given"
    return f"95 % interval {100 * interval.low:.1f} to {100 * interval.high:.1f} % ({interval.method})"


def _of(score: Score) -> str:
    return f"of {_count(score.tasks, 'task')}; {interval_text(score.interval)}" if score.tasks else "no task counts"


def _tasks(report: EvalReport) -> str:
    parts = [f"of {_count(report.tasks, 'task')}, {_count(report.authors, 'author')}"]
    parts += [f"{report.whole} whole-file, {report.with_results} of them print a value"] if report.whole else []
    parts += _left_out(report.not_red, "not red under this toolchain")
    parts += _left_out(report.unjudged, "could not be judged")
    parts += [f"{len(report.quarantined)} without `same`: quarantined"] if report.quarantined else []
    return "; ".join(parts)


def _group(group: Group) -> tuple[str, str]:
    """The first score, and the others with how much they are of."""
    (_, first), *others = group.scores.items()
    said = ", ".join(f"{name} {percent(value)}" for name, value in others if _telling(name))
    return percent(first), f"{said}; {_count(group.tasks, 'task')}, {_count(group.authors, 'author')}"


def _telling(name: str) -> bool:
    # a terminal is narrow: the others stand on the page
    return name.endswith("_shown")


def _costs(report: EvalReport) -> Iterator[Row]:
    costs = report.costs
    tokens = f"prompt + reply; {costs.all_tokens:,} in all"
    yield "a reply", "tokens", f"{costs.prompt_tokens:.0f} + {costs.reply_tokens:.0f}", tokens
    yield "a reply", "seconds", f"{costs.seconds:.2f}", f"{costs.total_seconds:.0f} s for all, judging left out"
    for one in costs.latency:
        yield "seconds", one.name, f"{one.p50:.2f}", f"median of {one.count}; 95 % within {one.p95:.2f}"


def _left_out(tasks: Sequence[str], why: str) -> list[str]:
    return [f"{len(tasks)} left out: {why}"] if tasks else []


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
