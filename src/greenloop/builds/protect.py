"""Putting back what a judged edit may not change: tests, build files, expectations (invariant 7).

A model's edit that weakens a test or a stanza makes a red tree green without a fix; each way that was seen with
dune did so (``exit 0`` in an initialiser apart, which ``builds.lint`` flags). So these files come from the base.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache

from greenloop.records import Stage, TreeId, Verdict
from greenloop.workspace.store import Entry, TreeStore

DEFAULT_GLOBS: tuple[str, ...] = (
    "test/**",
    "tests/**",
    "**/test/**",
    "**/tests/**",
    "**/test_*",
    "**/*_test.*",
    "**/dune",
    "**/dune.inc",
    "**/dune-project",
    "dune-workspace",
    "**/*.opam",
    "**/*.opam.template",
    "**/*.expected",
    "**/*.t",
)
"""The files of a dune project that decide what its verdict means; ``.t`` are dune's cram tests."""


def restore(
    store: TreeStore,
    base: TreeId,
    result: TreeId,
    globs: Sequence[str] = DEFAULT_GLOBS,
    *,
    allowed: Collection[str] = (),
) -> tuple[TreeId, tuple[str, ...]]:
    """Return ``result`` with every file that matches one of ``globs`` as it is in ``base``, and their paths, sorted.

    Files that ``result`` added under a glob are removed, deleted ones come back. What stands in the way of a
    protected file, such as a file named like its folder, gives way and is listed too. Paths in ``allowed`` may change.
    """
    changes = store.changes(base, result)
    back: dict[str, Entry | None] = {c.path: c.old for c in changes if c.path not in allowed and matches(c.path, globs)}
    if not back:
        return result, ()
    needed = [path for path, entry in back.items() if entry is not None]
    # only what the edit changed can stand in the way: the base itself holds no such clash
    for change in changes:
        if change.new is not None and change.path not in back and _clashes(change.path, needed):
            back[change.path] = change.old
    return store.update(result, back), tuple(sorted(back))


def matches(path: str, globs: Iterable[str]) -> bool:
    """Whether one of ``globs`` matches the whole of ``path``.

    ``*`` and ``?`` stay within a folder, ``**/`` stands for any number of folders (none included) and a final
    ``**`` for everything below.
    """
    return any(_pattern(glob).fullmatch(path) is not None for glob in globs)


def _clashes(path: str, needed: Iterable[str]) -> bool:
    return any(other.startswith(f"{path}/") or path.startswith(f"{other}/") for other in needed)


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", glob)
    spelled = {"**/": "(?:[^/]+/)*", "**": ".+", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(spelled.get(piece) or re.escape(piece) for piece in pieces))


def where_it_fails(before: Verdict) -> frozenset[str]:
    """Return the file of the first error when it keeps a tree from building: it has to change, even if it is a test.

    A test that runs and fails is another matter: then the code is wrong, and the test stays as it is.
    """
    if not before.errors or not before.stages or before.stages[-1].stage is Stage.TESTS:
        return frozenset()
    path = before.errors[0].path
    return frozenset() if path is None else frozenset({path})
