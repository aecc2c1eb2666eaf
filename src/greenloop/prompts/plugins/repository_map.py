"""A map of the repository: its modules by how much they are used, with their signatures as far as there is room."""

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from greenloop.prompts.draft import SourceFile
from greenloop.prompts.plugins.seam import Desk
from greenloop.prompts.question import Note
from greenloop.workspace.syntax import Language, language_of

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
            if not desk.draft.note_fits(_note([*lines, *block])):
                # its name alone still tells where something is
                block = block[:1]
                if not desk.draft.note_fits(_note([*lines, *block])):
                    break
            lines += block
        if lines:
            desk.draft.add_note(_note(lines), "the modules that are used most, in the order of their use")


def _note(lines: list[str]) -> Note:
    return Note("Modules of the repository, the most used first", "".join(f"{line}\n" for line in lines))


def _blocks(desk: Desk) -> Iterator[list[str]]:
    files = _module_files(desk)
    uses = desk.index.uses(desk.question.tree, files)
    ranked = sorted(files, key=lambda module: (-uses.get(module, 0), files[module]))
    for module in ranked[:MAX_MODULES]:
        file = desk.draft.file(files[module])
        if file is not None and not _shown(desk, file):
            yield [f"{file.path}: {module}, named in {uses.get(module, 0)} places", *_signatures(file)]


def _module_files(desk: Desk) -> Mapping[str, str]:
    """Module → its interface, or its source where it has none; of modules of one name the first by path."""
    found: dict[str, str] = {}
    for path in sorted(desk.draft.entries, key=lambda path: (not path.endswith(".mli"), path)):
        if language_of(path) is not None:
            stem = PurePosixPath(path).stem
            found.setdefault(stem[:1].upper() + stem[1:], path)
    return found


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
