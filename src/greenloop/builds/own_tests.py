"""Which files of a dune project are tests by a stanza, wherever they lie, and which files hold stanzas.

The stanzas of a folder are those of its dune file, those that the dune files above put there with ``subdir``, and
those of the files that these include. A folder without any belongs to the nearest one above that has some. Nothing
else is followed, so that it stays cheap enough to ask of every changed file. A dune file that cannot be read, as one
in OCaml's syntax, says nothing.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from greenloop.builds.sexp import Sexp, SexpError, atoms, fields, head, read
from greenloop.records import TreeId
from greenloop.workspace.remembered import remembered
from greenloop.workspace.store import TreeStore

_TESTS = frozenset(("test", "tests"))
_PROGRAMS = frozenset(("executable", "executables"))
_CODE = _PROGRAMS | {"library", "melange.emit"}
_INCLUDES = frozenset(("include", "dynamic_include"))
_DOCUMENTS = frozenset((".md", ".mld"))
_SOURCES = frozenset((".ml", ".mli", ".mll", ".mly", ".re", ".rei"))
_STANDARD: tuple[Sexp, ...] = (":standard",)
_PROGRAM = re.compile(r"(?<![\w'./-])(?:\./)?([\w'-]+)\.(?:exe|bc)\b")
"""A program of the folder itself; what a test runs from elsewhere is as likely the program under test."""
_MAX_INCLUDES = 10
"""How deep files may include each other: no project comes near."""
_MAX_KNOWN = 1 << 14
"""Folders of which it is remembered what they include: each base asks again for those that did not change."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """A stanza that takes modules of its folder: those it is named after, and those of its field ``modules``."""

    names: frozenset[str]
    modules: tuple[Sexp, ...] = _STANDARD


def tested_here(store: TreeStore, tree: TreeId, path: str) -> bool:
    """Whether a stanza of ``tree`` makes a test of the file at ``path``, which need not exist in it.

    In a folder with tests alone every OCaml file is one; beside a library or a program, those that a test takes. A
    program that a rule of the alias ``runtest`` runs in its own folder is a test too, unless it is installed.
    Documents are tests beside an ``mdx`` stanza.
    """
    file = PurePosixPath(path)
    if file.suffix in _DOCUMENTS:
        return any(head(stanza) == "mdx" for stanza in _around(store, tree, file)[0])
    if file.suffix not in _SOURCES:
        return False
    nearest, joined = _around(store, tree, file)
    return _is_test([*nearest, *joined], _module(file.name.split(".", 1)[0]))


def included(store: TreeStore, tree: TreeId) -> frozenset[str]:
    """Return the paths that dune files of ``tree`` include, directly or not, whether or not a file is there."""
    if not _includes_below(store, tree):
        return frozenset()
    found = _INCLUDED.get(tree)
    if found is None:
        paths: set[str] = set()
        for path in store.files(tree):
            if PurePosixPath(path).name == "dune":
                list(_said(store, tree, posixpath.dirname(path), paths))
        if len(_INCLUDED) >= _MAX_KNOWN:
            _INCLUDED.clear()
        found = _INCLUDED[tree] = frozenset(paths)
    return found


_INCLUDED: dict[TreeId, frozenset[str]] = {}
_WITH_INCLUDES: dict[TreeId, bool] = {}
"""By the id of a folder, which is that of its content: hence the same in every store."""


def _includes_below(store: TreeStore, tree: TreeId) -> bool:
    """Whether a dune file of the folder ``tree`` or below includes another; few projects have one."""
    found = _WITH_INCLUDES.get(tree)
    if found is None:
        content = store.read(tree, "dune") or b""
        found = (b"include" in content and _has_include(_read(content))) or any(
            _includes_below(store, folder) for folder in store.folders(tree)
        )
        if len(_WITH_INCLUDES) >= _MAX_KNOWN:
            _WITH_INCLUDES.clear()
        _WITH_INCLUDES[tree] = found
    return found


def _has_include(stanzas: Iterable[Sexp]) -> bool:
    return any(
        head(stanza) in _INCLUDES or (head(stanza) == "subdir" and _has_include(stanza[2:])) for stanza in stanzas
    )


def _around(store: TreeStore, tree: TreeId, file: PurePosixPath) -> tuple[list[Sexp], list[Sexp]]:
    """Return the stanzas nearest to a file, and those of the folder above that takes it with ``include_subdirs``."""
    spoken: list[tuple[str, Sexp]] = []
    silent = {str(folder) for folder in file.parents if store.entry(tree, _join(str(folder), "dune")) is None}
    for folder in file.parents:
        if str(folder) not in silent:
            spoken += _said(store, tree, str(folder), set())
    nearest: list[Sexp] | None = None
    for folder in file.parents:
        here = [stanza for at, stanza in spoken if at == str(folder)]
        joins = any(head(stanza) == "include_subdirs" and atoms(stanza)[1:2] != ("no",) for stanza in here)
        if nearest is not None and joins:
            return nearest, here
        if nearest is None and (here or str(folder) not in silent):
            nearest = here
        if any(head(stanza) in _TESTS | _CODE for stanza in here):
            break
    return nearest or [], []


def _said(store: TreeStore, tree: TreeId, folder: str, paths: set[str]) -> Iterator[tuple[str, Sexp]]:
    """Yield each stanza of a dune file with the folder that it speaks of, and add what is included to ``paths``."""

    def walk(stanzas: Sequence[Sexp], about: str, home: str, inside: tuple[str, ...]) -> Iterator[tuple[str, Sexp]]:
        for stanza in stanzas:
            kind = head(stanza)
            where = stanza[1] if len(stanza) > 1 else None
            if kind == "subdir" and isinstance(where, str):
                yield from walk(stanza[2:], _join(about, where), _join(home, where), inside)
            elif kind in _INCLUDES and isinstance(where, str):
                path = _join(home, where)
                paths.add(path)
                if path not in inside and len(inside) < _MAX_INCLUDES and path.isprintable():
                    yield from walk(
                        _read(store.read(tree, path) or b""), about, posixpath.dirname(path), (*inside, path)
                    )
            else:
                yield about, stanza

    text = store.read(tree, _join(folder, "dune")) or b""
    yield from walk(_read(text), _join(folder, ""), folder, ())


@remembered
def _read(content: bytes) -> tuple[Sexp, ...]:
    try:
        return read(content.decode("utf-8", "replace"))
    except SexpError:
        return ()


def _is_test(stanzas: Sequence[Sexp], module: str) -> bool:
    """Whether a test takes ``module``: it names it and no code beside it does, or takes it and no code does."""
    tests: list[_Owner] = []
    code: list[_Owner] = []
    mains: set[str] = set()
    run = {_module(name) for stanza in stanzas if _is_test_rule(stanza) for name in _programs(stanza)}
    for stanza in stanzas:
        kind = head(stanza)
        if kind not in _TESTS | _CODE:
            continue
        own = _owner(stanza)
        tested = own.names if kind in _TESTS else (own.names & run) - _installed(stanza)
        if kind in _PROGRAMS:
            mains |= own.names - tested
        if kind in _TESTS or (kind in _PROGRAMS and tested):
            tests.append(_Owner(tested, own.modules))
        else:
            code.append(own)
    if any(module in test.names for test in tests):
        return True
    if module in mains or not tests:
        return False
    if not code:
        return True
    named, claimed = _takes(tests, module, standard=False), _takes(code, module, standard=True)
    return (named and not _takes(code, module, standard=False)) or (
        _takes(tests, module, standard=True) and not claimed
    )


def _takes(owners: Iterable[_Owner], module: str, *, standard: bool) -> bool:
    return any(_holds(owner.modules, module, standard) for owner in owners)


def _holds(words: Iterable[Sexp], module: str, standard: bool) -> bool:
    r"""Whether a set in dune's ordered set language holds ``module``, where ``standard`` is whether ``:standard`` does.

    A sequence is a union, and ``\`` takes away all that follows: ``a \ b \ c`` is ``a \ (b \ c)``. Source: dune's
    src/dune_lang/ordered_set_lang.ml. What a set includes from a file is unknown, and counts as ``:standard``.
    """
    parts = [False]
    for word in words:
        if word == "\\":
            parts.append(False)
        elif isinstance(word, str):
            parts[-1] |= standard if word == ":standard" else _module(word) == module
        else:
            parts[-1] |= standard if head(word) == ":include" else _holds(word, module, standard)
    held = False
    for part in reversed(parts):
        held = part and not held
    return held


def _owner(stanza: Sexp) -> _Owner:
    names = _words(stanza, "name", "names") or _words(stanza, "public_name", "public_names")
    modules = [values for name, values in fields(stanza) if name == "modules"]
    return _Owner(frozenset(map(_module, names)), modules[0] if modules else _STANDARD)


def _installed(stanza: Sexp) -> frozenset[str]:
    """Return the names of programs that are installed: these are what is tested, not tests."""
    public = _words(stanza, "public_name", "public_names")
    names = _words(stanza, "name", "names") or public
    return frozenset(_module(name) for name, other in zip(names, public, strict=False) if other != "-")


def _is_test_rule(stanza: Sexp) -> bool:
    """Whether a rule belongs to the alias ``runtest``, as dune 2 writes it, or as dune 1 does."""
    aliases = {"rule": ("alias", "aliases"), "alias": ("name",)}.get(head(stanza), ())
    return "runtest" in _words(stanza, *aliases)


def _programs(stanza: Sexp) -> Iterator[str]:
    for atom in atoms(stanza):
        yield from _PROGRAM.findall(atom)


def _words(stanza: Sexp, *names: str) -> list[str]:
    return [word for name, values in fields(stanza) if name in names for value in values for word in atoms(value)]


def _module(name: str) -> str:
    """Return the name of a module as OCaml knows it: the case of its first letter does not matter to dune."""
    return name[:1].upper() + name[1:]


def _join(folder: str, path: str) -> str:
    """Return ``path`` seen from ``folder`` without dots; the root is ``.``."""
    return posixpath.normpath(posixpath.join(folder, path))
