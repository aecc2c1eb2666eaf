"""``greenloop models``: what was trained, what it is worth, and which one helps with code."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli import models_add
from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.cli.models_scores import attach
from greenloop.cli.show import table
from greenloop.models.book import Book, Entry
from greenloop.models.versions import Version

app = typer.Typer(no_args_is_help=True, help="Register, compare, choose and take back models of your own.")

Name = Annotated[str, typer.Argument(help="NAME, its newest version, or NAME@VERSION.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

app.command("add")(models_add.add)
app.command("convert")(models_add.convert)


@app.command("list")
def list_(context: typer.Context, as_json: AsJson = False) -> None:
    """List every version of every model, its newest scores, and which one is the default."""
    book = _book(context)
    page, default = book.page(), book.current()
    entries = [Entry(name, version) for name, versions in sorted(page.models.items()) for version in versions]
    if as_json:
        print(json.dumps({"default": default, "models": [_as_json(entry, default) for entry in entries]}))
        return
    if entries:
        marks = {True: "* ", False: "  "}
        rows = [(marks[entry.reference == default] + entry.reference, *_row(entry.version)) for entry in entries]
        table("", ("  model", "kind", "size", "from", "dataset", "scores"), rows)
    else:
        out.print("No models of your own. [bold]greenloop models add[/] registers one.")
    out.print(f"The default is [bold]{escape(default)}[/].")


@app.command()
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show a version: where it comes from and how it scored."""
    book = _book(context)
    entry = book.find(name)
    if as_json:
        print(json.dumps(_as_json(entry, book.current())))
        return
    version = entry.version
    told = {
        "added": _when(version.added),
        "size": _size(version),
        "blocked": version.blocked,
        **{field.replace("_", " "): str(value) for field, value in version.lineage},
        "model sha256": version.model,
        "adapter sha256": version.adapter,
    }
    table(entry.reference, ("", ""), [(field, value) for field, value in told.items() if value])
    for scored in version.scores:
        rows = [
            (one.name, f"{100 * one.value:.1f} %", _interval(one.low, one.high), f"{one.tasks} tasks")
            for one in scored.figures
        ]
        title = f"dataset {scored.dataset[:12] or 'unnamed'}: {scored.greedy} greedy, {scored.sampled} sampled a task"
        table(title, ("", "", "95 %", ""), rows)


@app.command()
def use(context: typer.Context, name: Name) -> None:
    """Make a version the default of fix, ask and eval, wherever greenloop.toml names no model."""
    entry = _book(context).use(name, now=time.time())
    out.print(f"The default is [bold]{escape(entry.reference)}[/].")
    if not entry.version.scores:
        out.print("[yellow]It was not evaluated yet[/]: greenloop eval run --dataset DATASET")


@app.command()
def rollback(context: typer.Context) -> None:
    """Go back to the default before the present one; again: one further. `greenloop models history` keeps all."""
    found = _book(context).rollback(now=time.time())
    out.print(f"The default is [bold]{escape(found)}[/] again.")


@app.command()
def history(context: typer.Context) -> None:
    """Show what was added, used, rolled back and removed, and when."""
    changes = _book(context).page().history
    table("", ("when", "what", "model"), [(_when(one.time), one.what, one.model) for one in changes])


@app.command()
def remove(context: typer.Context, name: Annotated[str, typer.Argument(help="NAME@VERSION, or NAME: all.")]) -> None:
    """Remove a version, or a name with all of its versions, and their files; the default cannot be removed."""
    gone = _book(context).remove(name, now=time.time())
    out.print(f"Removed {escape(', '.join(entry.reference for entry in gone))}.")


@app.command()
def score(
    context: typer.Context,
    name: Name,
    folder: Annotated[Path, typer.Argument(help="The folder that `greenloop eval run --model own:NAME` wrote.")],
) -> None:
    """Keep what an evaluation came to with the version that it was made of; `greenloop eval run` does so itself."""
    book = _book(context)
    kept = attach(book, folder, book.find(name))
    assert kept is not None, "a version of the book was named"
    out.print(f"{escape(kept.reference)}: {escape(_scores(kept.version))}")


def _book(context: typer.Context) -> Book:
    return Book(App.of(context).home.models)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _size(version: Version) -> str:
    return f"{version.bytes / 1e6:.1f} MB"


def _row(version: Version) -> tuple[str, ...]:
    lineage = version.lineage
    source = f"{lineage.kind} {lineage.run[:8]}".strip() or lineage.origin
    kind = "adapter" if version.adapter else "model"
    return kind, _size(version), source, lineage.dataset[:8], _scores(version)


def _scores(version: Version) -> str:
    if not version.scores:
        return "not evaluated"
    figures = ", ".join(f"{one.name} {100 * one.value:.1f} %" for one in version.scores[-1].figures[:3])
    return f"{figures} (blocked)" if version.blocked else figures


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f} %"


def _as_json(entry: Entry, default: str) -> dict[str, object]:
    return {
        "name": entry.name,
        "reference": entry.reference,
        "default": entry.reference == default,
        "blocked": entry.version.blocked,
        **entry.version.model_dump(mode="json"),
    }
