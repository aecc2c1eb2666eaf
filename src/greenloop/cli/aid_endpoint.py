"""``greenloop aid endpoint``: where programs that speak OpenAI's interface reach the sidecar."""

import json
from typing import Annotated

import typer
from rich.markup import escape

from greenloop.aid.openai_door.place import EndpointPlace
from greenloop.cli import config
from greenloop.cli.aid_place import own_settings, reached
from greenloop.cli.app import App
from greenloop.cli.console import out
from greenloop.records import InputError
from greenloop.storage import named_io_errors


def endpoint(
    context: typer.Context,
    show_token: Annotated[bool, typer.Option("--show-token", help="Print the token, too: it is a password.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Print the address of the OpenAI-compatible endpoint, and where its token lies. Starts the sidecar if need be."""
    app = App.of(context)
    if not own_settings(app).aid.openai_endpoint:
        file = app.config_file or app.home.path / config.FILE_NAME
        raise InputError(
            "the OpenAI-compatible endpoint is off",
            f"set `openai_endpoint = true` below `[aid]` in {file}, then `greenloop aid restart`",
        )
    found = reached(app)
    found.socket.close()
    place = EndpointPlace(app.home.aid)
    card = place.card()
    if card is None or card.pid != found.status.pid:
        raise InputError("the sidecar that runs was started without the endpoint", "`greenloop aid restart`")
    said = {"base_url": card.base_url, "token_file": str(place.token)}
    if show_token:
        with named_io_errors(place.token):
            said["token"] = place.token.read_text().strip()
    if as_json:
        print(json.dumps(said))
        return
    for name, value in said.items():
        out.print(f"{name.replace('_', ' ')}: {escape(value)}", soft_wrap=True)
