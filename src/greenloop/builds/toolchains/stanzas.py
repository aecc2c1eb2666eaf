"""The little that a verdict needs of dune files: whether running the tests must show a named test."""

import re
from pathlib import PurePosixPath

from greenloop.builds.sexp import Sexp, SexpError, atoms, fields, head, read
from greenloop.records import TreeId
from greenloop.workspace.store import TreeStore

_ALCOTEST = re.compile(r"alcotest(?:[-.][\w-]+)?")
_CONDITIONAL = frozenset({"enabled_if", "build_if", "optional", "action", "modes"})
_PARTIAL = frozenset(
    {"dirs", "vendored_dirs", "data_only_dirs", "ignored_subdirs", "subdir", "include", "dynamic_include"}
)


def expects_results(store: TreeStore, tree: TreeId) -> bool:
    """Whether ``dune build @runtest`` must print results of alcotest, because a plain stanza says so.

    Says no wherever a condition, an action of its own, or a choice of folders could mean that nothing runs, and
    where a dune file cannot be read: dune does not get to the tests then.
    """
    found = False
    for path in store.files(tree):
        if PurePosixPath(path).name == "dune":
            try:
                stanzas = read((store.read(tree, path) or b"").decode("utf-8", "replace"))
            except SexpError:
                return False
            if any(head(stanza) in _PARTIAL for stanza in stanzas):
                return False
            found = found or any(map(_is_plain_suite, stanzas))
    return found


def _is_plain_suite(stanza: Sexp) -> bool:
    """Whether a stanza is of a test that links alcotest, and always runs as it is."""
    if head(stanza) not in {"test", "tests"}:
        return False
    named = fields(stanza)
    libraries = [atom for name, values in named if name == "libraries" for value in values for atom in atoms(value)]
    return any(_ALCOTEST.fullmatch(library) for library in libraries) and not any(
        name in _CONDITIONAL for name, _ in named
    )
