"""Which files of a dune project are tests by a stanza, wherever they lie.

Only the dune file of the file's own folder is read, or of the nearest folder above that has one: enough for what
people write, and cheap enough to ask of every changed file. A dune file in OCaml's syntax says nothing here.
"""

import re
from pathlib import PurePosixPath

from greenloop.records import TreeId
from greenloop.workspace.store import TreeStore

_COMMENT = re.compile(r";[^\n]*|#\|.*?\|#", re.DOTALL)
_HEAD = re.compile(r"\(\s*([a-z_]+)")
_TESTS = frozenset(("test", "tests"))
_CODE = frozenset(("library", "executable", "executables", "toplevel"))
_FIELD = re.compile(r"\(\s*(names?|modules)\s+([^()]*)\)")
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
    stanzas = _stanzas(_COMMENT.sub(" ", found.decode("utf-8", "replace")))
    kinds = {kind for kind, _ in stanzas}
    if file.suffix in _DOCUMENTS:
        return "mdx" in kinds
    if not kinds & _TESTS:
        return False
    named = {
        word for kind, text in stanzas if kind in _TESTS for _, words in _FIELD.findall(text) for word in words.split()
    }
    return not kinds & _CODE or file.stem in named | {name.lower() for name in named}


def _stanzas(text: str) -> list[tuple[str, str]]:
    """Return (kind, text) of each top-level stanza, by counting parentheses outside strings."""
    found: list[tuple[str, str]] = []
    depth = start = 0
    for place, mark in ((match.start(), match[0]) for match in re.finditer(r'"(?:[^"\\]|\\.)*"|[()]', text)):
        if mark == "(":
            start = place if depth == 0 else start
            depth += 1
        elif mark == ")":
            depth = max(0, depth - 1)
            head = _HEAD.match(text, start) if depth == 0 else None
            if head is not None:
                found.append((head[1], text[start : place + 1]))
    return found
