"""``greenloop ask``: a change asked for in words."""

import time
from pathlib import Path
from typing import Annotated

import typer

from greenloop.assists.ask import ask as ask_for
from greenloop.cli.app import App
from greenloop.cli.console import progress
from greenloop.cli.fix import Apply, AsJson, Candidates, Explain, ModelName, Save, Sidecar
from greenloop.cli.route import Way, way
from greenloop.cli.sidecar_turn import Wish, through_sidecar
from greenloop.cli.turns import Present, finish, present, sources
from greenloop.records import Feedback, FeedbackKind
from greenloop.snapshots.secrets import scan


def ask(
    context: typer.Context,
    words: Annotated[str, typer.Argument(help="What should change, in your words.")],
    folder: Annotated[Path, typer.Option("--in", help="A folder of the repository.")] = Path(),
    focus: Annotated[
        list[str] | None, typer.Option("--focus", "-f", help="A file that it is about; repeatable.")
    ] = None,
    model: ModelName = None,
    candidates: Candidates = None,
    apply: Apply = False,
    as_json: AsJson = False,
    save: Save = None,
    explain: Explain = False,
    sidecar: Sidecar = None,
) -> None:
    """Ask for a change in words. Every candidate is applied to the present tree and judged before it is shown."""
    app = App.of(context)
    cannot = {
        "--model": model is not None,
        "-n": candidates is not None,
        "--save": save is not None,
        "more than one --focus": len(focus or ()) > 1,
    }
    if way(app, folder, cannot, sidecar=sidecar) is Way.SIDECAR:
        wish = Wish("ask", folder, words, focus[0] if focus else "", apply=apply, as_json=as_json, explain=explain)
        through_sidecar(app, wish)
        return
    now = present(context, folder)
    _remember(now, words)
    with sources(now, model, candidates) as chosen, progress("asking and judging"):
        turn = ask_for(
            now.app.home.trees,
            now.judge.engine,
            now.checkout.tree,
            words,
            sources=chosen.sources,
            weigher=chosen.weigher,
            rules=now.rules,
            searches=now.searches,
            focus=tuple(focus or ()),
        )
        sent = chosen.model.explained(now.app.home.trees, turn.question) if explain else None
    finish(now, turn, apply=apply, as_json=as_json, save=save, sent=sent)


def _remember(now: Present, words: str) -> None:
    """Log what was typed: the lengths and styles of mined examples are measured from it (``docs/prompts.md``)."""
    tree = now.checkout.tree
    typed = words.encode("utf-8", "replace")
    now.app.home.feedback.append(
        Feedback(
            time=time.time(),
            kind=FeedbackKind.REQUESTED,
            suggestion="",
            base=tree,
            result=tree,
            model="",
            badge="",
            words="" if scan(typed) else typed.decode().strip(),
        )
    )
