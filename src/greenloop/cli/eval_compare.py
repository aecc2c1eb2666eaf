"""``greenloop eval compare``: is one run better than another, or may that be chance?"""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.console import out


def compare(
    a: Annotated[Path, typer.Argument(help="A folder of results of `greenloop eval run`.")],
    b: Annotated[Path, typer.Argument(help="Another, of the same tasks.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs of other datasets or settings, on the tasks that they share.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compare two runs on the same tasks: each score's difference, its 95 % interval, and how sure it is.

    Intervals are by bootstrap over authors. Significance is by McNemar's exact test where a task is right or wrong, and
    by Wilcoxon's signed-rank test where it has a share between. A run is called better where both agree. Many scores
    are looked at and none is corrected for that: name beforehand the one that decides.
    """
    # scipy takes seconds to import, which no other command should wait for
    from greenloop.evals.compare import Run
    from greenloop.evals.compare import compare as compare_runs
    from greenloop.evals.results import ResultsFolder
    from greenloop.evals.tables import comparison_lines

    found = compare_runs(Run.read(ResultsFolder(a)), Run.read(ResultsFolder(b)), anyway=anyway)
    if as_json:
        print(found.to_json())
        return
    out.print(f"[bold]A: {escape(found.a.model)}  B: {escape(found.b.model)}[/], on {found.tasks} tasks")
    for line in comparison_lines(found):
        out.print(escape(line))
    for name, alone in (("A", found.only_in_a), ("B", found.only_in_b)):
        if alone:
            out.print(f"Left out: {alone} tasks that only {name} was scored on.")
    if found.differing:
        out.print(f"[bold yellow]The runs differ in more than the model[/]: {', '.join(found.differing)}.")
