"""The terminal shows what texts from outside hold, and obeys none of it."""

import io

import pytest
from rich.console import Group
from rich.progress import Progress
from rich.table import Table

from greenloop.cli.console import PlainConsole
from greenloop.cli.show import coloured_diff

_HOSTILE = "a\x1b]0;title\x07\x1b[2J\x9b31m\x7f\u202eb\tc"
_SHOWN = r"a\x1b]0;title\x1b[2J\x9b31m\x7f\u202eb"


@pytest.mark.parametrize("terminal", [True, False])
def test_no_text_commands_the_terminal(terminal: bool) -> None:
    file = io.StringIO()
    console = PlainConsole(file=file, force_terminal=terminal, color_system=None, width=200, soft_wrap=True)
    table = Table(_HOSTILE)
    table.add_row(_HOSTILE)

    console.print(_HOSTILE)
    console.print(coloured_diff("+" + _HOSTILE))
    console.print(Group(_HOSTILE, table))

    shown = file.getvalue()
    assert shown.count(_SHOWN) == 3
    assert not set(shown) & set("\x1b\x07\x9b\x7f\u202e")


def test_a_progress_bar_still_moves_the_cursor() -> None:
    file = io.StringIO()
    with Progress(console=PlainConsole(file=file, force_terminal=True), transient=True) as bar:
        bar.add_task("reading", total=2)

    assert "\x1b[" in file.getvalue()
    assert r"\x1b" not in file.getvalue()
