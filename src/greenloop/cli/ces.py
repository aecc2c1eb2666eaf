"""``greenloop ces``: the code evaluation service, and what belongs to it."""

import typer

from greenloop.cli import ces_image

app = typer.Typer(no_args_is_help=True, help="The code evaluation service: says whether a change is good code.")
app.add_typer(ces_image.app, name="image")
