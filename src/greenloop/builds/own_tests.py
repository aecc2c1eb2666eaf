"""Which files of a dune project are tests by a stanza, wherever they lie.

Only the dune file of the file's own folder is read, or of the nearest folder above that has one: enough for what
people write, and cheap enough to ask of every changed file. A dune file in OCaml's syntax says nothing here.
"""

from pathlib import PurePosixPath

from greenloop.builds.sexp import Sexp, SexpError, atoms, fields, head, read
from greenloop.records import TreeId
from greenloop.workspace.store import TreeStore

_TESTS = frozenset(("test", "tests"))
_CODE = frozenset(("library", "executable", "executables", "toplevel"))
_NAMING = frozenset(("name", "names", "modules"))
_DOCUMENTS = (".md", ".mld")


def tested_here(store: TreeStore, tree: TreeId, path: str) -> bool:
    """Whether a stanza of ``tree`` makes a test of the file at ``path``, which need not exist in it.

    In a folder with tests alone every OCaml file is one; beside a library, those that the stanza names. Documents
    are tests beside an ``mdx`` stanza.
    """
    file = PurePosixPath(path)
    if file.suffix not in {".ml", ".mli", ".mll", ".mly", *_DOCUMENTS}:
        return False
    found = next((text for folder in file.parents if (text := store.read(tree, str(folder / "dune"))) is not None), b"")
    try:
        stanzas = read(found.decode("utf-8", "replace"))
    except SexpError:
        return False
    kinds = {head(stanza) for stanza in stanzas}
    if file.suffix in _DOCUMENTS:
        return "mdx" in kinds
    if not kinds & _TESTS:
        return False
    named = {word.lower() for stanza in stanzas if head(stanza) in _TESTS for word in _named(stanza)}
    return not kinds & _CODE or file.stem.lower() in named


def _named(stanza: Sexp) -> tuple[str, ...]:
    return tuple(
        word for name, values in fields(stanza) if name in _NAMING for value in values for word in atoms(value)
    )
