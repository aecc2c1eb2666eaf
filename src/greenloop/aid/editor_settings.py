"""The settings of an editor's layer. What belongs to a project stands in ``greenloop.toml``, not here.

VS Code's are generated from this record; the other layers name theirs alike.
"""

from pydantic import BaseModel, ConfigDict, Field


class EditorSettings(BaseModel):
    """What a person may set in an editor."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    command: tuple[str, ...] = Field(default=("greenloop",), min_length=1)
    """The program `greenloop`, such as its path in a virtual environment, and arguments that come first. `aid connect`
    is put behind them."""
    start_on_open: bool = True
    """Start the sidecar when a workspace with a `greenloop.toml` or a `dune-project` is opened, so that the build
    status is there at once. Without it, the first request starts it."""
    show_problems: bool = True
    """Show the errors of the build among the editor's own diagnostics. Without it only their number is shown."""
    code_lens: bool = True
    """Show "Fix with Greenloop" above lines with an error."""
