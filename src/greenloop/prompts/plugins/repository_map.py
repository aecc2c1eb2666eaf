"""A map of the repository: its modules by how much they are used, with their signatures as far as there is room."""

import heapq
from collections.abc import Iterator

from greenloop.prompts.draft import SourceFile
from greenloop.prompts.plugins.seam import Desk
from greenloop.prompts.question import Note
from greenloop.workspace.syntax import Language

MAX_MODULES = 64
"""So many modules, the most used, are read for their signatures."""
_MAX_SIGNATURE = 160
"""Characters of a signature's one line; the rest is left out, and says so."""


class RepositoryMap:
    """A line for each module, the most used first: its path, how many chunks of code name it, and what it offers."""

    def choose(self, desk: Desk) -> None:
        """Choose as long a map as there is room for."""
        lines: list[str] = []
        for block in _blocks(desk):
            # where its signatures have no room, its name alone still tells where something is
            fitting = next((part for part in (block, block[:1]) if desk.draft.note_fits(_note([*lines, *part]))), None)
            if fitting is None:
                desk.draft.leave_out(f"the map from {block[0].partition(':')[0]} on", "where everything lies")
                break
            lines += fitting
        if lines:
            desk.draft.add_note(_note(lines), "the modules that are used most, in the order of their use")


def _note(lines: list[str]) -> Note:
    return Note("Modules of the repository, the most used first", "".join(f"{line}\n" for line in lines))


def _blocks(desk: Desk) -> Iterator[list[str]]:
    modules = desk.draft.listing.modules
    uses = desk.index.uses(desk.question.tree, modules)
    for module in heapq.nsmallest(MAX_MODULES, modules, key=lambda module: (-uses.get(module, 0), modules[module])):
        file = desk.draft.file(modules[module])
        if file is not None and not _shown(desk, file):
            yield [f"{file.path}: {module}, named in {uses.get(module, 0)} places", *_signatures(file)]


def _shown(desk: Desk, file: SourceFile) -> bool:
    return all(desk.draft.shows(file.path, line) for line in range(1, len(file.lines) + 1))


def _signatures(file: SourceFile) -> Iterator[str]:
    for item in file.items:
        if item.name is None:
            continue
        if file.language is Language.OCAML_INTERFACE:
            text = " ".join(file.text(item.first_line, item.last_line).split())
            yield "  " + (text if len(text) <= _MAX_SIGNATURE else f"{text[:_MAX_SIGNATURE]} …")
        else:
            yield f"  {item.kind} {', '.join(item.names)}"
