"""Diagnostics of the OCaml compilers (4.13 to 5.3), of dune (2.9 to 3.x) and of the tools that print like them.

The layout is the one of the compiler's ``Location.print_report``: a place, an excerpt of the source, a line that
opens with the severity, and its continuation. Places inside a message belong to the message. Sources:
ocaml/utils and ocaml/parsing/location.ml, dune/otherlibs/stdune/src/user_message.ml.
"""

import re
from dataclasses import dataclass, field

from greenloop.builds.diagnostics.categories import categorise, is_build_file
from greenloop.builds.diagnostics.cycles import unroll
from greenloop.builds.diagnostics.text import MAX_DIAGNOSTICS, MAX_MESSAGE, clip, decode, distinct, normalise, number
from greenloop.records import Category, Diagnostic, Severity, Span

_PLACE = re.compile(
    r'^File "(?P<path>[^"\n]*)"(?:, lines? (?P<line>\d+)(?:-(?P<end_line>\d+))?'
    r"(?:, characters? (?P<column>\d+)(?:-(?P<end_column>\d+))?)?)?:?(?P<rest>.*)$"
)
_HEADER = re.compile(
    r"^(?:(?P<promoted>Error \((?:warning|alert) [^)]*\))|(?P<error>(?:>> )?(?:Fatal error|Error))"
    r"|(?P<warning>Warning(?: \d+)?(?: \[[^\]]*\])?|Alert \S+?)|(?P<info>Info)): ?(?P<text>.*)$"
)
_EXCERPT = re.compile(r"^(?:\s*\d* \|.*|\s*\^[\^~\s]*|\s*\.\.\.\s*|\.{3,})$")
_COMMAND = re.compile(r"^\s*\S.* \((?:exit \d+|got signal \w+)\)$|^\(cd \S.*\)$|^\s*\S+ alias \S+$")
"""Lines with which dune names the command whose output follows."""
_LINKER = re.compile(r"^(?:\S*ld(?:\.\w+)?|\S*g?cc|collect2): |^\S*: (?:in function|undefined reference)|undefined ref")
_MAX_FOUND = 10 * MAX_DIAGNOSTICS
"""Diagnostics that are read at all, warnings and repeated ones too: hostile code makes a compiler print 100,000."""
_DIFF = re.compile(r"^(?:-{3,}|\+{3}|@@|diff )")
_VOLATILE = re.compile(
    r"^(?:-> required by|Hint: try:$|  dune external-lib-deps |(?:---|\+\+\+) \S+\t|diff --git|index )"
)
"""Lines of a message that depend on the command line, the clock or what was built before, not on the tree."""


@dataclass
class _Open:
    """A diagnostic whose lines are still being read."""

    place: re.Match[str] | None
    header: re.Match[str] | None = None
    lines: list[str] = field(default_factory=list)


def parse(output: bytes | str, *, root: str = "/w") -> tuple[Diagnostic, ...]:
    """Return the diagnostics in printed order, each once. ``root`` is where the tree lay while it was built.

    Text that is no diagnostic is passed over: an empty result does not say that all went well.
    """
    text = decode(output) if isinstance(output, bytes) else output
    found: list[Diagnostic] = []
    current: _Open | None = None
    linker: list[str] = []

    def close() -> None:
        nonlocal current
        if current is not None:
            _finish(current, found, linker, root)
        current = None

    for line in text.split("\n"):
        place, header = _PLACE.match(line), _HEADER.match(line)
        if place is not None:
            close()
            current = _Open(place)
            rest = place["rest"].strip()
            if rest:
                current.header = _HEADER.match(rest)
                current.lines.append(current.header["text"] if current.header else rest)
        elif header is not None and (current is None or current.header is not None or current.lines):
            close()
            current = _Open(None, header, [header["text"]])
        elif header is not None and current is not None:
            current.header = header
            current.lines.append(header["text"])
        elif _COMMAND.match(line):
            # dune 2 may print another action's output between a place and its message
            if current is not None and (current.header is not None or current.lines):
                close()
        elif _LINKER.search(line):
            close()
            linker.append(line.strip())
        elif current is not None:
            _continue(current, line)
    close()
    if linker:
        found.append(_linker_error(linker))
    return distinct(found)


def _continue(current: _Open, line: str) -> None:
    """Add one more line to an open diagnostic, unless it is an excerpt of the source, or too much is held already."""
    if len(current.lines) > MAX_MESSAGE:
        return
    if not current.lines and _EXCERPT.match(line):
        return
    if line or current.lines:
        current.lines.append(line)


def _finish(current: _Open, found: list[Diagnostic], linker: list[str], root: str) -> None:
    """Turn what was read into a diagnostic, or into a part of the one before; beyond ``_MAX_FOUND`` into nothing."""
    if len(found) >= _MAX_FOUND:
        return
    is_diff = bool(current.lines) and _DIFF.match(current.lines[0]) is not None
    message = _message(current.lines)
    place = current.place
    path = normalise(place["path"], root) if place is not None else None
    span = _span(place) if place is not None and path is not None else None
    if current.header is None:
        related = bool(current.lines) and current.lines[0].startswith("  ")
        if related and found and place is not None and len(found[-1].message) < MAX_MESSAGE:
            # "This '(' might be unmatched": a second place of the error before, which the parser adds
            last = found[-1]
            where = f"line {place['line']}, characters {place['column']}-{place['end_column']}"
            found[-1] = last.model_copy(update={"message": clip(f"{last.message}\n{where}: {message.strip()}")})
        elif message and path is not None:
            found.append(_headless(message, path, span, is_diff=is_diff))
        return
    if linker and "during linking" in message:
        # the linker's own lines say what is wrong; the compiler adds only that the linker failed
        found.append(_linker_error(linker, message))
        linker.clear()
        return
    severity, category = _kind(current.header, message, path)
    if severity is Severity.INFO or message.startswith("Some fatal warnings were triggered"):
        return
    found.append(Diagnostic(severity=severity, category=category, message=clip(message), path=path, span=span))


def _kind(header: re.Match[str], message: str, path: str | None) -> tuple[Severity, Category]:
    if header["promoted"] is not None:
        return Severity.ERROR, Category.WARNING
    if header["warning"] is not None:
        return Severity.WARNING, Category.WARNING
    if header["info"] is not None:
        return Severity.INFO, Category.OTHER
    if header["error"] == "Fatal error":
        # an uncaught exception: of a test, or of a program that a rule runs; the caller knows which it ran
        return Severity.ERROR, Category.OTHER
    return Severity.ERROR, categorise(message, path)


def _headless(message: str, path: str, span: Span | None, *, is_diff: bool) -> Diagnostic:
    """A place with text and no severity: an expectation that differs, ocamllex, or an action that dune 3 ran."""
    if is_diff:
        category = Category.TEST
    elif is_build_file(path):
        category = Category.OTHER
    else:
        category = categorise(message, path)
    return Diagnostic(severity=Severity.ERROR, category=category, message=clip(message), path=path, span=span)


def _message(lines: list[str]) -> str:
    """Join a message's lines without the indentation that the compiler gives to continuations."""
    kept = [line for line in lines if not _VOLATILE.match(line)]
    while kept and not kept[-1].strip():
        kept.pop()
    kept = unroll(kept)
    return "\n".join([kept[0], *(line.removeprefix("       ") for line in kept[1:])]) if kept else ""


def _span(place: re.Match[str]) -> Span | None:
    if place["line"] is None:
        return None
    line = max(1, number(place["line"]))
    column = number(place["column"] or "0")
    end_line = max(line, number(place["end_line"] or "0"))
    end_column = number(place["end_column"] or place["column"] or "0")
    return Span(line=line, column=column, end_line=end_line, end_column=end_column)


def _linker_error(lines: list[str], message: str = "Error during linking") -> Diagnostic:
    text = "\n".join([message, *dict.fromkeys(lines)])
    return Diagnostic(severity=Severity.ERROR, category=Category.DEPENDENCY, message=clip(text))
