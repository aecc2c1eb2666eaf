"""``greenloop dataset``: examples become a dataset with held-out parts."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.cli.mine import funnel_file
from greenloop.cli.show import table
from greenloop.datasets.card import readme
from greenloop.datasets.load import load, read_examples
from greenloop.datasets.split import SplitBy, SplitRule
from greenloop.mining.funnel import Funnel, merged
from greenloop.records import InputError
from greenloop.storage import named_io_errors

app = typer.Typer(no_args_is_help=True, help="Turn examples into a dataset with held-out parts.")


@app.command()
def build(
    context: typer.Context,
    examples: Annotated[Path, typer.Argument(help="Examples that `greenloop mine` wrote.")],
    target: Annotated[Path, typer.Option("--out", "-o", help="The dataset's folder.")] = Path("dataset"),
    by: Annotated[SplitBy, typer.Option(help="What keeps the parts apart: people, or time for one person.")] = (
        SplitBy.AUTHOR
    ),
    valid: Annotated[float, typer.Option(help="Share of the examples for choices between models.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the examples for the final score.")] = 0.1,
    name: Annotated[str, typer.Option(help="The dataset's name, for its card.")] = "Greenloop dataset",
) -> None:
    """Write a dataset: JSONL, Parquet, trees, and a card with every count. Equal examples give equal bytes."""
    # pyarrow takes half a second to import, which no other command should wait for
    from greenloop.datasets.build import build as build_dataset

    here = App.of(context)
    settings = here.settings(Path())
    found = read_examples(examples)
    with progress("rendering", "examples") as report:
        dataset = build_dataset(
            found,
            here.home.trees,
            target,
            name=name,
            rule=SplitRule(by=by, valid=valid, test=test),
            budget=settings.context.budget_tokens,
            funnel=funnel(examples),
            workers=settings.build.workers,
            progress=report,
        )
    rows = [(part, str(count.examples), str(count.authors)) for part, count in dataset.card.parts.items()]
    table(f"{dataset.card.name}, version {dataset.version}", ("part", "examples", "people"), rows)
    out.print(f"Written to {escape(str(target))}.")


@app.command()
def card(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the card as JSON.")] = False,
) -> None:
    """Show a dataset's card, after checking every file against it."""
    # rich's Markdown brings a parser and a highlighter that no other command needs
    from rich.markdown import Markdown

    found = load(dataset).card
    if as_json:
        print(found.to_json())
    else:
        # its head is for Hugging Face `datasets`, not for people
        out.print(Markdown(readme(found).partition("\n---\n")[2]))


def counts(examples: Path) -> dict[str, Any]:
    """Return what ``greenloop mine`` counted when it wrote ``examples``.

    Raises ``InputError`` when the counts are missing or damaged: a card without them would be a lie.
    """
    path = funnel_file(examples)
    if not path.is_file():
        raise InputError(f"{path}: missing: it holds the counts of every rule", "run `greenloop mine` again")
    with named_io_errors(path):
        content = path.read_bytes()
    try:
        read: dict[str, Any] = json.loads(content)
    except ValueError as error:
        raise InputError(f"{path}: not JSON: {error}", "run `greenloop mine` again") from error
    return read


def funnel(examples: Path) -> Funnel:
    """Return mining's funnel over all toolchains."""
    return merged([Funnel.from_json(json.dumps(group["funnel"])) for group in counts(examples)["groups"]])
