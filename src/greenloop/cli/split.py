"""``greenloop split``: a large change as isolated ones, every prefix of which builds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.cli.app import App
from greenloop.cli.console import out, progress
from greenloop.cli.mine import rules
from greenloop.cli.mined import Written, check_place, group, write_mined
from greenloop.cli.prompting import prompted, tell_of_model, wished
from greenloop.cli.show import table
from greenloop.cli.toolchains import bench, toolchain_name
from greenloop.cli.turns import folder_name, project_root
from greenloop.mining.changed import changed_files
from greenloop.mining.describe import describe_files
from greenloop.mining.dropped import LeftOut
from greenloop.mining.features.branch import from_branch
from greenloop.mining.features.reading import read_feature
from greenloop.mining.features.revisions import from_revisions
from greenloop.mining.funnel import Funnel
from greenloop.mining.own import Accepted
from greenloop.mining.sources.features import PIECES, FeatureSource, Named
from greenloop.mining.split.split import Piece, Split
from greenloop.records import Feature, InputError
from greenloop.workspace.store import TreeStore

_MOST_WORDS = 110


def split(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="A folder of the repository.")] = Path(),
    base: Annotated[str, typer.Option("--from", help="The revision before the change.")] = "",
    target: Annotated[str, typer.Option("--to", help="The revision with the change.")] = "",
    branch: Annotated[
        str, typer.Option(help="A branch: what it has since it left --from, with what its commits say.")
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option("--feature", help="A pull request of GitHub or a merge request of GitLab, exported as JSON."),
    ] = None,
    title: Annotated[str, typer.Option(help="What people called the change; prompts may be drawn from it.")] = "",
    examples: Annotated[Path, typer.Option("--out", "-o", help="Where the pieces go, one example a line.")] = Path(
        "pieces.jsonl"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Split a change into pieces of at most `mining.max_changed_lines` lines, each green after the one before.

    Exit status 0 when it was split, 1 when its base or its target is not green.
    """
    check_place(examples)
    app = App.of(context)
    settings = app.settings(folder)
    root = project_root(folder)
    feature = _feature(app.home.trees, root, _Asked(base, target, branch, file))
    feature = feature.model_copy(update={"title": title}) if title else feature
    judge = bench(app.home, settings, toolchain_name(app.home, settings, feature.target))
    named = Named(feature, folder_name(root))
    given = rules(settings.mining, wished(app.home, settings.mining))
    accepted = Accepted.read(app.home.trees, app.home.feedback.accepted())
    dropped: list[LeftOut] = []
    source = FeatureSource(
        [named], app.home.trees, judge.engine, judge.suite, rules=given, accepted=accepted, note=dropped.append
    )
    with progress("building prefixes", "fragments") as report:
        found = tuple(source.examples(report))
    pieces, prompts = prompted(app.home, settings, found)
    (result,), funnel, written = source.splits, source.funnel(), Written.of(pieces)
    told = {**_as_json(result, written, funnel), "prompts": prompts}
    groups = [group(judge.toolchain, judge.engine.fingerprint, written.categories, funnel)]
    # what a clock says is no count
    counts = {name: value for name, value in told.items() if name != "seconds"}
    write_mined(examples, pieces, {**counts, "groups": groups}, dropped=dropped, funnel=funnel)
    if as_json:
        print(json.dumps(told))
    else:
        _show(app.home.trees, result, written, funnel, examples)
        tell_of_model(prompts)
    if result.unsplit and result.pieces:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Asked:
    """What names the change; empty is what was not given."""

    base: str
    target: str
    branch: str
    file: Path | None


def _feature(store: TreeStore, root: Path, asked: _Asked) -> Feature:
    words = (asked.base, asked.target, asked.branch)
    if asked.file is not None and not any(words):
        return read_feature(store, root, asked.file)
    if asked.file is None and asked.base and bool(asked.target) is not bool(asked.branch):
        if asked.branch:
            return from_branch(store, root, asked.base, asked.branch)
        return from_revisions(store, root, asked.base, asked.target)
    raise InputError(
        "it takes --from with --to or --branch, or --feature alone",
        "as in `greenloop split --from main --branch topic`",
    )


def _dropped(funnel: Funnel) -> dict[str, int]:
    return {step.name: step.dropped for step in funnel.steps if step.unit == PIECES and step.dropped}


def _as_json(result: Split, written: Written, funnel: Funnel) -> dict[str, object]:
    return {
        "features": 1,
        "pieces": len(result.pieces),
        "green_prefix_share": round(result.green_prefix_share, 4),
        "exact": result.exact,
        "builds": result.builds,
        "seconds": round(result.seconds, 2),
        "planned": result.planned,
        "fragments": result.fragments,
        "sizes": [piece.lines for piece in result.pieces],
        "uncut": [{"paths": piece.paths, "reason": piece.reason} for piece in result.pieces if piece.reason],
        "unsplit": result.unsplit,
        "examples": written.count,
        "dropped": _dropped(funnel),
        "comments": len(result.feature.comments),
    }


def _show(store: TreeStore, result: Split, written: Written, funnel: Funnel, examples: Path) -> None:
    rows = [
        (_words(store, piece), str(piece.lines), str(len(piece.paths)), "green" if piece.green else "not green")
        for piece in result.pieces
    ]
    what = result.feature.title or result.feature.source
    title = f"{what}: {len(result.pieces)} pieces, {result.builds} builds, {result.seconds:.0f} s"
    table(title, ("piece", "lines", "files", "prefix"), rows)
    for number, piece in enumerate(result.pieces, 1):
        if piece.reason:
            out.print(f"[yellow]Piece {number} is over the limit:[/] {escape(piece.reason)}.")
    if result.unsplit:
        out.print(f"[yellow]Not split:[/] {escape(result.unsplit)}.")
    for reason, count in _dropped(funnel).items():
        out.print(f"No example of {count}: {escape(reason)}.")
    out.print(f"{written.count} examples written to {escape(str(examples))}.")


def _words(store: TreeStore, piece: Piece) -> str:
    said = describe_files(changed_files(store.changes(piece.base, piece.target), store.read_blob))
    return said if len(said) <= _MOST_WORDS else f"{said[: _MOST_WORDS - 1].rstrip()}…"
