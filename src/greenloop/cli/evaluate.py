"""``greenloop eval``: how good a model is at held-out tasks, by verdicts."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli import page, show
from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.cli.models_scores import attach
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.cli.turns import model_settings
from greenloop.datasets.load import load
from greenloop.models.book import Book
from greenloop.models.registry import open_model
from greenloop.records import InputError

app = typer.Typer(no_args_is_help=True, help="Score a model on held-out tasks; verdicts decide.")


app.command("report")(page.report)


@app.command("run")
def run_tasks(
    context: typer.Context,
    dataset: Annotated[Path, typer.Option("--dataset", "-d", help="A dataset folder.")],
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model [default: model.name].")] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="Samples a task: a single one is greedy, several are not.")] = 1,
    k: Annotated[int, typer.Option("--k", min=1, help="Report fixed@k; at most n.")] = 1,
    split: Annotated[str, typer.Option(help="The part of the dataset: train, valid or test.")] = "test",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many tasks.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the first sample.")] = 0,
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where results go [default: DATASET/runs/MODEL-nN].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Ask a model each held-out task and judge its answers: applies, parses, types, fixed@1 and fixed@k.

    "Fixed" needs the error gone, no new one before it, no top-level name removed, few changed lines, and neither a
    stub nor a mere deletion in its place. A run that was stopped goes on where it was.
    """
    # scipy takes seconds to import, which no other command should wait for
    from greenloop.evals.run import run, sampling_for
    from greenloop.evals.tables import table_rows

    here = App.of(context)
    settings = here.settings(Path())
    found = load(dataset)
    found.add_trees(here.home.trees)
    most = settings.eval.max_changed_lines
    tasks = found.tasks(split, max_changed_lines=most)[:limit]
    if not tasks:
        raise InputError(f"{dataset}: the part {split!r} holds no task", "choose another --split")
    judge = bench(here.home, settings, toolchain_name(here.home, settings, tasks[0].base))
    name = model or settings.model.name
    with open_model(name, model_settings(settings, here.home)) as opened:
        slug = "".join(letter if letter.isalnum() or letter in "-._" else "-" for letter in opened.name)
        folder = target or dataset / "runs" / f"{slug}-n{n}"
        with progress(f"asking {opened.name}", "tasks") as report:
            result = run(
                tasks,
                opened,
                judge.engine,
                here.home.trees,
                sampling=sampling_for(
                    n, temperature=settings.model.temperature, max_tokens=settings.model.max_tokens, seed=seed
                ),
                k=k,
                budget=settings.context.budget_tokens,
                out_dir=folder,
                dataset=found.version,
                protected=settings.toolchain.protected,
                sizes={one.id: one.changed_lines for one in found.examples(split)},
                progress=lambda done, of, _fixed: report(done, of),
            )
    attach(Book(here.home.models), folder)
    if as_json:
        print(result.to_json())
    else:
        rows = [(f"{section}: {name}", value, detail) for section, name, value, detail in table_rows(result)]
        show.table(f"{result.settings.model} on {len(tasks)} held-out tasks", ("", "", ""), rows)
        large = sum(one.changed_lines > most for one in found.examples(split))
        if large:
            out.print(f"Left out: {large} whose own edit changes more than {most} lines (eval.max_changed_lines).")
        out.print(f"Stored in {escape(str(target or dataset / 'runs'))}.")
