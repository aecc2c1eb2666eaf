"""A folder that is read again and again, for as long as somebody works in it.

What is known of its files lies in private git indexes, one a repository (``private_index``), which git compares with
the disk in milliseconds; in memory is only what changed since the indexes were written. ``tree`` is always the last
one with the changes made, so a reading costs what changed. The pair (tree, indexes) goes to disk when the indexes are
written anew, never apart: after a kill, the last pair and one ``reconcile`` give what there would have been.

Racy files: git compares whole seconds, and suspects a file that was modified in the second in which the index was
written. A file whose modification time was put back within a second of its reading would slip through; so whatever
changed that lately when it was read (``Examiner.young``) is read once more by the next ``reconcile``.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from greenloop.records import Conflict, InputError, TreeId
from greenloop.storage import named_io_errors
from greenloop.workspace.store import Entry, TreeStore
from greenloop.workspace.vcs.bulk import SingleBlobs
from greenloop.workspace.vcs.examine import Examiner
from greenloop.workspace.vcs.git import find_repository
from greenloop.workspace.vcs.globs import Globs
from greenloop.workspace.vcs.heads import Watched, event, token
from greenloop.workspace.vcs.known import Known
from greenloop.workspace.vcs.listing import Skipped
from greenloop.workspace.vcs.one_file import Screen
from greenloop.workspace.vcs.place import detect, lies_in
from greenloop.workspace.vcs.touched import NestedChanged, NotEnough, Touched, plan
from greenloop.workspace.vcs.whole import read_whole

_ATTEMPTS = 3
"""How often a folder is read again because a head moved meanwhile, before what was read is taken as it is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a folder held at one moment."""

    tree: TreeId
    changed: tuple[str, ...]
    """Paths that differ from the reading before, sorted; none at the first one, which has nothing before it."""
    skipped: tuple[Skipped, ...]
    """All that is on disk and left out now, not only what is new."""
    full: bool
    """Whether the whole folder was looked at."""
    why_full: str
    """Why ``touch`` was not enough; empty where it was, and for ``reconcile``."""
    heads: str
    """What ``WorkingCopy.heads`` said before the files were read."""


class WorkingCopy:
    """The files below ``root`` as trees in ``store``.

    ``cache`` is a folder of Greenloop's own outside ``root``, kept over restarts. ``ignore`` holds more rules in the
    syntax of ``.gitignore``, relative to ``root``: what they name stays out even where it is tracked.

    Raises ``InputError`` when ``root`` is no folder or holds the cache, ``Conflict`` while another one has the cache.
    """

    def __init__(
        self,
        root: Path,
        store: TreeStore,
        cache: Path,
        *,
        max_file_bytes: int = 1_000_000,
        screen: Screen | None = None,
        ignore: Sequence[str] = (),
    ) -> None:
        self.place = detect(root)
        self.root = root.resolve()
        if lies_in(self.root, cache):
            raise InputError(f"{cache}: lies in {root}, so it would be read itself", "choose a folder outside")
        self._store = store
        examiner = Examiner(
            os.fsencode(self.root), store, max_file_bytes=max_file_bytes, screen=screen, globs=Globs(ignore)
        )
        how = "\0".join((str(self.root), str(self.place.root), self.place.vcs, str(max_file_bytes), *ignore))
        purpose = hashlib.sha256(os.fsencode(how)).hexdigest()
        with named_io_errors(cache):
            cache.mkdir(parents=True, exist_ok=True)
            self._held = (cache / "lock").open("wb")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._held.close()
            raise Conflict(f"{cache}: another process reads {self.root}", "stop that one first") from error
        self._known = Known(self.root, self.place, store, cache, examiner, purpose)
        self._known.resume()

    @property
    def tree(self) -> TreeId:
        """What was read last; after a start, what was kept."""
        return self._known.tree

    def close(self) -> None:
        """Let go of the cache, for another one."""
        self._held.close()

    def reconcile(self) -> Reading:
        """Look at every file by its time stamps, and read those that may have changed.

        Raises ``InputError`` when the folder is gone or its repository cannot be read.
        """
        known = self._demand_tree()
        first, before = known.fresh, known.tree
        for _ in range(_ATTEMPTS):
            now = self.heads()
            self._read_whole()
            if self.heads() == now:
                break
        changed = () if first else tuple(change.path for change in self._store.changes(before, known.tree))
        return Reading(known.tree, changed, known.skipped(), True, "", now)

    def _read_whole(self) -> None:
        known = self._known
        self._demand_root()
        try:
            read_whole(known)
        except InputError:
            self._demand_root()
            if all(area.index.whole() for area in known.areas.values()):
                raise
            # not the user's repository but an index of ours is damaged
            known.forget()
            read_whole(known)

    def _demand_tree(self) -> Known:
        if self._known.tree not in self._store:
            # written in a block of the store that failed, or deleted with the history that it belonged to
            self._known.resume()
        return self._known

    def _demand_root(self) -> None:
        # a link in its place leads to files that nobody agreed to have read
        leads_to = os.path.realpath(self.root)
        if leads_to != str(self.root):
            raise InputError(f"{self.root}: leads to {leads_to} now", "put the folder back, or name that one instead")
        if not self.root.is_dir():
            # an empty tree would say that someone deleted every file
            raise InputError(f"{self.root}: the folder is gone", "was it moved, or its disk unmounted?")

    def touch(self, paths: Iterable[bytes]) -> Reading:
        """Look at ``paths`` alone, files or folders relative to ``root``: nothing else may have changed.

        Where that does not settle what belongs to the tree, the whole folder is looked at, and the reading says why.
        """
        self._demand_root()
        now = self.heads()
        known = self._demand_tree()
        try:
            todo = plan(known, {*paths, *known.examiner.restless})
        except NestedChanged as changed:
            reading = self.reconcile()
            if changed.prefix not in known.areas:
                known.passed_over.add(changed.prefix)
            return replace(reading, why_full=str(changed))
        except NotEnough as why:
            return replace(self.reconcile(), why_full=str(why))
        return self._touch(todo, now)

    def _touch(self, todo: Touched, now: str) -> Reading:
        known = self._known
        known.examiner.begin(whole=False)
        changes: dict[str, Entry | None] = {}
        blobs = SingleBlobs(self._store)
        for path, old in todo.paths.items():
            entry = known.examiner.look(path, old, blobs)
            if entry != old:
                changes[path.decode()] = entry
                known.add_folders(path)
            if entry != old or path in known.examiner.young:
                area = known.owner(path)
                if area is not None:
                    area.behind.add(path)
        if changes:
            known.tree = self._store.update(known.tree, changes, supersede=True)
        return Reading(known.tree, tuple(sorted(changes)), known.skipped(), False, "", now)

    def heads(self) -> str:
        """Return a token that differs once a repository's head, or what is under way in it, has moved."""
        return token(self._places())

    def _places(self) -> list[Watched]:
        areas = self._known.areas
        if areas:
            return [
                Watched(os.fsdecode(prefix), area.top, area.repository)
                for prefix, area in areas.items()
                if area.vcs != "plain"
            ]
        if self.place.vcs == "plain":
            return []
        repository = find_repository(self.place.root) if self.place.vcs == "git" else None
        return [Watched("", self.place.root, repository)]

    def moved(self, before: str) -> str:
        """Return the event between ``before``, which ``heads`` gave, and now; ``""`` when there was none.

        ``commit``, ``checkout``, ``rebase``, ``merge``, ``cherry-pick``, ``revert``, ``reset``, ``stash``, ``bisect``,
        ``pull``, or under Mercurial ``update``, ``graft``, ``shelve``, ``histedit``…; ``head-moved`` where nothing
        tells.
        """
        return event(before, self.heads(), self._places())
