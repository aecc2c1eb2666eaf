"""The definitions that an error names: in its message, in the code that it marks, on its line."""

from collections.abc import Iterator

from greenloop.prompts.draft import SourceFile
from greenloop.prompts.plugins.modules import MAX_NAMED, WORD, module_files
from greenloop.prompts.plugins.seam import Anchor, Desk
from greenloop.workspace.syntax import Item


class Named:
    """Definitions in the same file by their names, then ``M.x`` in the module's interface, the most telling first.

    Without an error, those that the person's lines name.
    """

    def choose(self, desk: Desk) -> None:
        """Choose each once, as long as there is room."""
        if desk.anchor is None:
            return
        for file, item, name in _named(desk, desk.anchor):
            desk.draft.add_lines(file, item.first_line, item.last_line, f"defines {name}, named at the spot")


def _named(desk: Desk, anchor: Anchor) -> Iterator[tuple[SourceFile, Item, str]]:
    words = dict.fromkeys(match.groups() for source in _sources(anchor) for match in WORD.finditer(source))
    for module, name in list(words)[:MAX_NAMED]:
        found = _defined_here(anchor, name) if not module else None
        if found is not None:
            yield anchor.file, found, name
        elif module:
            yield from _defined_in(desk, anchor, module, name)


def _sources(anchor: Anchor) -> tuple[str, ...]:
    if anchor.error is None or anchor.error.span is None:
        return (anchor.lines,)
    span = anchor.error.span
    line = anchor.file.bare_lines[anchor.line - 1]
    marked = line.encode("utf-8", "replace")
    end = span.end_column if span.end_line == span.line else len(marked)
    return (anchor.error.message, marked[span.column : end].decode("utf-8", "replace"), line)


def _defined_here(anchor: Anchor, name: str) -> Item | None:
    having = [item for item in anchor.file.items if name in item.names]
    before = [item for item in having if item.first_line <= anchor.line]
    return before[-1] if before else next(iter(having), None)


def _defined_in(desk: Desk, anchor: Anchor, module: str, name: str) -> Iterator[tuple[SourceFile, Item, str]]:
    for file in module_files(desk, anchor, module):
        found = [item for item in file.items if name in item.names]
        if found:
            yield file, found[-1], f"{module}.{name}"
            return
