"""The files of a tree by path and by name, kept for the trees asked about lately.

A request's tree is as a rule its forerunner with a file or two changed: then only these are looked at.
"""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from greenloop.records import TreeId
from greenloop.workspace.store import Entry, TreeStore
from greenloop.workspace.syntax import language_of

_KEPT = 6


@dataclass(frozen=True)
class Listing:
    """Every file of a tree. Neither mapping is to be changed."""

    entries: Mapping[str, Entry]

    @cached_property
    def paths(self) -> frozenset[str]:
        """The paths of all files."""
        return frozenset(self.entries)

    @cached_property
    def by_name(self) -> Mapping[str, tuple[str, ...]]:
        """Last step of a path → the paths that end in it."""
        found: dict[str, list[str]] = {}
        for path in self.entries:
            found.setdefault(path.rpartition("/")[2], []).append(path)
        return {name: tuple(paths) for name, paths in found.items()}

    @cached_property
    def modules(self) -> Mapping[str, str]:
        """Module → its interface, or its source where it has none; of modules of one name the first by path."""
        found: dict[str, str] = {}
        for path in sorted(self.entries, key=lambda path: (not path.endswith(".mli"), path)):
            if language_of(path) is not None:
                stem = path.rpartition("/")[2].rpartition(".")[0]
                found.setdefault(stem[:1].upper() + stem[1:], path)
        return found


class _Kept:
    """The listings used last, of any store: trees never change."""

    def __init__(self) -> None:
        self._listings: OrderedDict[tuple[Path, TreeId], Listing] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, store: TreeStore, tree: TreeId) -> Listing:
        key = (store.path, tree)
        with self._lock:
            found = self._listings.get(key)
            near = [known for path, known in reversed(self._listings) if path == store.path][:1]
            if found is not None:
                self._listings.move_to_end(key)
                return found
        listing = self._from(store, near[0], tree) if near else Listing(store.files(tree))
        with self._lock:
            self._listings[key] = listing
            while len(self._listings) > _KEPT:
                self._listings.popitem(last=False)
        return listing

    def _from(self, store: TreeStore, known: TreeId, tree: TreeId) -> Listing:
        base = self._listings.get((store.path, known))
        # a purge may have taken the tree that is known
        if base is None or known not in store:
            return Listing(store.files(tree))
        changed = store.changes(known, tree)
        if 2 * len(changed) > len(base.entries):
            return Listing(store.files(tree))
        entries = dict(base.entries)
        for change in changed:
            if change.new is None:
                entries.pop(change.path, None)
            else:
                entries[change.path] = change.new
        listing = Listing(entries)
        if base.entries.keys() == entries.keys():
            # the same paths: what was made of them holds
            made = ("paths", "by_name", "modules")
            listing.__dict__.update({name: base.__dict__[name] for name in made if name in base.__dict__})
        return listing


_KEPT_LISTINGS = _Kept()


def listing(store: TreeStore, tree: TreeId) -> Listing:
    """Return the files of ``tree``. Raises ``InputError`` when it is not in the store."""
    return _KEPT_LISTINGS.get(store, tree)
