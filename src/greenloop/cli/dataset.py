"""``greenloop dataset``: examples become a dataset with held-out parts, and leave in the formats of others."""

import json
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.cli.mined import funnel_file
from greenloop.cli.show import table
from greenloop.datasets.card import PICTURE_FILE, MinedCounts
from greenloop.datasets.load import load, read_examples
from greenloop.datasets.page import readme
from greenloop.datasets.split import Split, SplitBy, SplitRule
from greenloop.mining.funnel import Funnel, merged
from greenloop.records import InputError, RecordError
from greenloop.storage import named_io_errors

app = typer.Typer(no_args_is_help=True, help="Turn examples into a dataset with held-out parts, and export it.")


class FormatName(StrEnum):
    """The formats by name; what each writes stands in ``datasets.exports``, which costs too much to import for help."""

    CHAT = "chat"
    PROMPT_COMPLETION = "prompt-completion"
    TRL = "trl"
    PARQUET = "parquet"
    TASKS = "tasks"


@app.command()
def build(
    context: typer.Context,
    examples: Annotated[Path, typer.Argument(help="Examples that `greenloop mine` wrote.")],
    target: Annotated[Path, typer.Option("--out", "-o", help="The dataset's folder.")] = Path("dataset"),
    by: Annotated[
        SplitBy, typer.Option(help="What keeps the parts apart: people, time for one person, or directories of code.")
    ] = (SplitBy.AUTHOR),
    valid: Annotated[float, typer.Option(help="Share of the examples for choices between models.")] = 0.1,
    test: Annotated[float, typer.Option(help="Share of the examples for the final score.")] = 0.1,
    gap: Annotated[float, typer.Option(help="Seconds between the parts when they are split by time.")] = 600.0,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="An evaluation set that nothing may stand in, or nearly: a dataset (its valid and test), examples, or "
            "any file of texts; may be given again."
        ),
    ] = None,
    also: Annotated[
        list[Path] | None,
        typer.Option(
            help="More examples, which train and are never scored on, such as synthetic ones; may be given again."
        ),
    ] = None,
    max_per_author: Annotated[int, typer.Option(help="Examples of one author at most; 0: no limit.")] = 0,
    max_per_file: Annotated[int, typer.Option(help="Examples of one file of a workspace at most; 0: no limit.")] = 0,
    name: Annotated[str, typer.Option(help="The dataset's name, for its card.")] = "Greenloop dataset",
) -> None:
    """Write a dataset: JSONL, Parquet, trees, a card with every count. Equal examples give equal bytes.

    Left out, counted and named by id: secrets, repeats, near-duplicates, what stands in an evaluation set, and what is
    over a quota. `greenloop dataset dropped` lists them.
    """
    # pyarrow, matplotlib and the MinHash library take two seconds to import, which no other command should wait for
    from greenloop.datasets.build import Choice, Repeats
    from greenloop.datasets.build import build as build_dataset
    from greenloop.datasets.evaluation_set import read_set
    from greenloop.snapshots.secrets import Screen

    if not name.strip() or not name.isprintable():
        raise InputError(f"{name!r} is no name of a dataset", "name it in one line of letters")
    here = App.of(context)
    settings = here.settings(Path())
    found = read_examples(examples)
    more = [one for path in also or () for one in read_examples(path)]
    choice = Choice(
        near=settings.dataset.near_duplicate,
        against=tuple(read_set(path, here.home.trees) for path in against or ()),
        max_per_author=max_per_author,
        max_per_file=max_per_file,
        repeats=Repeats(settings.dataset.repeats),
        screen=Screen(allowed=settings.record.allow_secrets),
    )
    with progress("rendering", "examples") as report:
        dataset = build_dataset(
            found,
            here.home.trees,
            target,
            name=name,
            rule=SplitRule(by=by, valid=valid, test=test, gap_seconds=gap),
            choice=choice,
            also=more,
            budget=settings.context.budget_tokens,
            funnel=funnel(examples),
            mined=mined(examples),
            workers=settings.build.workers,
            progress=report,
        )
    left_out = len(dataset.dropped())
    rows = [(part, str(count.examples), str(count.authors)) for part, count in dataset.card.parts.items()]
    table(f"{dataset.card.name}, version {dataset.version}", ("part", "examples", "people"), rows)
    told = f"; {left_out} of {len(found) + len(more)} left out, see `greenloop dataset dropped`" if left_out else ""
    out.print(f"Written to {escape(str(target))}{told}.")


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
        # its head is for Hugging Face `datasets`, not for people, and a terminal shows no picture
        page = readme(found).partition("\n---\n")[2].splitlines()
        out.print(Markdown("\n".join(line for line in page if not line.startswith("!["))), soft_wrap=False)
        out.print(f"The funnel as a picture: {escape(str(dataset / PICTURE_FILE))}")


@app.command()
def dropped(
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    rule: Annotated[str, typer.Option(help="Only rules whose name holds this.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
) -> None:
    """List what was left out when a dataset was built: the example's id, the rule, and why."""
    found = load(dataset).dropped()
    chosen = [one for one in found if rule in one.rule]
    if rule and not chosen:
        rules = ", ".join(dict.fromkeys(one.rule for one in found)) or "none dropped anything"
        raise InputError(f"no rule with {rule!r} in its name dropped anything", f"rules that did: {rules}")
    if as_json:
        for one in chosen:
            print(one.to_json())
    else:
        for one in chosen:
            out.print(f"[bold]{escape(one.id)}[/]  {escape(one.rule)}: {escape(one.because)}")
        out.print(f"{len(chosen)} of {len(found)} left out.")


@app.command()
def export(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(help="A dataset folder.")],
    kind: Annotated[
        FormatName,
        typer.Option(
            "--format",
            "-f",
            help="`chat`: `messages`. `prompt-completion`: two texts. `trl`: `prompt` and `completion` as messages. "
            "`parquet`: every column. `tasks`: questions whose edit is withheld, for evaluation and RL.",
        ),
    ],
    target: Annotated[
        Path, typer.Option("--out", "-o", help="A folder with a file for each part; a file with --part.")
    ],
    part: Annotated[Split | None, typer.Option(help="Only this part, as one file.")] = None,
) -> None:
    """Write a dataset for a trainer. Files appear whole or not at all, and none is replaced."""
    # pyarrow takes half a second to import, which no other command should wait for
    from greenloop.datasets.exports import FORMATS
    from greenloop.datasets.exports.write import export as write_export

    settings = App.of(context).settings(Path())
    written = write_export(
        load(dataset), FORMATS[kind], target, part=part, max_changed_lines=settings.eval.max_changed_lines
    )
    for one, path in written.items():
        out.print(f"{one}: {escape(str(path))}")


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
        read = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}", "run `greenloop mine` again") from error
    if not isinstance(read, dict):
        raise InputError(f"{path}: not the counts of `greenloop mine`", "run `greenloop mine` again")
    return read


def funnel(examples: Path) -> Funnel:
    """Return mining's funnel over all toolchains. Raises ``InputError`` as ``counts`` does."""
    path, groups = funnel_file(examples), counts(examples).get("groups")
    if not isinstance(groups, list) or not all(isinstance(one, dict) and "funnel" in one for one in groups):
        raise InputError(f"{path}: not the counts of `greenloop mine`", "run `greenloop mine` again")
    try:
        return merged([Funnel.from_json(json.dumps(one["funnel"])) for one in groups])
    except RecordError as error:
        raise InputError(f"{path}: {error.message}", "run `greenloop mine` again") from error


def mined(examples: Path) -> MinedCounts:
    """Return what mining counted beside the funnel, summed over all toolchains."""
    told = counts(examples)
    model = told.get("prompts", {}).get("model") or {}
    words = {
        **{f"{kind} taken": count for kind, count in model.get("taken", {}).items()},
        "answers rejected": sum(model.get("rejected", {}).values()),
        **{f"requests {name}": model.get(key, 0) for name, key in (("failed", "failed"), ("not made", "not_asked"))},
    }
    return MinedCounts(
        trees=_summed(group.get("trees", {}) for group in told["groups"]),
        cuts=_summed(group.get("cuts", {}) for group in told["groups"]),
        minimised=told.get("minimised", {}),
        words=words if model else {},
    )


def _summed(counted: Iterable[dict[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counted:
        total.update(one)
    return dict(sorted(total.items()))
