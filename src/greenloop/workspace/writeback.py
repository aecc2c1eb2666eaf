"""Writing a tree's changes into a checkout: the only code that changes a user's files.

Every folder is opened from the one above it without following links, so that no link, not even one that is put
there meanwhile, leads outside. All new contents, and a copy of every file that will be replaced, lie on the disk
before the first file changes; a failure part way puts back what was changed. Only a kill between two renames
leaves some files new and some old: each is whole even then, and the old ones still lie beside them under names
that begin with ``.greenloop-``.
"""

import os
import secrets
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from greenloop.records import EditError, EnvironmentFault, TreeId
from greenloop.storage import named_io_errors
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.store import Change, Mode, TreeStore

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# a FIFO that was put in a file's place must not block us
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_back(root: Path, store: TreeStore, base: TreeId, result: TreeId) -> tuple[str, ...]:
    """Make the files below ``root`` that differ between ``base`` and ``result`` as ``result`` has them.

    Every such file must still be on the disk as ``base`` has it: bytes, executable or not, or absent. Files keep
    owner and permissions; folders that become empty go. Returns the paths written or deleted, sorted.

    Raises ``EditError`` and writes nothing when a file differs (reason ``stale``), or a path leads through a
    link, is one (``link``) or is version control's (``vcs-path``); ``EnvironmentFault`` when the disk refuses,
    after everything has been put back.
    """
    changes = store.changes(base, result)
    for change in changes:
        check_path(change.path)
        if Mode.LINK in {entry.mode for entry in (change.old, change.new) if entry is not None}:
            raise EditError(f"{change.path}: a symbolic link", "change links by hand", reason="link")
    with _opened(root) as disk:
        present = _present(disk, store, changes)
        writer = _Writer(disk, root, store, changes, present)
        try:
            writer.stage()
            writer.commit()
        except BaseException:
            writer.undo()
            raise
        writer.tidy()
    return tuple(change.path for change in changes)


class _Disk:
    """Files below an open folder, named by their path from there; links are never followed."""

    def __init__(self, top: int) -> None:
        self.top = top

    @contextmanager
    def folder(self, path: str) -> Iterator[int]:
        """Open the folder ``path`` (empty for the top) by way of all above it.

        Raises ``EditError`` with reason ``link`` at a link, ``OSError`` where it is missing or a file.
        """
        handle = os.dup(self.top)
        try:
            walked = ""
            for name in path.split("/") if path else ():
                walked = f"{walked}/{name}" if walked else name
                try:
                    below = os.open(name, _FOLDER, dir_fd=handle)
                except NotADirectoryError:
                    if stat.S_ISLNK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                        raise EditError(
                            f"{walked}: a symbolic link on the disk", "nothing is written through links", reason="link"
                        ) from None
                    raise
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    def state(self, path: str) -> os.stat_result | None:
        """Return what stands at ``path``, ``None`` if nothing does. Raises as ``folder`` but for what is missing."""
        try:
            with self.folder(_parent(path)) as folder:
                return os.stat(_name(path), dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def read(self, path: str) -> bytes:
        with self.folder(_parent(path)) as folder, os.fdopen(os.open(_name(path), _READ, dir_fd=folder), "rb") as file:
            return file.read()

    def rename(self, path: str, new_path: str) -> None:
        with self.folder(_parent(path)) as folder, self.folder(_parent(new_path)) as new_folder:
            os.rename(_name(path), _name(new_path), src_dir_fd=folder, dst_dir_fd=new_folder)

    def unlink(self, path: str) -> None:
        with self.folder(_parent(path)) as folder:
            os.unlink(_name(path), dir_fd=folder)

    def mkdir(self, path: str, mode: int) -> None:
        with self.folder(_parent(path)) as folder:
            os.mkdir(_name(path), mode, dir_fd=folder)

    def rmdir(self, path: str) -> None:
        with self.folder(_parent(path)) as folder:
            os.rmdir(_name(path), dir_fd=folder)

    def create(self, path: str, content: bytes, mode: int, like: os.stat_result | None) -> None:
        """Write a file that must not exist; with ``like``, with exactly ``mode``, its owner and its times."""
        with self.folder(_parent(path)) as folder:
            handle = os.open(_name(path), _CREATE, mode, dir_fd=folder)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                if like is not None:
                    made = os.fstat(handle)
                    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid):
                        os.fchown(handle, like.st_uid, like.st_gid)
                    os.fchmod(handle, mode)
                os.fsync(handle)


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _above(path: str) -> list[str]:
    """Return the folders above ``path``, outermost first, without the top."""
    return [path[:at] for at, char in enumerate(path) if char == "/"]


@contextmanager
def _opened(root: Path) -> Iterator[_Disk]:
    with named_io_errors(root):
        # the person named the root, so that links on the way to it are theirs; below it none is followed
        top = os.open(root.resolve(strict=True), _FOLDER)
    try:
        yield _Disk(top)
    finally:
        os.close(top)


def _present(disk: _Disk, store: TreeStore, changes: Sequence[Change]) -> dict[str, os.stat_result | None]:
    """Return what stands at every path, or refuse when that is not what the base has."""
    deleted = {change.path for change in changes if change.new is None}
    emptied = {folder for path in deleted for folder in _above(path)}
    present: dict[str, os.stat_result | None] = {}
    stale: list[str] = []
    for change in changes:
        try:
            state = disk.state(change.path)
        except NotADirectoryError:
            # a file stands where a folder must be: fine if this very change deletes it
            state = None
            if deleted.isdisjoint(_above(change.path)):
                stale.append(change.path)
        if state is not None and change.old is None and stat.S_ISDIR(state.st_mode) and change.path in emptied:
            state = None
        present[change.path] = state
        if not _as_base(disk, store, change, state):
            stale.append(change.path)
    if stale:
        names = ", ".join(stale[:5]) + (f" and {len(stale) - 5} more" if len(stale) > 5 else "")
        raise EditError(
            f"{names}: changed on the disk meanwhile",
            "nothing was written; run the command again on the files as they are now",
            reason="stale",
        )
    return present


def _as_base(disk: _Disk, store: TreeStore, change: Change, state: os.stat_result | None) -> bool:
    if change.old is None or state is None:
        return change.old is None and state is None
    executable = bool(state.st_mode & stat.S_IXUSR)
    return (
        stat.S_ISREG(state.st_mode)
        and executable == (change.old.mode is Mode.EXECUTABLE)
        and disk.read(change.path) == store.read_blob(change.old.blob)
    )


@dataclass(frozen=True, slots=True)
class _Staged:
    """Where a change's new content and old file lie; ``None`` where there is none."""

    change: Change
    new: str | None
    old: str | None


class _Writer:
    """The steps from the base to the result, each with the way back."""

    def __init__(
        self,
        disk: _Disk,
        root: Path,
        store: TreeStore,
        changes: Sequence[Change],
        present: Mapping[str, os.stat_result | None],
    ) -> None:
        self.disk = disk
        self.root = root
        self.store = store
        self.changes = changes
        self.present = present
        self.staged: list[_Staged] = []
        self.made: list[str] = []
        """Every file of ours that may lie about."""
        self.way_back: list[tuple[str, Callable[[], None]]] = []
        self.written = {change.path for change in changes if change.new is not None}
        self.mark = f".greenloop-{secrets.token_hex(6)}"

    def stage(self) -> None:
        """Put all new contents, and copies of the files to be replaced, on the disk."""
        for change in self.changes:
            with named_io_errors(self.root / change.path):
                self.staged.append(self._stage(change))

    def _stage(self, change: Change) -> _Staged:
        state = self.present[change.path]
        if change.new is None:
            return _Staged(change, None, self._beside(change.path, "old"))
        old = None
        if state is not None and change.old is not None:
            old = self._beside(change.path, "old")
            self.disk.create(old, self.store.read_blob(change.old.blob), stat.S_IMODE(state.st_mode), state)
            with self.disk.folder(_parent(old)) as folder:
                # what is put back must not look newer than it is, or builds would do it all again
                os.utime(_name(old), ns=(state.st_atime_ns, state.st_mtime_ns), dir_fd=folder, follow_symlinks=False)
        new = self._beside(change.path, "new")
        mode = _permissions(change.new.mode is Mode.EXECUTABLE, state)
        self.disk.create(new, self.store.read_blob(change.new.blob), mode, state)
        return _Staged(change, new, old)

    def _beside(self, path: str, kind: str) -> str:
        """Return a fresh name in the nearest folder above ``path`` that exists and will stay."""
        folder = ""
        for above in _above(path):
            state = self.disk.state(above)
            if above in self.written or state is None or not stat.S_ISDIR(state.st_mode):
                break
            folder = above
        name = f"{self.mark}-{len(self.made)}.{kind}"
        self.made.append(f"{folder}/{name}" if folder else name)
        return self.made[-1]

    def commit(self) -> None:
        """Change the files: deletions first, so that a file can give way to a folder and a folder to a file."""
        for staged in sorted(self.staged, key=lambda staged: staged.change.new is not None):
            path = staged.change.path
            with named_io_errors(self.root / path):
                self._unchanged(path)
                if staged.new is not None:
                    self._make_way(path)
                    self.disk.rename(staged.new, path)
                elif staged.old is not None:
                    self.disk.rename(path, staged.old)
                back = (
                    partial(self.disk.unlink, path)
                    if staged.old is None
                    else partial(self.disk.rename, staged.old, path)
                )
                self.way_back.append((path, back))

    def _unchanged(self, path: str) -> None:
        """Refuse when ``path`` changed since it was compared with the base."""
        then, now = self.present[path], self.disk.state(path)
        same = (
            (now is None or stat.S_ISDIR(now.st_mode))
            if then is None
            else now is not None
            and all(
                getattr(then, field) == getattr(now, field) for field in ("st_ino", "st_size", "st_mtime_ns", "st_mode")
            )
        )
        if not same:
            raise EditError(f"{path}: changed on the disk just now", "everything was put back", reason="stale")

    def _make_way(self, path: str) -> None:
        """Remove the emptied folders that stand where ``path`` goes, and make those above it."""
        for folder in self._emptied():
            state = self.disk.state(folder) if f"{folder}/".startswith(f"{path}/") else None
            if state is not None:
                self.disk.rmdir(folder)
                self.way_back.append((folder, partial(self.disk.mkdir, folder, stat.S_IMODE(state.st_mode))))
        for folder in _above(path):
            if self.disk.state(folder) is None:
                self.disk.mkdir(folder, 0o777)
                self.way_back.append((folder, partial(self.disk.rmdir, folder)))

    def _emptied(self) -> list[str]:
        """Return the folders that lose a file, innermost first."""
        deleted = [change.path for change in self.changes if change.new is None]
        return sorted({folder for path in deleted for folder in _above(path)}, reverse=True)

    def undo(self) -> None:
        """Put everything back as it was. Raises ``EnvironmentFault`` naming what could not be."""
        lost: list[str] = []
        for path, step in reversed(self.way_back):
            try:
                step()
            except (OSError, EditError):
                lost.append(path)
        if lost:
            raise EnvironmentFault(
                f"{self.root}: could not put back {', '.join(lost)}",
                f"their old contents are in the files {self.mark}-*.old beside them",
            )
        with named_io_errors(self.root):
            self._remove_ours()

    def tidy(self) -> None:
        """Remove what was kept for the way back, and the folders that have become empty."""
        with named_io_errors(self.root):
            self._remove_ours()
        for folder in self._emptied():
            # one that holds other files, or that we may not remove, simply stays
            with suppress(OSError):
                self.disk.rmdir(folder)

    def _remove_ours(self) -> None:
        for path in self.made:
            with suppress(FileNotFoundError):
                self.disk.unlink(path)


def _permissions(executable: bool, state: os.stat_result | None) -> int:
    """Return the permissions of a new content; of a new file the umask takes its part."""
    if state is None:
        return 0o777 if executable else 0o666
    mode = stat.S_IMODE(state.st_mode)
    if executable == bool(mode & stat.S_IXUSR):
        return mode
    return mode | (mode & 0o444) >> 2 if executable else mode & ~0o111
