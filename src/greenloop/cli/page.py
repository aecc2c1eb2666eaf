"""``greenloop eval report``: one page that shows how it went."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.storage import write_atomically


def report(
    context: typer.Context,
    examples: Annotated[Path, typer.Option(help="Examples that `greenloop mine` wrote.")],
    dataset: Annotated[Path, typer.Option("--dataset", "-d", help="The dataset that was built of them.")],
    run: Annotated[Path, typer.Option("--eval", help="A folder of results of `greenloop eval run`.")],
    fix: Annotated[Path | None, typer.Option(help="What `greenloop fix --save` wrote.")] = None,
    split: Annotated[str, typer.Option(help="The part of the dataset that was asked.")] = "test",
    title: Annotated[str, typer.Option(help="The page's title.")] = "Greenloop report",
    target: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path("report.html"),
) -> None:
    """Write one HTML page: the timeline of green and red, the funnel, the scores, every task, and a fix.

    The page needs no network, no script and no other file.
    """
    # scipy and matplotlib take seconds to import, which no other command should wait for
    from greenloop.cli.reports import page

    html = page(App.of(context), examples=examples, dataset=dataset, run=run, fix=fix, split=split, title=title)
    write_atomically(target, html.encode())
    out.print(f"Written to {escape(str(target))}: open it in a browser.")
