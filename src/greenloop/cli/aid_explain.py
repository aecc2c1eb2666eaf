"""``greenloop aid explain``: exactly what a turn sent to its model, and why."""

import json
import signal
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.aid.client.client import Client
from greenloop.aid.protocol.catalogue import TURN_EXPLAIN
from greenloop.aid.protocol.turns import Explanation, TurnExplain
from greenloop.cli import contexts
from greenloop.cli.aid_place import reached
from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.prompts.explain import Explained, Part


def explain(
    context: typer.Context,
    turn: Annotated[
        str, typer.Argument(help="The turn's name, as `greenloop ask` and `fix` print it [default: the newest turn].")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a turn sent to its model, part by part: who chose it, why, what it cost, and what found no room."""
    home = App.of(context)
    # the sidecar may end meanwhile, which is an error to tell and no reason to die
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with Client(lambda: reached(home), "greenloop aid explain") as client:
        found = client.call(TURN_EXPLAIN, TurnExplain(turn=turn))
    if as_json:
        print(json.dumps(found.model_dump(mode="json")))
        return
    out.print(f"turn {escape(found.turn)} · model {escape(found.model) or 'none'} · {escape(found.strategy)}")
    contexts.show(explained_of(found))


def explained_of(found: Explanation) -> Explained:
    """Return an explanation as it is shown."""
    parts = tuple(Part(one.role, one.text, one.plugin, one.why, one.tokens) for one in found.parts)
    return Explained(parts, found.left_out)
