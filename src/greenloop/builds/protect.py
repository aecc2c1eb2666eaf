"""Putting back what a judged edit may not change: tests, build files, expectations (invariant 7).

A model's edit that weakens a test or a stanza makes a red tree green without a fix; each way that was seen with
dune did so (``exit 0`` in an initialiser apart, which ``builds.lint`` flags). So these files come from the base.
Three things protect a file: a glob, and in a dune project a stanza of the base that makes a test of it, or includes it.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from functools import cache

from greenloop.builds.own_tests import included, tested_here
from greenloop.records import Stage, TreeId, Verdict
from greenloop.workspace.store import Entry, TreeStore

TESTS = (
    "**/test/**", "**/tests/**", "**/*_test/**", "**/*_tests/**", "**/*-test/**", "**/*-tests/**", "**/test_*/**",
    "**/test-*/**", "**/testsuite/**", "**/__tests__/**", "**/__snapshots__/**",
    "**/test_*", "**/*_test.*", "**/*_tests.*", "**/*.test.*", "**/*.spec.*", "**/*_spec.*",
    "**/*.expected", "**/*.snap", "**/*.golden",
)  # fmt: skip
"""Where people put tests and what tests expect, in any language."""
_DUNE = (
    "**/dune", "**/dune-file", "**/dune.inc", "**/*.dune.inc", "**/dune-project", "**/dune-workspace",
    "**/dune-workspace.*", "**/dune-package", "**/jbuild", "**/*.opam", "**/*.opam.template", "**/opam",
    "**/META", "**/META.*", "**/*.META", "**/*.t", "**/*.t/**", "**/*.corrected", "**/_build/**",
)  # fmt: skip
_PYTHON = (
    "**/conftest.py", "**/pytest.ini", "**/.pytest.ini", "**/pytest.toml", "**/.pytest.toml", "**/pyproject.toml",
    "**/setup.cfg", "**/setup.py", "**/tox.ini", "**/noxfile.py", "**/mypy.ini", "**/.mypy.ini",
    "**/pyrightconfig.json", "**/.coveragerc", "**/sitecustomize.py", "**/usercustomize.py", "**/*.pth",
    "**/__pycache__/**", "**/*.pyc", "**/.mypy_cache/**", "**/.pytest_cache/**",
)  # fmt: skip
_OTHERS = (
    "**/Makefile", "**/makefile", "**/GNUmakefile", "**/*.mk", "**/CMakeLists.txt", "**/*.cmake", "**/meson.build",
    "**/Cargo.toml", "**/build.rs", "**/.cargo/**", "**/go.mod", "**/package.json", "**/tsconfig*.json",
    "**/jest.config.*", "**/vitest.config.*", "**/pom.xml", "**/build.gradle*", "**/BUILD", "**/BUILD.bazel",
    "greenloop.toml",
)  # fmt: skip

DEFAULT_GLOBS: tuple[str, ...] = (*TESTS, *_DUNE, *_PYTHON, *_OTHERS)
"""The files that decide what a verdict means, whatever the toolchain; ``.t`` are dune's cram tests."""


def restore(
    store: TreeStore,
    base: TreeId,
    result: TreeId,
    globs: Sequence[str] = DEFAULT_GLOBS,
    *,
    allowed: Collection[str] = (),
) -> tuple[TreeId, tuple[str, ...]]:
    """Return ``result`` with every file that matches one of ``globs`` as it is in ``base``, and their paths, sorted.

    So comes every file that a stanza of ``base`` makes a test or includes, as long as dune files are protected at all.
    Files that ``result`` added under a glob are removed, deleted ones come back. What stands in the way of a
    protected file, such as a file named like its folder, gives way and is listed too. Paths in ``allowed`` may change.
    """
    changes = store.changes(base, result)
    stanzas = matches("dune", globs)
    parts = included(store, base) if stanzas else frozenset[str]()
    back: dict[str, Entry | None] = {
        change.path: change.old
        for change in changes
        if change.path not in allowed
        and (matches(change.path, globs) or change.path in parts or (stanzas and tested_here(store, base, change.path)))
    }
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
