"""``greenloop train``: a recipe becomes a model of one's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import err, out, progress
from greenloop.cli.show import table
from greenloop.cli.train_bench import training_bench
from greenloop.cli.turns import model_settings
from greenloop.models.registry import open_model
from greenloop.records import EnvironmentFault, RunCard
from greenloop.training.recipe import Kind, RejectionRecipe, RlRecipe, SftRecipe, read_recipe

app = typer.Typer(no_args_is_help=True, help="Train a model of one's own from a recipe.")

RecipeFile = Annotated[Path, typer.Option("--recipe", "-r", help="The recipe, a TOML file (docs/training.md).")]
Target = Annotated[
    Path | None, typer.Option("--out", "-o", help="The run's folder [default: runs/NAME of the recipe].")
]
DatasetFolder = Annotated[
    Path | None, typer.Option("--dataset", "-d", help="A dataset folder in place of the recipe's.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the run's last whole checkpoint.")]


@app.command()
def sft(
    context: typer.Context,
    recipe: RecipeFile,
    target: Target = None,
    dataset: DatasetFolder = None,
    resume: Resume = False,
) -> None:
    """Fine-tune a model on edits that people made: loss on the reply alone, LoRA by default.

    The run's folder holds the adapter, the tokenizer, the loss as a picture and for TensorBoard, a log line a step, and
    a card with every version and hash. A run that was stopped, even by a kill, goes on with --resume as if it had not.
    """
    found = _read(recipe, SftRecipe, dataset)
    with _installed():
        from greenloop.training.sft import train
    place = target or Path("runs") / found.name
    with progress(f"training {found.name}", "steps") as report:
        card = train(found, place.absolute(), App.of(context).home.bases, resume=resume, progress=report, tell=_tell)
    _finished(card, place)


@app.command()
def rejection(
    context: typer.Context,
    recipe: RecipeFile,
    target: Target = None,
    dataset: DatasetFolder = None,
    resume: Resume = False,
) -> None:
    """Let a model answer the training tasks n times, and learn those answers that verdicts call clean fixes.

    They are learnt beside the edits that people made. Every sample and what it is worth is in the run's folder, in the
    files of `greenloop eval`. With --resume a run goes on after its last judged task, or its last whole checkpoint.
    """
    found = _read(recipe, RejectionRecipe, dataset)
    with _installed():
        from greenloop.training.rejection import train
    app = App.of(context)
    place = target or Path("runs") / found.name
    settings = model_settings(app.settings(Path()), app.home)
    with (
        training_bench(app, found.verdicts) as bench,
        # one bar, as rich shows one at a time: of tasks, then of steps
        progress(f"{found.name}: tasks, then steps") as report,
    ):
        card = train(
            found,
            place.absolute(),
            app.home.bases,
            bench=bench,
            models=lambda name: open_model(name, settings),
            resume=resume,
            sampled=report,
            progress=report,
            tell=_tell,
        )
    _finished(card, place)


@app.command()
def rl(
    context: typer.Context,
    recipe: RecipeFile,
    target: Target = None,
    dataset: DatasetFolder = None,
    resume: Resume = False,
) -> None:
    """Learn from verdicts: replies to the training tasks are judged, and the better ones of each task made likelier.

    GRPO with LoRA, from a run of `greenloop train sft`. A clean fix is worth 1, a stub or a hack 0, and what nobody
    could judge is left out. One batch is judged while the next is drawn; how long training waited is told. The run's
    folder also holds the curves of what is rewarded beside what is not, to see whether the reward is gamed.
    """
    found = _read(recipe, RlRecipe, dataset)
    with _installed():
        from greenloop.training.rl import train
    app = App.of(context)
    place = target or Path("runs") / found.name
    with training_bench(app, found.verdicts) as bench, progress(f"training {found.name}", "steps") as report:
        card = train(found, place.absolute(), app.home.bases, bench=bench, resume=resume, progress=report, tell=_tell)
    rows = [
        (name, f"{card.first_measures[name]:.3f}", f"{card.last_measures[name]:.3f}")
        for name in card.last_measures
        if name in card.first_measures
    ]
    title = f"{card.name}, run {card.id}: {card.steps} steps, {card.tokens:,} tokens"
    table(title, ("mean of a batch", "first tenth", "last tenth"), rows)
    out.print(f"Written to {escape(str(place))}.")


def _read(path: Path, kind: type[Kind], dataset: Path | None) -> Kind:
    found = read_recipe(path, kind)
    if dataset is None:
        return found
    return found.model_copy(update={"data": found.data.model_copy(update={"dataset": str(dataset.resolve())})})


@contextmanager
def _installed() -> Iterator[None]:
    """Name what is missing. torch, transformers and trl take many seconds to import, so it is done late."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise EnvironmentFault(
            f"training needs a package that is not installed: {error.name}", "pip install 'greenloop[training]'"
        ) from error


def _tell(line: str) -> None:
    err.print(escape(line))


def _finished(card: RunCard | None, place: Path) -> None:
    if card is None:
        # another process of this run tells how it went
        return
    losses = [("first step", card.first_loss), ("last step", card.last_loss), ("held-out", card.heldout_loss)]
    rows = [(name, f"{loss:.4f}") for name, loss in losses if loss is not None]
    table(f"{card.name}, run {card.id}: {card.steps} steps, {card.tokens:,} tokens", ("loss", "nats a token"), rows)
    out.print(f"Written to {escape(str(place))}.")
