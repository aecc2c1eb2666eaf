"""Showing a diagnostic the way a compiler prints it: its place, its line, the marks below it, its message."""

from collections.abc import Sequence

from greenloop.records import Diagnostic, Span

# a longer line, or more of them, is not echoed: the pieces show the code
_MAX_ECHO_CHARACTERS = 200
_MAX_ECHO_LINES = 4
_CUT = "[the message goes on]"


def show_diagnostic(diagnostic: Diagnostic, lines: Sequence[str], *, message_bytes: int | None = None) -> str:
    """Return ``diagnostic`` as text without a line end, in the manner of OCaml's compiler.

    ``lines`` are the lines of its file without line ends, empty to leave the code out. A message longer than
    ``message_bytes`` (UTF-8) is cut there, and says so.
    """
    shown = []
    span = diagnostic.span
    if diagnostic.path is not None:
        shown.append(f'File "{diagnostic.path}"{_place(span)}:')
    if span is not None:
        shown.extend(_echo(span, lines))
    shown.append(_message(diagnostic, message_bytes))
    return "\n".join(shown)


def _place(span: Span | None) -> str:
    if span is None:
        return ""
    where = f"line {span.line}" if span.line == span.end_line else f"lines {span.line}-{span.end_line}"
    return f", {where}, characters {span.column}-{span.end_column}"


def _echo(span: Span, lines: Sequence[str]) -> list[str]:
    wanted = lines[span.line - 1 : min(span.end_line, span.line - 1 + _MAX_ECHO_LINES)]
    if not wanted or any(len(line) > _MAX_ECHO_CHARACTERS for line in wanted):
        return []
    width = len(str(span.line + len(wanted) - 1))
    echo = [f"{number:>{width}} | {line}" for number, line in enumerate(wanted, span.line)]
    if len(wanted) == 1 and span.end_line == span.line:
        # columns are bytes, marks are characters
        line = wanted[0].encode("utf-8", "replace")
        before = len(line[: span.column].decode("utf-8", "replace"))
        marked = len(line[span.column : span.end_column].decode("utf-8", "replace"))
        echo.append(" " * (width + 3 + before) + "^" * max(1, marked))
    return echo


def _message(diagnostic: Diagnostic, message_bytes: int | None) -> str:
    message = diagnostic.message.strip()
    label = f"{diagnostic.severity.value.capitalize()}: "
    if not message.startswith(("Error", "Warning", "Alert")):
        message = label + message
    if message_bytes is not None and len(message.encode("utf-8", "replace")) > message_bytes:
        cut = message.encode("utf-8", "replace")[:message_bytes].decode("utf-8", "ignore")
        return f"{cut}\n{_CUT}"
    return message
