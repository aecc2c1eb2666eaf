"""The little that Greenloop reads in dune files itself: whether running the tests must show a named test."""

import re
from pathlib import PurePosixPath

from greenloop.records import TreeId
from greenloop.workspace.store import TreeStore

_COMMENT = re.compile(r";[^\n]*|#\|.*?\|#", re.DOTALL)
_TEST = re.compile(r"\(\s*tests?\s")
_ALCOTEST = re.compile(r"\(\s*libraries\b[^)]*\balcotest(?:[-.][\w-]+)?[\s)]")
_CONDITIONAL = re.compile(r"\(\s*(?:enabled_if|build_if|optional|action|modes)\b")
_PARTIAL = re.compile(r"\(\s*(?:dirs|vendored_dirs|data_only_dirs|subdir|include|dynamic_include|ocamllex_only)\b")


def expects_results(store: TreeStore, tree: TreeId) -> bool:
    """Whether ``dune build @runtest`` must print results of alcotest, because a plain stanza says so.

    Says no wherever a condition, an action of its own, or a choice of folders could mean that nothing runs.
    """
    found = False
    for path in store.files(tree):
        if PurePosixPath(path).name == "dune":
            text = _COMMENT.sub(" ", (store.read(tree, path) or b"").decode("utf-8", "replace"))
            if _PARTIAL.search(text):
                return False
            found = found or any(
                _ALCOTEST.search(stanza) and not _CONDITIONAL.search(stanza) for stanza in _test_stanzas(text)
            )
    return found


def _test_stanzas(text: str) -> list[str]:
    """Return the text of each ``(test …)`` and ``(tests …)``, by counting parentheses."""
    stanzas = []
    for opening in _TEST.finditer(text):
        depth, end = 0, opening.start()
        for end in range(opening.start(), len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                break
        stanzas.append(text[opening.start() : end + 1])
    return stanzas
