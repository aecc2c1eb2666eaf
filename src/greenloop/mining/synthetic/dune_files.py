"""dune files: a library or a module that a stanza no longer names, or names wrongly."""

import re
from collections.abc import Iterator

from greenloop.mining.synthetic.code import Mutant, Patch, cut
from greenloop.mining.synthetic.project import DuneFile, Project
from greenloop.mining.synthetic.spelling import misspelt

_FIELD = re.compile(r"\((libraries|modules)\b([^()]*)\)")
"""A field without lists inside; what ``(modules (:standard \\ x))`` and ``(select …)`` hold is left alone."""
_ATOM = re.compile(r"[^\s()\";]+")
_PLAIN = re.compile(r"[A-Za-z][\w.'-]*")


def dropped(project: Project) -> Iterator[Mutant]:
    """Drop a library or a module from a stanza."""
    for file, field, atom in _atoms(project):
        kind = "dune-library-dropped" if field == "libraries" else "dune-module-dropped"
        content = file.content.encode()
        yield _mutant(file, kind, atom, cut(content, *_bytes(file, atom)))


def misnamed(project: Project) -> Iterator[Mutant]:
    """Misspell a library or a module in a stanza."""
    for file, field, atom in _atoms(project):
        wrong = misspelt(atom[0], project, file.path, atom.start())
        if wrong is not None:
            kind = "dune-library-misnamed" if field == "libraries" else "dune-module-misnamed"
            yield _mutant(file, kind, atom, Patch(*_bytes(file, atom), wrong.encode()))


def _atoms(project: Project) -> Iterator[tuple[DuneFile, str, re.Match[str]]]:
    for file in project.dunes:
        bare = re.sub(r";[^\n]*|\"[^\"\n]*\"", lambda found: " " * len(found[0]), file.content)
        for field in _FIELD.finditer(bare):
            atoms = list(_ATOM.finditer(bare, field.start(2), field.end(2)))
            if all(_PLAIN.fullmatch(atom[0]) for atom in atoms):
                for atom in atoms:
                    yield file, field[1], atom


def _bytes(file: DuneFile, atom: re.Match[str]) -> tuple[int, int]:
    start = len(file.content[: atom.start()].encode())
    return start, start + len(atom[0].encode())


def _mutant(file: DuneFile, kind: str, atom: re.Match[str], patch: Patch) -> Mutant:
    return Mutant(kind, file.path, (patch,), file.content.count("\n", 0, atom.start()) + 1, atom[0])
