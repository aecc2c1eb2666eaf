"""A prompt strategy and a context recipe are swapped in ``greenloop.toml`` while a client stays connected."""

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.aid.conftest import FILES, Desk, ModelServer, block
from tests.e2e.aid.talks import OnSocket, turn

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import WorkspaceOpen
from greenloop.aid.protocol.turns import Outcome, Place, TurnStart
from greenloop.models.scripted_server import streamed
from greenloop.records import Badge

HOUSE = """
recipe = "house"
[context.recipes]
house = [{ plugin = "focus", share = 0.5 }, { plugin = "map" }]
"""
THIN = HOUSE.replace(', { plugin = "map" }', "")


def test_strategy_and_recipe_change_with_the_next_turn(desk: Desk, serve: Callable[[], ModelServer]) -> None:
    model = serve()
    model.answer = streamed(block("lib/mean.ml", FILES["lib/mean.ml"], "let mean _ = Price.total []\n"))
    url = model.server.url
    desk.choose(url)
    desk.greenloop("aid", "trust")
    with OnSocket(desk.app) as talk:
        began = _sidecar(desk)
        workspace = talk.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(desk.root))).workspace
        start = TurnStart(workspace=workspace, kind="ask", prompt="Simplify it.", place=Place(path="lib/mean.ml"))

        def asked() -> tuple[str, str, dict[str, Any]]:
            """Make a turn: the two messages that the model got, and what is told of them."""
            ended, suggestions, _ = turn(talk, start)
            # the answer is understood in either form of the question
            assert (ended.outcome, [suggestions[one].badge for one in ended.order]) == (
                Outcome.DONE, [Badge.TYPE_CHECKS]
            )  # fmt: skip
            system, person = (message["content"] for message in model.asked[-1]["messages"])
            return system, person, json.loads(desk.greenloop("aid", "explain", "--json"))

        system, person, told = asked()
        assert "An edit is the path of a file, then a block" in system
        assert "Modules of the repository" not in person
        assert told["strategy"] == "default"

        # another prompt strategy: the same question, without the form of the reply
        desk.choose(url, context='strategy = "bare-blocks"\n')
        bare, same, _ = asked()
        assert (bare, same) == ("Edit the code.", person)

        # another recipe: the question has a map of the repository in it
        desk.choose(url, context=HOUSE)
        again, mapped, told = asked()
        assert again == system
        assert "Modules of the repository" in mapped
        assert "lib/price.mli: Price, named in " in mapped
        assert (told["strategy"], {"focus", "map"} <= {part["plugin"] for part in told["parts"]}) == ("house", True)

        # and so has another text of the same recipe
        desk.choose(url, context=THIN)
        _, thin, _ = asked()
        assert "File lib/mean.ml" in thin
        assert "Modules of the repository" not in thin

        now = _sidecar(desk)
        assert (now["session"], now["clients"]) == (began["session"], ["journey"])
        assert len(model.asked) == 4


def _sidecar(desk: Desk) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(desk.greenloop("aid", "status", "--json"))
    return found
