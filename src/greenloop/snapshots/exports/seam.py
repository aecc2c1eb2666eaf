"""What every format shares: what it is given, what it answers, and how its files appear whole or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from greenloop.records import InputError, Snapshot, Workspace
from greenloop.snapshots.store import SnapshotStore
from greenloop.storage import named_io_errors

Progress = Callable[[int, int], None]
"""Told (snapshots done, snapshots in all) now and then."""


def silent(_done: int, _total: int) -> None:
    """Tell nobody."""


class Names(Protocol):
    """What people and workspaces are called outside this home."""

    def shown(self, workspace: Workspace) -> Workspace:
        """Return the workspace as it leaves: the same one always gives the same."""
        ...


class PlainNames:
    """Calls everything by its name."""

    def shown(self, workspace: Workspace) -> Workspace:
        """Return the workspace as it is."""
        return workspace


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: how many workspaces, snapshots, build reports and distinct contents."""

    workspaces: int = 0
    snapshots: int = 0
    reports: int = 0
    blobs: int = 0


@dataclass(frozen=True, slots=True)
class Imported:
    """What was read, and how many of its snapshots and build reports were new to this store."""

    workspaces: int = 0
    snapshots: int = 0
    reports: int = 0
    blobs: int = 0
    new: int = 0
    new_reports: int = 0


class Write(Protocol):
    """Writes histories to ``target``, which appears whole or not at all."""

    def __call__(
        self,
        store: SnapshotStore,
        target: Path,
        workspaces: Sequence[str] = (),
        *,
        names: Names = ...,
        progress: Progress = ...,
    ) -> Exported:
        """Write ``workspaces`` (ids; none means all)."""
        ...


class Counter:
    """Counts snapshots against their number, and tells of it."""

    def __init__(self, store: SnapshotStore, workspaces: Sequence[Workspace], progress: Progress) -> None:
        self._total = sum(store.count(workspace.id) for workspace in workspaces)
        self._progress = progress
        self.done = 0

    def add(self) -> None:
        """Count one snapshot more."""
        self.done += 1
        if self.done % 64 == 0 or self.done == self._total:
            self._progress(self.done, self._total)


def chosen(store: SnapshotStore, workspaces: Sequence[str]) -> tuple[Workspace, ...]:
    """Return the workspaces of these ids in the order of ids; all where none is named.

    Raises ``InputError`` when an id is unknown.
    """
    known = {workspace.id: workspace for workspace in store.workspaces()}
    for id_ in workspaces:
        if id_ not in known:
            raise InputError(f"{id_}: no such workspace", f"there are: {', '.join(known) or 'none yet'}")
    return tuple(known[id_] for id_ in sorted(set(workspaces) or known))


def recorded(store: SnapshotStore, workspace: str) -> Iterator[Snapshot]:
    """Yield snapshots as they were recorded: what reports said of them later goes out with the reports."""
    spoken = {report.seq for report in store.reports(workspace) if not report.smeared}
    for snapshot in store.snapshots(workspace):
        yield snapshot.model_copy(update={"reported": None}) if snapshot.seq in spoken else snapshot


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that is named ``path`` when the block ends well, and is gone when it does not.

    Raises ``InputError`` when ``path`` is there: an export replaces nothing.
    """
    with named_io_errors(path):
        if path.exists():
            raise InputError(f"{path} is there already", "name a file that is not there, or delete that one first")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    made = Path(name)
    try:
        with named_io_errors(path):
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            made.chmod(0o666 & ~_umask())
            made.replace(path)
    finally:
        made.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Give a folder that is named ``path`` when the block ends well, and is gone when it does not.

    Raises ``InputError`` when ``path`` holds anything: an export is never mixed with what was there.
    """
    with named_io_errors(path):
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise InputError(f"{path} is there already", "name a folder that is not there, or is empty")
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    try:
        with named_io_errors(path):
            yield made
            made.chmod(0o777 & ~_umask())
            made.replace(path)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
