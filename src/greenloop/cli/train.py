"""``greenloop train``: a recipe becomes a model of one's own."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import err, out, progress
from greenloop.cli.show import table
from greenloop.records import EnvironmentFault
from greenloop.training.recipe import SftRecipe, read_recipe

app = typer.Typer(no_args_is_help=True, help="Train a model of one's own from a recipe.")


@app.command()
def sft(
    context: typer.Context,
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="The recipe, a TOML file (docs/training.md).")],
    target: Annotated[
        Path | None, typer.Option("--out", "-o", help="The run's folder [default: runs/NAME of the recipe].")
    ] = None,
    dataset: Annotated[
        Path | None, typer.Option("--dataset", "-d", help="A dataset folder in place of the recipe's.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last whole checkpoint.")] = False,
) -> None:
    """Fine-tune a model on edits that people made: loss on the reply alone, LoRA by default.

    The run's folder holds the adapter, the tokenizer, the loss as a picture and for TensorBoard, a log line a step, and
    a card with every version and hash. A run that was stopped, even by a kill, goes on with --resume as if it had not.
    """
    found = read_recipe(recipe, SftRecipe)
    if dataset is not None:
        data = found.data.model_copy(update={"dataset": str(dataset.resolve())})
        found = found.model_copy(update={"data": data})
    # torch, transformers and trl take many seconds to import, which no other command should wait for
    try:
        from greenloop.training.sft import train
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            f"training needs a package that is not installed: {error.name}", "pip install 'greenloop[training]'"
        ) from error
    place = target or Path("runs") / found.name
    with progress(f"training {found.name}", "steps") as report:
        card = train(
            found,
            place.absolute(),
            App.of(context).home.bases,
            resume=resume,
            progress=report,
            tell=lambda line: err.print(escape(line)),
        )
    if card is None:
        # another process of this run tells how it went
        return
    losses = [("first step", card.first_loss), ("last step", card.last_loss), ("held-out", card.heldout_loss)]
    rows = [(name, f"{loss:.4f}") for name, loss in losses if loss is not None]
    table(f"{card.name}, run {card.id}: {card.steps} steps, {card.tokens:,} tokens", ("loss", "nats a token"), rows)
    out.print(f"Written to {escape(str(place))}.")
