"""``greenloop fix``: repairs what is red in this checkout."""

from pathlib import Path
from typing import Annotated

import typer

from greenloop.assists.fix import fix as fix_tree
from greenloop.cli.app import App
from greenloop.cli.console import progress
from greenloop.cli.route import Way, way
from greenloop.cli.sidecar_turn import Wish, through_sidecar
from greenloop.cli.turns import finish, present, sources

Folder = Annotated[Path, typer.Argument(help="A folder of the repository.")]
ModelName = Annotated[str | None, typer.Option("--model", "-m", help="The model to ask [default: model.name].")]
Candidates = Annotated[int | None, typer.Option("-n", min=1, help="Candidates to take [default: model.candidates].")]
Apply = Annotated[bool, typer.Option("--apply", help="Write the best one, if it is verified and files are unchanged.")]
Explain = Annotated[bool, typer.Option("--explain", help="Also show what the model was sent, and why.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]

Sidecar = Annotated[
    bool | None,
    typer.Option(
        "--sidecar/--no-sidecar", help="Have the sidecar answer, or this process alone [default: aid.commands].",
        show_default=False,
    ),
]  # fmt: skip
Save = Annotated[Path | None, typer.Option(help="Also write the turn to this file, for `greenloop eval report`.")]


def fix(
    context: typer.Context,
    folder: Folder = Path(),
    model: ModelName = None,
    candidates: Candidates = None,
    apply: Apply = False,
    as_json: AsJson = False,
    save: Save = None,
    explain: Explain = False,
    sidecar: Sidecar = None,
) -> None:
    """Repair what is red in a checkout, uncommitted changes included.

    Candidates come from the compiler's own hints, from the model, and from a search among edits of a few tokens near
    the error; each is applied to the present tree and judged before anything is shown. Exit status 0 when the tree is
    green or an honest fix was found, 1 when not.
    """
    app = App.of(context)
    cannot = {"--model": model is not None, "-n": candidates is not None, "--save": save is not None}
    if way(app, folder, cannot, sidecar=sidecar) is Way.SIDECAR:
        through_sidecar(app, Wish("fix", folder, apply=apply, as_json=as_json, explain=explain))
        return
    now = present(context, folder)
    engine, tree = now.judge.engine, now.checkout.tree
    with progress("checking the present tree"):
        before = engine.judge(tree, now.judge.suite)
    if before.green:
        # no model is loaded for a tree that is green
        finish(now, fix_tree(now.app.home.trees, engine, tree, sources=(), rules=now.rules), as_json=as_json, save=save)
        return
    with sources(now, model, candidates) as chosen, progress("asking and judging"):
        turn = fix_tree(
            now.app.home.trees,
            engine,
            tree,
            sources=chosen.sources,
            weigher=chosen.weigher,
            rules=now.rules,
            searches=now.searches,
        )
        sent = chosen.model.explained(now.app.home.trees, turn.question) if explain else None
    finish(now, turn, apply=apply, as_json=as_json, save=save, sent=sent)
