"""Warm trees: materialised trees with what their build left, so that the next tree costs what it changes.

A warm tree is built once, inside the sandbox, in a folder that appears under its name by one rename when it is
complete. From then on it is only read: judgements run in overlays above it. A lock file beside each is held shared
while it is mounted and exclusively while it is made or evicted, so that any number of threads and processes share
them; a kill at any moment leaves a folder whose name says that it is not complete, and that the next one removes.

Which one is near: the one with the fewest changed paths, as long as they are at most ``MAX_DISTANCE`` and at most
half of the tree's files (but four are always allowed). Farther away, the asked tree itself is warmed.

What a warm tree's own build leaves is trusted by every tree judged above it. Only generators and preprocessors that
a tree holds run in it, never its tests. Whoever judges edits that nobody has read judges their base first, so that the
base is the near one.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from greenloop.builds.sandbox.policy import Command, Completed, Sandbox
from greenloop.records import TreeId
from greenloop.storage import named_io_errors
from greenloop.workspace.store import Entry, Mode, TreeStore

MAX_DISTANCE = 32
"""Changed paths beyond which a fresh warm build pays: by then most of a usual project is built anew."""

_KEEP = 3
"""Warm trees kept, of all toolchains together, unless the caller says otherwise."""

_STALE_SECONDS = 86_400.0


@dataclass(frozen=True)
class Warm:
    """A warm tree while it is held."""

    tree: TreeId
    folder: Path
    built: bool
    """Whether its own warming commands succeeded; above one that did not, everything after the error is cold."""


class WarmTrees:
    """The warm trees below ``root``, a folder of Greenloop's own, for one ``kind`` of build.

    ``kind`` names everything on which the leftovers depend: the toolchain's fingerprint and how far it builds;
    ``richer`` are kinds that go further and serve as well. ``commands`` make a materialised tree warm; without any
    the trees are merely materialised.
    """

    def __init__(
        self,
        root: Path,
        *,
        kind: str,
        store: TreeStore,
        sandbox: Sandbox,
        commands: Sequence[Command],
        richer: Sequence[str] = (),
        products: frozenset[str] | None = frozenset(),
        keep: int = _KEEP,
    ) -> None:
        """``products`` names the entries at the tree's root that its build may leave; ``None`` means all."""
        self._root = root
        self._kind = kind
        self._kinds = (kind, *richer)
        self._store = store
        self._sandbox = sandbox
        self._commands = tuple(commands)
        self._products = products
        self._keep = max(1, keep)

    @contextmanager
    def near(self, tree: TreeId) -> Iterator[Warm]:
        """Hold the nearest warm tree, which is made when there is none near enough.

        Raises ``InfrastructureError`` when the sandbox failed, ``EnvironmentFault`` when the disk did.
        """
        with named_io_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
        found = self._hold_nearest(tree)
        if found is None:
            # one at a time: whoever waited may find that the other's will do
            with _locked(self._root / f"{self._kind}.making"):
                found = self._hold_nearest(tree)
                if found is None:
                    found = self._make(tree)
        handle, warm = found
        try:
            yield warm
        finally:
            os.close(handle)

    @contextmanager
    def exact(self, tree: TreeId) -> Iterator[Warm]:
        """Hold ``tree`` itself warm; it is made when it is not there."""
        with named_io_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
        with _locked(self._root / f"{self._kind}.making"):
            handle, warm = self._make(tree)
        try:
            yield warm
        finally:
            os.close(handle)

    def run_over(self, warm: Warm, tree: TreeId, commands: Sequence[Command]) -> tuple[Completed, ...]:
        """Run commands over ``tree``, laid as its changes above a warm tree that is held."""
        changes = self._store.changes(warm.tree, tree)
        written = [change.path for change in changes if change.new is not None]
        gone = [change.path for change in changes if change.new is None]
        with self._materialised(tree, written) as delta:
            return self._sandbox.run_over(
                warm.folder, delta=delta if written else None, deletions=gone, commands=commands
            )

    def run_clean(self, tree: TreeId, commands: Sequence[Command]) -> tuple[Completed, ...]:
        """Run commands over ``tree`` with nothing built, and leave nothing."""
        with self._materialised(tree, None) as folder:
            return self._sandbox.run_over(folder, delta=None, deletions=(), commands=commands)

    @contextmanager
    def _materialised(self, tree: TreeId, paths: Sequence[str] | None) -> Iterator[Path]:
        with named_io_errors(self._root):
            holder = tempfile.TemporaryDirectory(prefix=".delta-", dir=self._root)
        with holder as folder:
            self._store.materialise(tree, Path(folder, "w"), paths)
            Path(folder, "w").mkdir(exist_ok=True)
            yield Path(folder, "w")

    def _hold_nearest(self, tree: TreeId) -> tuple[int, Warm] | None:
        """Return the nearest one that is near enough, its lock held shared."""
        bound = min(MAX_DISTANCE, max(4, len(self._store.files(tree)) // 2))
        candidates: list[tuple[int, str, TreeId]] = []
        for kind in self._kinds:
            for folder in self._root.glob(f"{kind}-*/"):
                base = folder.name.removeprefix(f"{kind}-")
                if base in self._store:
                    distance = len(self._store.changes(base, tree))
                    if distance <= bound:
                        candidates.append((distance, kind, base))
        for _, kind, base in sorted(candidates):
            held = self._hold(kind, base)
            if held is not None:
                return held
        return None

    def _hold(self, kind: str, tree: TreeId) -> tuple[int, Warm] | None:
        """Return a warm tree with its lock held shared, or ``None`` when it is not there (any more)."""
        folder = self._root / f"{kind}-{tree}"
        lock = folder.with_name(f"{folder.name}.lock")
        handle = _acquire(lock, fcntl.LOCK_SH)
        if not folder.is_dir():
            os.close(handle)
            return None
        os.utime(lock)
        return handle, Warm(tree, folder / "w", built=(folder / "built").exists())

    def _make(self, tree: TreeId) -> tuple[int, Warm]:
        """Build ``tree`` unless it is there, and return it held. The caller holds the lock for making."""
        folder = self._root / f"{self._kind}-{tree}"
        while True:
            held = self._hold(self._kind, tree)
            if held is not None:
                self._evict()
                return held
            handle = _acquire(folder.with_name(f"{folder.name}.lock"), fcntl.LOCK_EX)
            try:
                if not folder.is_dir():
                    self._build(tree, folder)
            finally:
                os.close(handle)

    def _build(self, tree: TreeId, folder: Path) -> None:
        """Materialise and build in a folder of another name, then give it its own."""
        with named_io_errors(self._root):
            for leftover in self._root.glob(f".{folder.name}.*"):
                _discard(leftover)
            fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=self._root))
        try:
            self._store.materialise(tree, fresh / "w")
            (fresh / "w").mkdir(exist_ok=True)
            built = True
            if self._commands:
                # a build that fails, or that takes longer than its limit, leaves what it has: all the same a start
                built = all(done.ok for done in self._sandbox.run_in(fresh / "w", self._commands, keep_going=True))
                self._restore(tree, fresh / "w")
            with named_io_errors(self._root):
                if built:
                    (fresh / "built").touch()
                fresh.rename(folder)
        except BaseException:
            _discard(fresh)
            raise

    def _restore(self, tree: TreeId, folder: Path) -> None:
        """Put sources back that the build has changed, and remove what it has left outside of its products.

        The build was not trusted: no link that it may have put in the place of a folder is followed.
        """
        files = self._store.files(tree)
        with named_io_errors(folder):
            parents = {str(parent) for path in files for parent in PurePosixPath(path).parents} - {"."}
            for parent in sorted(parents):
                at = folder / parent
                if at.is_symlink() or (at.exists() and not at.is_dir()):
                    at.unlink()
            changed = [path for path, entry in files.items() if not self._unchanged(folder / path, entry)]
            for path in changed:
                if (folder / path).is_dir() and not (folder / path).is_symlink():
                    _discard(folder / path)
            if self._products is not None:
                _remove_strays(folder, keep=files.keys() | parents, products=self._products)
        self._store.materialise(tree, folder, changed)

    def _unchanged(self, at: Path, entry: Entry) -> bool:
        if entry.mode is Mode.LINK or at.is_symlink() or not at.is_file():
            return False
        return at.read_bytes() == self._store.read_blob(entry.blob)

    def _evict(self) -> None:
        """Remove the warm trees that were used longest ago, of every kind, unless somebody holds them."""
        used: list[tuple[float, Path]] = []
        for lock in self._root.glob("*-*.lock"):
            with suppress(FileNotFoundError):
                used.append((lock.stat().st_mtime, lock))
        for _, lock in sorted(used, reverse=True)[self._keep :]:
            with _locked(lock, wait=False) as got:
                if got:
                    folder = lock.with_suffix("")
                    if folder.is_dir():
                        # renamed first: a kill half way must not leave a damaged folder under a good name
                        doomed = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=self._root))
                        folder.rename(doomed / "old")
                        _discard(doomed)
                    lock.unlink(missing_ok=True)
        for leftover in self._root.glob(".*/"):
            # what a killed process left; a living one is done with its own long before
            with suppress(FileNotFoundError):
                if time.time() - leftover.stat().st_mtime > _STALE_SECONDS:
                    _discard(leftover)


def _acquire(lock: Path, how: int) -> int:
    """Lock the file at ``lock``, created when missing, and return its handle; closing that lets go.

    Waits, unless ``how`` holds ``LOCK_NB``: then ``BlockingIOError`` when somebody holds it.
    """
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, how)
            if lock.exists() and os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
        except BaseException:
            os.close(handle)
            raise
        # evicted while we waited: this file is no longer the lock that the others see
        os.close(handle)


@contextmanager
def _locked(lock: Path, *, wait: bool = True) -> Iterator[bool]:
    """Hold a lock exclusively; without ``wait`` tell whether it was to be had."""
    try:
        handle = _acquire(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        yield False
        return
    try:
        yield True
    finally:
        os.close(handle)


def _remove_strays(folder: Path, *, keep: AbstractSet[str], products: AbstractSet[str]) -> None:
    """Remove every file and folder whose path is not in ``keep``, but for ``products`` at the root."""
    for at, folders, files in os.walk(folder):
        here = Path(at)
        for name in [*folders, *files]:
            path = (here / name).relative_to(folder).as_posix()
            if path in keep or path in products:
                continue
            if (here / name).is_dir() and not (here / name).is_symlink():
                _discard(here / name)
            else:
                (here / name).unlink()
        folders[:] = [name for name in folders if (here / name).relative_to(folder).as_posix() in keep]


def _discard(folder: Path) -> None:
    """Remove a folder in which a build may have taken permissions away, even from itself."""
    for at, folders, _ in os.walk(folder):
        for name in folders:
            if not (Path(at) / name).is_symlink():
                (Path(at) / name).chmod(0o700)
    shutil.rmtree(folder)
