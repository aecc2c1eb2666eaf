"""How evaluations and warm builds look in a terminal."""

import re
from collections import Counter
from collections.abc import Sequence

from rich.markup import escape

from greenloop.cli.console import out
from greenloop.cli.show import errors, table
from greenloop.records import Evaluation, Severity, Status, TestStatus, WarmBuild

_STYLES = {
    Status.GREEN: "bold white on green",
    Status.RED: "bold white on red",
    Status.TIMEOUT: "bold black on yellow",
    Status.REJECTED: "bold white on red",
    Status.INFRA_ERROR: "bold black on yellow",
}
_MOST = 20
_COMMIT = re.compile(r"\b[0-9a-f]{40}\b")


def show_evaluation(evaluation: Evaluation) -> None:
    """Print an evaluation as people read it: what it came to, why, and what it took."""
    head = f"[{_STYLES[evaluation.status]}] {evaluation.status} [/]"
    if evaluation.reason:
        head += f" [bold]{escape(evaluation.reason)}[/]"
    if evaluation.stage is not None:
        head += f" at {evaluation.stage}"
    for flag in evaluation.flags:
        head += f" [bold black on yellow] {escape(flag)} [/]"
    out.print(head)
    if evaluation.note:
        out.print(escape(evaluation.note))
    errors([one for one in evaluation.diagnostics if one.severity is Severity.ERROR], _MOST)
    _show_tests(evaluation)
    if evaluation.restored:
        out.print(f"put back: {escape(', '.join(evaluation.restored))}")
    stages = ", ".join(f"{stage.stage} {1000 * stage.seconds:.0f} ms" for stage in evaluation.stages if stage.seconds)
    timings = evaluation.timings
    seen = " (seen before)" if evaluation.seen_before else ""
    waited = f", {timings.queued_ms:.0f} ms of it waiting" if timings.queued_ms >= 1 else ""
    out.print(f"[dim]{timings.total_ms:.0f} ms in all{seen}{waited}{f': {stages}' if stages else ''}[/]")
    out.print(f"[dim]{evaluation.id}[/]")


def _show_tests(evaluation: Evaluation) -> None:
    if not evaluation.tests and evaluation.hidden is None:
        return
    counts = Counter(test.status for test in evaluation.tests)
    words = ", ".join(f"{counts[status]} {status}" for status in TestStatus if counts[status])
    hidden = f"; hidden tests: {evaluation.hidden.status}" if evaluation.hidden is not None else ""
    out.print(f"tests: {words or 'none'}{hidden}")
    for test in [test for test in evaluation.tests if test.status is TestStatus.FAILED][:_MOST]:
        excused = " [dim](flaky, not counted)[/]" if test.name in evaluation.flaky else ""
        out.print(f"  [red]✗[/] {escape(test.name)}{excused}")


def show_builds(builds: Sequence[WarmBuild]) -> None:
    """Print the warm builds."""
    if not builds:
        out.print("No warm builds. [bold]greenloop ces warm REV[/] makes one.")
        return
    rows = [
        (
            _COMMIT.sub(lambda found: found[0][:12], build.revision),
            build.state,
            f"{build.bytes / 2**20:.0f} MiB",
            f"{build.seconds:.1f} s",
            str(len(build.tests)),
            str(build.uses),
            build.note,
        )
        for build in builds
    ]
    table("", ("revision", "state", "disk", "made in", "tests", "uses", "note"), rows)
