"""Purging: what a person takes back is gone from the store, byte for byte.

The history is written anew without it, and what nothing leads to any more leaves the packs, the loose objects, the
staging file and the index, free pages included. A note in the home tells of a purge until it has ended, so that one
that was killed is finished by the next.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from greenloop.builds.shelf import Shelf, discard
from greenloop.records import BuildReport, EnvironmentFault, InputError, Overloaded, Part, RecordError, Snapshot, TreeId
from greenloop.snapshots.exports.scratch import sweep
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import named_io_errors, write_atomically
from greenloop.workspace.store import Entry
from greenloop.workspace.upkeep import Upkeep
from greenloop.workspace.vcs.globs import Globs

if TYPE_CHECKING:
    from greenloop.builds.verdicts import VerdictStore  # a recorder does without SQLAlchemy

_NOTE = "purge-unfinished.json"
_REMADE = (
    "warm",
    "indexes",
    "prompts.jsonl",
    "behaviours.db*",
    "recorder/*/cache",
    "recorder/*/*.log",
    "recorder/*/*.log.1",
    "recorder/*/shadow.json",
)
"""Below the home: what is made again when it is missing, and may hold content, names of files or their errors."""
_BEYOND = {
    "ces": "what the evaluation service was asked and answered",
    "feedback.jsonl": "the log of what was asked for, and of suggestions that were shown",
}


class _Note(Part):
    """A purge that was begun."""

    scope: "Scope"
    last: int
    """The workspace's newest snapshot then: what is recorded later is not what was to go."""


class Scope(Part):
    """What is to go of a workspace: exactly one of these."""

    workspace: str
    since: float | None = None
    """Every snapshot from the first one that is as late as this (Unix seconds), in the order of their numbers."""
    paths: tuple[str, ...] = ()
    """Files by rules as in ``.gitignore``, out of every snapshot."""
    everything: bool = False
    """The whole workspace."""

    def covers(self, other: "Scope") -> bool:
        """Say whether it is no mistake to find nothing of ``other`` once this is gone."""
        if self.workspace != other.workspace:
            return False
        return self.everything or (self.since is not None and not other.paths)


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge came to. Sizes are those of the object store, in bytes."""

    snapshots: int
    """So many are gone or changed."""
    bytes_before: int
    bytes_after: int
    beyond: tuple[str, ...]
    """What may hold traces and was not touched."""
    earlier: Scope | None = None
    """Another purge that was not finished, and now is."""


class _NothingThereError(InputError):
    """A scope names nothing that is recorded."""


def unfinished(home: Path) -> Scope | None:
    """Return the purge that did not come to its end, if any. Raises ``RecordError`` when its note is damaged."""
    note = _read_note(home)
    return None if note is None else note.scope


def unfinished_error(scope: Scope) -> InputError:
    """Return what to raise where an unfinished purge stands in the way."""
    return InputError(
        f"a purge of {scope.workspace} is not finished",
        "wait if it is at work, else run `greenloop record purge` again",
    )


def demand_finished(home: Path, workspace: str) -> None:
    """Raise ``InputError`` while a purge of ``workspace`` is not finished: what is recorded then may go with it."""
    scope = unfinished(home)
    if scope is not None and scope.workspace == workspace:
        raise unfinished_error(scope)


def _read_note(home: Path) -> _Note | None:
    try:
        return _Note.model_validate_json((home / _NOTE).read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise RecordError(
            f"{home / _NOTE}: a purge was not finished, and the note of it is damaged", "delete it, and purge again"
        ) from error


def purge(home: Path, store: SnapshotStore, verdicts: "VerdictStore", scope: Scope) -> Purged:
    """Take what ``scope`` names out of the store; nobody may record into it meanwhile.

    An unfinished purge is finished first. Raises ``InputError`` when the scope names nothing that is there, unless the
    one that was finished took it; ``Overloaded``, before anything was done, while an upkeep, an export or a warm build
    holds what is to go, and ``EnvironmentFault`` when the disk refuses or another process holds the databases; run it
    again then.
    """
    _free(home, store)
    earlier = unfinished(home)
    if earlier is None or earlier == scope:
        return _purge(home, store, verdicts, scope)
    first = replace(_purge(home, store, verdicts, earlier), earlier=earlier)
    try:
        done = _purge(home, store, verdicts, scope)
    except _NothingThereError:
        # `--since 1h` is another scope at every moment
        if earlier.covers(scope):
            return first
        raise
    return replace(done, snapshots=first.snapshots + done.snapshots, bytes_before=first.bytes_before, earlier=earlier)


def _free(home: Path, store: SnapshotStore) -> None:
    with store.trees.durable.guard.upkeep(wait=False):
        pass
    if sweep(store):
        raise Overloaded("an export, an import or a push is at work on this home", "purge again when it has ended")
    if held := Shelf(home / "warm").held():
        raise Overloaded(f"{len(held)} warm builds are in use", "end what checks or serves here, and purge again")


def _purge(home: Path, store: SnapshotStore, verdicts: "VerdictStore", scope: Scope) -> Purged:
    upkeep = Upkeep(store.trees)
    before = upkeep.size_bytes()
    note = _read_note(home)
    again = note is not None and note.scope == scope
    known = any(one.id == scope.workspace for one in store.workspaces())
    if not known and not again:
        raise _NothingThereError(f"{scope.workspace}: no such workspace", "`greenloop record log` lists them")
    if note is None or not again:
        newest = store.last(scope.workspace)
        note = _Note(scope=scope, last=-1 if newest is None else newest.seq)
        write_atomically(home / _NOTE, note.model_dump_json().encode())
    changed = _rewrite(store, scope, note.last) if known else 0
    if not changed and not again:
        (home / _NOTE).unlink()
        raise _NothingThereError(
            "nothing that is recorded matches", "`greenloop record log --files` shows what is there"
        )
    upkeep.prune(0)
    # what a compiler said of a tree quotes it; what still is there keeps its verdicts
    verdicts.forget(lambda tree: tree not in store.trees)
    store.close()
    verdicts.close()
    for database in (store.path, home / "greenloop.db", store.trees.path / "staging.db"):
        _scrub(database)
    _remove(home, store)
    (home / _NOTE).unlink()
    beyond = [f"{home / name}: {what}" for name, what in _BEYOND.items() if (home / name).exists()]
    beyond += ["datasets that were mined from it, files that were exported", "what was pushed, until the next push"]
    return Purged(changed, before, upkeep.size_bytes(), tuple(beyond))


def _rewrite(store: SnapshotStore, scope: Scope, last: int) -> int:
    first = 0
    if scope.since is not None:
        late = (one.seq for one in store.snapshots(scope.workspace) if one.time >= (scope.since or 0.0))
        found = next(late, None)
        if found is None or found > last:
            return 0
        first = found
    if not scope.paths:
        count = store.count(scope.workspace)
        gone = sum(first <= one.seq <= last for one in store.snapshots(scope.workspace))
        if gone < count:
            return store.rewrite(scope.workspace, lambda one: None if first <= one.seq <= last else one)
        store.forget(scope.workspace)
        return max(count, 1)
    without = _Without(store, scope.paths)
    return store.rewrite(scope.workspace, without.snapshot, without.report)


class _Without:
    """Snapshots and reports without the files that some rules name."""

    def __init__(self, store: SnapshotStore, rules: Iterable[str]) -> None:
        self._trees = store.trees
        self._globs = Globs(tuple(rules))
        self._last: TreeId = store.trees.empty
        self._found: set[str] = set()
        self._touched: set[int] = set()

    def snapshot(self, snapshot: Snapshot) -> Snapshot:
        """Return the snapshot without the files. Snapshots must come in order: only differences are looked at."""
        for change in self._trees.changes(self._last, snapshot.tree):
            if self._globs.match(change.path.encode("utf-8", "surrogateescape")) is None:
                continue
            if change.new is None:
                self._found.discard(change.path)
            else:
                self._found.add(change.path)
        self._last = snapshot.tree
        if not self._found:
            return snapshot
        self._touched.add(snapshot.seq)
        gone: dict[str, Entry | None] = dict.fromkeys(self._found)
        return snapshot.model_copy(update={"tree": self._trees.update(snapshot.tree, gone)})

    def report(self, report: BuildReport) -> BuildReport:
        """Return the report without what its build may have quoted of the files.

        A message about one file can quote another. Where the tree held one of them, or nobody knows which tree it was,
        all messages go; the status stays.
        """
        if report.seq in self._touched or report.smeared:
            return report.model_copy(update={"diagnostics": ()})
        return report


def _scrub(database: Path) -> None:
    """Write a database anew, so that no deleted row is left on a free page or in the log."""
    if not database.exists():
        return
    connection = sqlite3.connect(database, timeout=30.0)
    try:
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.DatabaseError as error:
        raise EnvironmentFault(
            f"{database}: cannot be written anew: {error}",
            "is another Greenloop at work on this home? end it and purge again: what is left is finished then",
        ) from error
    finally:
        connection.close()


def _remove(home: Path, store: SnapshotStore) -> None:
    with named_io_errors(home):
        for pattern in _REMADE:
            for path in home.glob(pattern):
                _delete(path)
        # what was found damaged and put aside
        for path in store.path.parent.glob(f"{store.path.stem}.damaged-*"):
            _delete(path)
        for path in store.trees.path.glob("staging.damaged-*"):
            _delete(path)


def _delete(path: Path) -> None:
    # a build may have taken permissions away, even from itself
    remove: Callable[[Path], None] = discard if path.is_dir() and not path.is_symlink() else Path.unlink
    remove(path)
