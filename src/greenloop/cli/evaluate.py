"""``greenloop eval``: how good a model is at held-out tasks, by verdicts."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli import page, show
from greenloop.cli.app import App
from greenloop.cli.console import err, out
from greenloop.cli.eval_compare import compare
from greenloop.cli.models_scores import attach
from greenloop.models.book import Book
from greenloop.records import InputError

app = typer.Typer(no_args_is_help=True, help="Score a model on held-out tasks; verdicts decide.")


app.command("report")(page.report)
app.command("compare")(compare)


@app.command("run")
def run_tasks(
    context: typer.Context,
    dataset: Annotated[Path | None, typer.Option("--dataset", "-d", help="A dataset folder.")] = None,
    sessions: Annotated[
        Path | None,
        typer.Option(
            help="In place of a dataset: recorded OCaml top-level sessions, JSON lines, plain or .xz. What is mined "
            "from them is kept apart from your histories, and found again."
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model [default: model.name].")] = None,
    n: Annotated[
        int, typer.Option("--n", min=1, help="Sampled replies a task beside the greedy one; 1: the greedy one alone.")
    ] = 1,
    k: Annotated[int | None, typer.Option("--k", min=1, help="Report any of k; at most n [default: n].")] = None,
    split: Annotated[
        str, typer.Option(help="The part: train, valid, test, or all, of a term of which nothing was trained on.")
    ] = "test",
    author: Annotated[
        list[str] | None, typer.Option("--author", help="Only tasks of this person; may be given again.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many tasks, those whose ids have the lowest SHA-256.")
    ] = None,
    with_search: Annotated[
        bool,
        typer.Option("--with-search", help="Also ask what `greenloop fix` asks beside the model; counts as shown."),
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of the first sample.")] = 0,
    require: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BOUND",
            help="Exit status 1 unless it holds, as 'fixed@1>=0.30' or 'same_shown.low>=0.2'; may be given again.",
        ),
    ] = None,
    target: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where results go [default: DATASET/runs/MODEL-nN, or runs/… here]."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask a model each held-out task, and judge its answers by three measures, which always stand together.

    *Fixed* needs the error gone, no new one before it, no top-level name removed, few changed lines, and neither a
    stub nor a mere deletion in its place. *Same*, on whole-file tasks: the program also prints the results of the
    person's own fix. *Exact* is the person's own fix. Each is told of the greedy reply, of any of k, and of the one
    answer that would be shown. A run that was stopped goes on where it was; its page is OUT/report.html.
    """
    # scipy takes seconds to import, which no other command should wait for
    from greenloop.cli.eval_run import Asked, carry_out
    from greenloop.evals.gate import failures
    from greenloop.evals.tables import table_rows

    if (dataset is None) == (sessions is None):
        raise InputError("say what to score on: --dataset FOLDER or --sessions FILE", "give one of the two")
    asked = Asked(
        dataset=dataset,
        sessions=sessions,
        model=model,
        n=n,
        k=k or n,
        part=split,
        authors=tuple(author or ()),
        limit=limit,
        with_search=with_search,
        seed=seed,
        require=tuple(require or ()),
        target=target,
    )
    app = App.of(context)
    done = carry_out(app, asked)
    attach(Book(app.home.models), done.folder)
    if as_json:
        print(done.report.to_json())
    else:
        rows = [(f"{section}: {name}", value, detail) for section, name, value, detail in table_rows(done.report)]
        show.table(f"{done.report.settings.model} on {done.report.tasks} held-out tasks", ("", "", ""), rows)
        if done.too_large:
            out.print(f"Left out: {done.too_large} whose own edit is larger than eval.max_changed_lines.")
        out.print(f"Stored in {escape(str(done.folder))}; open {escape(str(done.page))} in a browser.")
    missed = failures(done.report, done.wanted)
    if missed:
        err.print(f"[bold red]greenloop:[/] not met: {escape('; '.join(missed))}")
        raise typer.Exit(1)
