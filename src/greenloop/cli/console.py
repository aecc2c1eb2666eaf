"""What the terminal shows: one console for results, one for progress and errors, and how errors are told."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.segment import Segment

from greenloop.records import GreenloopError

_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)] if chr(code) not in "\n\t"} | {
    code: f"\\u{code:04x}" for code in [0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
}
"""Characters that command a terminal, or turn the order of what follows them, as they are shown instead."""


class PlainConsole(Console):
    """A console on which no text from outside (file names, messages, replies) commands the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Show the control characters in texts; rich's own controls, as of a progress bar, stay."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(segment.text.translate(_CONTROLS), segment.style)


# results go to stdout, so that they can be piped; progress and errors go to stderr
out = PlainConsole(highlight=False, soft_wrap=True)
err = PlainConsole(stderr=True, highlight=False, soft_wrap=True)

Report = Callable[[int, int], None]
"""Tells progress: (done so far, total)."""


def tell(error: GreenloopError) -> None:
    """Print one error as people read it: what is wrong, and the way out."""
    err.print(f"[bold red]greenloop:[/] {escape(error.message)}")
    if error.way_out:
        err.print(f"  [dim]→[/] {escape(error.way_out)}")


@contextmanager
def progress(title: str, unit: str = "") -> Iterator[Report]:
    """Show a progress bar on stderr for as long as the block runs; plain lines where there is no terminal."""
    if not err.is_terminal:
        yield _lines(title, unit)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(title: str, unit: str) -> Report:
    """Report at every tenth of the whole, for logs."""
    last = -1

    def report(done: int, total: int) -> None:
        nonlocal last
        tenth = 10 * done // max(total, 1)
        if tenth != last:
            last = tenth
            print(f"{title}: {done}/{total} {unit}".rstrip(), file=sys.stderr, flush=True)

    return report
