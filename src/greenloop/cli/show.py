"""How suggestions, scores and funnels look in a terminal."""

from collections.abc import Iterable

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from greenloop.cli.console import out
from greenloop.records import Badge, Diagnostic, Suggestion

_BADGES = {
    Badge.TESTS_PASS: "bold white on green",
    Badge.BUILDS: "bold white on green",
    Badge.TYPE_CHECKS: "bold white on green",
    Badge.ERRORS: "bold white on red",
    Badge.UNVERIFIED: "bold black on yellow",
}
_LINES = {"+": "green", "-": "red", "@": "cyan"}


def coloured_diff(diff: str) -> Text:
    """Colour a unified diff; file headers are bold, so that no line is read by its colour alone."""
    text = Text()
    for line in diff.splitlines():
        header = line.startswith(("diff --git", "--- ", "+++ ", "index ", "new file", "deleted file"))
        style = "bold" if header else _LINES.get(line[:1], "")
        text.append(line + "\n", style=style)
    return text


def badge_of(suggestion: Suggestion) -> Text:
    """Return the badge as people see it: what is known of the suggestion, and its flags."""
    words = str(suggestion.badge)
    if suggestion.badge is Badge.ERRORS:
        count = len(suggestion.verdict.errors)
        words = f"{count} error{'' if count == 1 else 's'}"
    elif suggestion.badge is Badge.UNVERIFIED and suggestion.verdict.note:
        words = f"unverified: {suggestion.verdict.note}"
    return labelled(suggestion.badge, words, suggestion.flags, sandboxed=suggestion.verdict.sandboxed)


def labelled(badge: Badge, words: str, flags: Iterable[str], *, sandboxed: bool) -> Text:
    """Return a badge that says ``words``, with the flags of what it is about."""
    text = Text()
    text.append(f" {words} ", style=_BADGES[badge])
    if not sandboxed:
        text.append(" checked without the sandbox ", style="bold white on red")
    for flag in flags:
        text.append(" ").append(f" {flag} ", style="bold black on yellow")
    return text


def place(diagnostic: Diagnostic) -> str:
    """Return ``file:line:column``, as far as it is known; the column counts from 1, as editors do."""
    if diagnostic.path is None:
        return "(no place)"
    if diagnostic.span is None:
        return diagnostic.path
    return f"{diagnostic.path}:{diagnostic.span.line}:{diagnostic.span.column + 1}"


def errors(diagnostics: Iterable[Diagnostic], most: int = 5) -> None:
    """Print diagnostics, the first ``most`` of them."""
    listed = list(diagnostics)
    for diagnostic in listed[:most]:
        out.print(f"[bold]{escape(place(diagnostic))}[/]: [red]{diagnostic.severity}[/]: {escape(diagnostic.message)}")
    if len(listed) > most:
        out.print(f"[dim]… and {len(listed) - most} more[/]")


def table(title: str, columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print a table whose first column is text and whose others are figures."""
    drawn = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, header_style="dim")
    for number, column in enumerate(columns):
        drawn.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(cell) for cell in row))
    out.print(drawn)
