"""What a working copy knows between two readings: its areas, their indexes, and the tree that they stand for."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from greenloop.records import TreeId
from greenloop.workspace.browse import entry_of
from greenloop.workspace.folders import Folder, is_file, is_folder, oid_of
from greenloop.workspace.store import Entry, TreeStore
from greenloop.workspace.vcs import kept
from greenloop.workspace.vcs.area import Area, FileStamp
from greenloop.workspace.vcs.examine import Examiner
from greenloop.workspace.vcs.listing import Skipped, shown
from greenloop.workspace.vcs.place import Place
from greenloop.workspace.vcs.private_index import PrivateIndex

_AREAS = "areas"
_NOTHING: Folder = {}


class Known:
    """Nothing at first. ``purpose`` says what is read and how: what was kept for another one is not used."""

    def __init__(
        self, root: Path, place: Place, store: TreeStore, cache: Path, examiner: Examiner, purpose: str
    ) -> None:
        self.root = root
        self.root_bytes = os.fsencode(root)
        self.place = place
        self.store = store
        self.cache = cache
        self.examiner = examiner
        self._purpose = purpose
        self._at: tuple[TreeId, dict[bytes, Folder]] = ("", {})
        self.forget()

    def forget(self) -> None:
        """Know nothing: the next reading reads every file."""
        self.fresh = True
        """Nothing is known of what was there before."""
        self.looked = False
        """The folder was looked at since the start: only then does what a watcher tells make a difference."""
        self.tree: TreeId = self.store.empty
        self.areas: dict[bytes, Area] = {}
        self.closed: dict[bytes, str] = {}
        """Nested repositories that are left out, and why."""
        self.folders: set[bytes] = {b""}
        """Every folder with files in the tree: what costs memory by size, though not by files."""
        self.passed_over: set[bytes] = set()
        """Folders that hold a repository which is no part of the tree."""
        self.unlisted: tuple[Skipped, ...] = ()
        """What cannot even be listed."""
        self.ignore_files: frozenset[FileStamp] | None = None
        self.examiner.forget()
        self._names = 0

    def resume(self) -> None:
        """Know again what ``save`` kept, if all of it is there and whole."""
        self.forget()
        was = kept.load(self.cache, self._purpose)
        if was is None or was.tree not in self.store:
            return
        for part in was.areas:
            area = self._open(part.prefix, part.vcs, part.folder, part.number)
            if area is None or not area.index.whole():
                self.forget()
                return
            self.areas[part.prefix] = area
            for path in area.index.paths().records():
                self.add_folders(area.outward(path))
        self.tree, self.fresh = was.tree, False
        for path in was.again:
            area = self.owner(path)
            if area is not None:
                area.behind.add(path)
        self.examiner.out = dict(was.out)

    def save(self) -> None:
        """Keep the tree and the indexes, which now stand for it, and delete what they replace."""
        parts = tuple(
            kept.KeptArea(area.prefix, area.vcs, area.folder, area.index.number) for area in self.areas.values()
        )
        again = tuple(path for area in self.areas.values() for path in area.behind)
        kept.save(self.cache, kept.Kept(self._purpose, self.tree, parts, again, self.examiner.out))
        for area in self.areas.values():
            area.index.drop_others()
        used = {area.folder for area in self.areas.values()}
        for folder in (self.cache / _AREAS).iterdir():
            if folder.name not in used:
                shutil.rmtree(folder, ignore_errors=True)

    def _open(self, prefix: bytes, vcs: str, folder: str, number: int) -> Area | None:
        top, inside = self.root / os.fsdecode(prefix), b""
        if not prefix:
            top = self.place.root
            inside = b"" if top == self.root else os.fsencode(self.root.relative_to(top)) + b"/"
        self._names = max(self._names, int(folder) + 1)
        index = PrivateIndex(self.cache / _AREAS / folder, top, self.store.path / "objects", number)
        try:
            return Area(prefix, vcs, top, inside, index, folder)
        except OSError:
            return None  # its repository is gone

    def add_area(self, prefix: bytes, vcs: str) -> Area | None:
        """Add an area of which nothing is known; ``None`` when its repository cannot be found."""
        folder = str(self._names)
        shutil.rmtree(self.cache / _AREAS / folder, ignore_errors=True)
        area = self._open(prefix, vcs, folder, 0)
        if area is not None:
            self.areas[prefix] = area
        return area

    def owner(self, path: bytes) -> Area | None:
        """Return the area that a path belongs to; ``None`` in a repository that is left out."""
        best = b""
        if len(self.areas) > 1 or self.closed:
            for prefix in (*self.areas, *self.closed):
                if len(prefix) > len(best) and path.startswith(prefix):
                    best = prefix
        return self.areas.get(best)

    def add_folders(self, path: bytes) -> None:
        """Note the folders that ``path`` lies in."""
        parent = path.rpartition(b"/")[0]
        while parent not in self.folders:
            self.folders.add(parent)
            parent = parent.rpartition(b"/")[0]

    def entry(self, path: bytes) -> Entry | None:
        """Return the file that the tree holds at ``path``."""
        piece = self._piece(path)
        return entry_of(piece) if piece is not None and is_file(piece) else None

    def holds_folder(self, path: bytes) -> bool:
        """Say whether the tree holds a folder at ``path``."""
        return is_folder(self._piece(path))

    def below(self, folder: bytes) -> Iterator[bytes]:
        """Yield the files that the tree holds below ``folder``."""
        piece = self._piece(folder)
        if piece is not None and is_folder(piece):
            for path in self.store.walk(oid_of(piece)):
                yield folder + b"/" + os.fsencode(path)

    def _piece(self, path: bytes) -> bytes | None:
        parent, _, name = path.rpartition(b"/")
        return self._folder(parent).get(name)

    def _folder(self, path: bytes) -> Folder:
        """Return what the tree holds directly in a folder. Of paths that lie together, the way is gone once."""
        if self._at[0] != self.tree:
            self._at = (self.tree, {b"": self.store.pieces(self.tree)})
        found = self._at[1].get(path)
        if found is None:
            piece = self._piece(path)
            found = self.store.pieces(oid_of(piece)) if piece is not None and is_folder(piece) else _NOTHING
            self._at[1][path] = found
        return found

    def skipped(self) -> tuple[Skipped, ...]:
        """Return all that is left out."""
        closed = (Skipped(shown(prefix), reason) for prefix, reason in sorted(self.closed.items()))
        return (*self.examiner.skipped(), *closed, *self.unlisted)
