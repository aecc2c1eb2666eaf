"""Which tree a request's revision is: ``NAME@REV`` in one of the repositories that the operator named.

A request names a revision and nothing else: never a path, an option, a revset, a ``git`` expression that searches. The
names of repositories and the paths behind them are the operator's. Branches and tags move, so a name is resolved
each time; a commit never changes, so it is read once.
"""

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from greenloop.records import InputError, TreeId
from greenloop.workspace.packs import Pack, read_pack
from greenloop.workspace.store import TreeStore
from greenloop.workspace.vcs import NameWatch, read_commit, resolve_revision

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_REV = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}(?:[~^][0-9]{0,4}){0,4}")
"""Letters, digits and ``_ . / + -``, not first a dot or a dash; then ``~`` and ``^`` as git has them."""
_KEPT_COMMITS = 1024
_KEPT_NAMES = 1024


@dataclass(frozen=True, slots=True)
class Found:
    """A revision as it was found."""

    name: str
    """Of the repository."""
    commit: str
    tree: TreeId
    project: str
    """What the repository is, whatever a service calls it: its tests go by this name in the books."""
    note: str = ""
    """What of the commit is not in the tree."""

    @property
    def about(self) -> str:
        """For people: the commit, and what its tree lacks."""
        return f"commit {self.commit[:12]}" + (f"; {self.note}" if self.note else "")


Key = TypeVar("Key")
Value = TypeVar("Value")


class Revisions:
    """Finds trees by revision. Safe to use from several threads."""

    def __init__(
        self,
        store: TreeStore,
        repositories: Mapping[str, Path],
        *,
        packs: Mapping[str, Path] | None = None,
        pack_mib: int = 256,
    ) -> None:
        """``repositories`` and ``packs`` hold the operator's own: name → checkout or bare repository, or tree pack.

        The packs are read here, each of at most ``pack_mib`` MiB; ``PACK@TREE`` then names a tree of one. Raises
        ``InputError`` when a name is no name or a pack is none.
        """
        self._store = store
        self._repositories = dict(repositories)
        self._packs: dict[str, Pack] = {}
        for name in (*self._repositories, *(packs or {})):
            if not is_name(name):
                raise InputError(f"{name!r} is no name of a repository", "use letters, digits, '_', '.' and '-'")
        for name, path in (packs or {}).items():
            if name in self._repositories:
                raise InputError(f"{name!r} names a repository and a pack", "rename one of them")
            self._packs[name] = read_pack(store, path, max_mib=pack_mib)
        self._projects = {name: _project(path) for name, path in self._repositories.items()}
        self._watches = {name: NameWatch(path) for name, path in self._repositories.items()}
        self._reading = {name: threading.Lock() for name in self._repositories}
        self._lock = threading.Lock()
        self._commits: OrderedDict[tuple[str, str], Found] = OrderedDict()
        self._resolved: OrderedDict[tuple[str, str], tuple[object, str]] = OrderedDict()

    @property
    def names(self) -> tuple[str, ...]:
        """The repositories and packs, sorted."""
        return tuple(sorted((*self._repositories, *self._packs)))

    def find(self, text: str) -> Found:
        """Return what ``NAME@REV`` is now, or ``REV`` where there is one repository alone.

        Raises ``InputError`` when there is no such revision, or the text is no name of one.
        """
        name, rev = self._split(text)
        if name in self._packs:
            tree = self._packs[name].find(rev)
            return Found(name, tree, tree, tree_project(tree))
        commit = self._commit(name, rev)
        found = self._known(name, commit)
        if found is None:
            # one at a time: whoever waited finds what the other read
            with self._reading[name]:
                found = self._known(name, commit) or self._read(name, commit)
        return found

    def take_pack(self, path: Path, *, max_mib: int) -> tuple[TreeId, ...]:
        """Take a tree pack from whoever may send trees, and return the trees that requests may name as ``base_tree``.

        No build of them is ever made: they are judged above a green one. Raises ``InputError`` when it is none, is
        larger than ``max_mib`` MiB, or holds what no tree may hold; then nothing was added.
        """
        try:
            return read_pack(self._store, path, max_mib=max_mib).trees
        except InputError as error:
            # where it lies meanwhile is nobody's business
            raise InputError(error.message.replace(f"{path}", "the pack"), error.way_out) from error

    def _split(self, text: str) -> tuple[str, str]:
        name, at, rev = text.partition("@")
        if not at:
            if len(self.names) != 1:
                raise InputError(
                    f"{text!r} does not say of which repository", f"write NAME@REV; NAME: {', '.join(self.names)}"
                )
            name, rev = self.names[0], text
        if name not in self.names:
            raise InputError(f"no repository {name!r} is served", f"served are: {', '.join(self.names)}")
        if not _REV.fullmatch(rev) or ".." in rev or rev.endswith((".lock", "/")):
            raise InputError(f"{rev!r} is no name of a revision", "name a branch, a tag or a commit")
        return name, rev

    def _commit(self, name: str, rev: str) -> str:
        watch = self._watches[name]
        before = watch.stamp()
        with self._lock:
            known = self._resolved.get((name, rev))
        if known is not None and before is not None and known[0] == before:
            return known[1]
        folder = self._repositories[name]
        try:
            commit = resolve_revision(folder, rev)
        except InputError as error:
            # clients know repositories by their names; where they lie is nobody's business
            raise InputError(error.message.replace(str(folder), name), error.way_out) from error
        if before is not None and watch.settled(before):
            with self._lock:
                _keep(self._resolved, (name, rev), (before, commit), _KEPT_NAMES)
        return commit

    def _known(self, name: str, commit: str) -> Found | None:
        with self._lock:
            found = self._commits.get((name, commit))
            if found is not None:
                self._commits.move_to_end((name, commit))
        return found

    def _read(self, name: str, commit: str) -> Found:
        read = read_commit(self._repositories[name], commit, self._store)
        left = ", ".join(f"{skipped.path} ({skipped.reason})" for skipped in read.skipped[:5])
        note = f"{len(read.skipped)} files are not in the tree: {left}" if read.skipped else ""
        found = Found(name, commit, read.tree, self._projects[name], note)
        with self._lock:
            _keep(self._commits, (name, commit), found, _KEPT_COMMITS)
        return found


def is_name(text: str) -> bool:
    """Whether a repository may be called so."""
    return _NAME.fullmatch(text) is not None


def tree_project(tree: TreeId) -> str:
    """Return the name of a tree that is of no repository: a project of its own."""
    return f"tree:{tree}"


def _project(folder: Path) -> str:
    """Name a repository after its place: two in one home may both be called ``HEAD`` by those who ask."""
    place = folder.resolve()
    return f"{place.name[:100]}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:16]}"


def _keep(cache: OrderedDict[Key, Value], key: Key, value: Value, most: int) -> None:
    cache[key] = value
    cache.move_to_end(key)
    while len(cache) > most:
        cache.popitem(last=False)
