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

import os
import tempfile
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from greenloop.builds.locks import alone, locked
from greenloop.builds.sandbox.policy import Command, Completed, Sandbox
from greenloop.builds.shelf import Hold, Place, Shelf, complete, delta_folder, discard
from greenloop.builds.stop import Stop
from greenloop.records import TreeId
from greenloop.storage import named_io_errors
from greenloop.workspace.store import Entry, Mode, TreeStore

MAX_DISTANCE = 32
"""Changed paths beyond which a fresh warm build pays: by then most of a usual project is built anew."""

_KEEP = 3
"""Warm trees kept, of all toolchains together, unless the caller says otherwise."""


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
    the trees are merely materialised. With ``settle`` they are run once more where they succeeded: a build system that
    has just written a file does not yet trust its timestamp, and would hash all of them again in every run above.
    """

    def __init__(
        self,
        root: Path,
        *,
        kind: str,
        store: TreeStore,
        sandbox: Sandbox,
        commands: Sequence[Command],
        settle: bool = False,
        richer: Sequence[str] = (),
        products: frozenset[str] | None = frozenset(),
        keep: int = _KEEP,
    ) -> None:
        """``products`` names the entries at the tree's root that its build may leave; ``None`` means all."""
        self._root = root
        self._kind = kind
        self._kinds = (kind, *richer)
        self._shelf = Shelf(root)
        self._store = store
        self._sandbox = sandbox
        self._commands = tuple(commands)
        self._settle = settle
        self._products = products
        self._keep = max(1, keep)

    @contextmanager
    def near(self, tree: TreeId, base: TreeId | None = None, stop: Stop | None = None) -> Iterator[Warm]:
        """Hold the nearest warm tree, which is made when there is none near enough.

        With ``base`` hold the warm build of that tree and of no other, however far it is, made when it is missing.

        Raises ``InfrastructureError`` when the sandbox failed, ``EnvironmentFault`` when the disk did, ``Cancelled``
        when ``stop`` was requested before it was there; then nothing is left half made.
        """
        if base is not None:
            with self.exact(base, stop) as warm:
                yield warm
            return
        with named_io_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
        found = self._hold_nearest(tree)
        if found is None:
            # one at a time: whoever waited may find that the other's will do
            with locked(self._making, stop):
                found = self._hold_nearest(tree) or self._make(tree, stop)
        with found as hold:
            yield _warm(hold)

    @contextmanager
    def exact(self, tree: TreeId, stop: Stop | None = None) -> Iterator[Warm]:
        """Hold ``tree`` itself warm, as far as this kind goes or farther; it is made when it is not there."""
        with named_io_errors(self._root):
            self._root.mkdir(parents=True, exist_ok=True)
        found = self._hold_exact(tree, stop)
        if found is None:
            # its own lock alone: who wants another tree need not wait
            found = self._make(tree, stop)
        with found as hold:
            yield _warm(hold)

    @property
    def _making(self) -> Path:
        return self._root / f"{self._kind}.making"

    def _place(self, kind: str, tree: TreeId) -> Place:
        return Place(kind, tree, self._root / f"{kind}-{tree}")

    def run_over(
        self, warm: Warm, tree: TreeId, commands: Sequence[Command], stop: Stop | None = None
    ) -> tuple[Completed, ...]:
        """Run commands over ``tree``, laid as its changes above a warm tree that is held.

        Raises ``Cancelled`` when ``stop`` is requested meanwhile; the commands are killed.
        """
        changes = self._store.changes(warm.tree, tree)
        written = [change.path for change in changes if change.new is not None]
        gone = [change.path for change in changes if change.new is None]
        with self._materialised(tree, written) as delta:
            return self._sandbox.run_over(
                warm.folder, delta=delta if written else None, deletions=gone, commands=commands, stop=stop
            )

    def run_clean(self, tree: TreeId, commands: Sequence[Command], stop: Stop | None = None) -> tuple[Completed, ...]:
        """Run commands over ``tree`` with nothing built, and leave nothing."""
        with self._materialised(tree, None) as folder:
            return self._sandbox.run_over(folder, delta=None, deletions=(), commands=commands, stop=stop)

    @contextmanager
    def _materialised(self, tree: TreeId, paths: Sequence[str] | None) -> Iterator[Path]:
        with delta_folder(self._root) as folder:
            self._store.materialise(tree, folder / "w", paths)
            (folder / "w").mkdir(exist_ok=True)
            yield folder / "w"

    def _hold_nearest(self, tree: TreeId) -> Hold | None:
        """Return the nearest one that is near enough, held."""
        bound = min(MAX_DISTANCE, max(4, len(self._store.files(tree)) // 2))
        candidates: list[tuple[int, int, Place]] = []
        for place in self._shelf.places():
            if place.kind in self._kinds and place.tree in self._store:
                distance = len(self._store.changes(place.tree, tree))
                if distance <= bound:
                    candidates.append((distance, self._kinds.index(place.kind), place))
        for _, _, place in sorted(candidates, key=lambda one: (one[0], one[1], one[2].tree)):
            held = self._shelf.hold(place)
            if held is not None:
                return held
        return None

    def _hold_exact(self, tree: TreeId, stop: Stop | None) -> Hold | None:
        for kind in self._kinds:
            place = self._place(kind, tree)
            held = self._shelf.hold(place, stop) if place.folder.is_dir() else None
            if held is not None:
                return held
        return None

    def _make(self, tree: TreeId, stop: Stop | None) -> Hold:
        """Build ``tree`` unless it is there, and return it held. The caller holds the lock for making."""
        place = self._place(self._kind, tree)
        while True:
            held = self._shelf.hold(place, stop)
            if held is not None:
                self._evict()
                return held
            handle = alone(place.lock, stop)
            try:
                if not place.folder.is_dir():
                    self._build(tree, place.folder, stop)
            finally:
                os.close(handle)

    def _build(self, tree: TreeId, folder: Path, stop: Stop | None) -> None:
        """Materialise and build in a folder of another name, then give it its own."""
        with named_io_errors(self._root):
            for leftover in self._root.glob(f".{folder.name}.*"):
                discard(leftover)
            fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=self._root))
        try:
            self._store.materialise(tree, fresh / "w")
            (fresh / "w").mkdir(exist_ok=True)
            built = True
            if self._commands:
                # a build that fails, or that takes longer than its limit, leaves what it has: all the same a start
                completed = self._sandbox.run_in(fresh / "w", self._commands, keep_going=True, stop=stop)
                built = all(done.ok for done in completed)
                if built and self._settle:
                    self._sandbox.run_in(fresh / "w", self._commands, stop=stop)
                self._restore(tree, fresh / "w")
            with named_io_errors(self._root):
                if built:
                    (fresh / "built").touch()
                complete(fresh)
                fresh.rename(folder)
        except BaseException:
            discard(fresh)
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
                    discard(folder / path)
            if self._products is not None:
                _remove_strays(folder, keep=files.keys() | parents, products=self._products)
        self._store.materialise(tree, folder, changed)

    def _unchanged(self, at: Path, entry: Entry) -> bool:
        if entry.mode is Mode.LINK or at.is_symlink() or not at.is_file():
            return False
        return at.read_bytes() == self._store.read_blob(entry.blob)

    def _evict(self) -> None:
        """Remove the warm trees that were used longest ago, of every kind, unless somebody holds them."""
        for place in self._shelf.used()[self._keep :]:
            self._shelf.remove(place)
        self._shelf.sweep()


def _warm(hold: Hold) -> Warm:
    return Warm(hold.tree, hold.folder / "w", built=(hold.folder / "built").exists())


def _remove_strays(folder: Path, *, keep: AbstractSet[str], products: AbstractSet[str]) -> None:
    """Remove every file and folder whose path is not in ``keep``, but for ``products`` at the root."""
    for at, folders, files in os.walk(folder):
        here = Path(at)
        for name in [*folders, *files]:
            path = (here / name).relative_to(folder).as_posix()
            if path in keep or path in products:
                continue
            if (here / name).is_dir() and not (here / name).is_symlink():
                discard(here / name)
            else:
                (here / name).unlink()
        folders[:] = [name for name in folders if (here / name).relative_to(folder).as_posix() in keep]
