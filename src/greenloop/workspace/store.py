"""The tree store: Greenloop's own bare git object database, outside any user's repository.

Holds trees and files, and chains of commits under ``refs/greenloop/`` (see ``workspace.chains``): no branch, no index,
no work tree. Packs are read by libgit2; what ``staged()`` gathers comes from its own file.
"""

import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pygit2
from pygit2.enums import FileMode

from greenloop.records import BlobId, EnvironmentFault, InputError, TreeId
from greenloop.storage import named_io_errors, write_atomically
from greenloop.workspace import own_git
from greenloop.workspace.browse import Browser, Change, entry_of
from greenloop.workspace.durable import Durable
from greenloop.workspace.folders import FORGED, Entry, Folder, Folders, FolderWriter, Mode, is_file, is_folder, oid_of
from greenloop.workspace.soundness import mend_indexes, read_loose
from greenloop.workspace.staging import NAMES, StagedObjects, object_id

__all__ = ["Change", "Entry", "Mode", "TreeStore"]


_TREE, _BLOB = 2, 3
_EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
_CACHED_BLOBS = 64
"""How many files are kept in memory once read; folders are kept by ``Folders``."""


class TreeStore:
    """Trees and blobs by their ids, in a bare git object database at ``path`` (created when missing).

    Raises ``EnvironmentFault`` when ``path`` cannot be written, ``InputError`` when an id is unknown.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # objects never change, and a history asks for each tree and file as the new one, then as the old one
        self._blob = lru_cache(_CACHED_BLOBS)(self._read_blob)
        self._folders = Folders()
        self._browser = Browser(lambda tree: self.raw(tree, _TREE), self._folders)
        with named_io_errors(path):
            _make(path)
            notes = mend_indexes(path / "objects/pack")
        self.durable = Durable(path, notes)
        """Blocks, refs and what is staged: for ``workspace.upkeep``; others use the methods here."""
        self.renew()

    def renew(self) -> None:
        """Open the object database again and forget what was read: objects may have been removed."""
        try:
            self._repo = pygit2.Repository(str(self.path))
            self._odb = self._repo.odb
            # its packs, and its objects with files of their own, by their priorities
            self._own = tuple(self._odb.backends)
        except pygit2.GitError as error:
            raise EnvironmentFault(
                f"{self.path}: no tree store: {error}", "move it away and run the command again"
            ) from error
        self._blob.cache_clear()
        self._folders.clear()

    @contextmanager
    def staged(self) -> Iterator[None]:
        """Gather what this thread writes in the block; at its end all of it is durable at once, with the refs moved.

        When the block raises, nothing of it is kept. Blocks nest. Other stores on the same folder see it afterwards.
        Raises ``EnvironmentFault`` at the end when the disk refuses, ``Conflict`` when a ref was moved meanwhile.
        """
        with self.durable.block(self.renew):
            yield

    def flush(self) -> bool:
        """Move what is staged into a pack, so that any git reads it; return whether there was anything."""
        return self.durable.flush()

    @property
    def staged_bytes(self) -> int:
        """How many bytes are staged: more than some MiB are better flushed."""
        return self.durable.file.size()[0]

    @property
    def staged_since(self) -> float | None:
        """When the oldest of what is staged came, in Unix seconds; ``None`` when nothing is."""
        return self.durable.file.size()[1]

    def refs(self, prefix: str) -> dict[str, str]:
        """Return ref → id of the refs whose names begin with ``prefix``, staged ones too, sorted."""
        return self.durable.refs(prefix)

    def move_ref(self, ref: str, target: str | None, *, was: str | None) -> None:
        """Move a ref at the end of the block that is open; ``None`` deletes it. See ``Chains.move``."""
        self.durable.move_ref(ref, target, was)

    def close(self) -> None:
        """Let go of the staging file. The store may be used again."""
        self.durable.file.close()

    def put(self, kind: int, content: bytes, oid: str | None = None) -> str:
        """Store an object of git's ``kind`` (1 commit, 2 tree, 3 blob): in the block that is open, else as a file.

        ``oid`` is its id, where that is known.
        """
        if self.durable.active:
            return self.durable.put(kind, content, oid)
        with self._named(f"cannot store {len(content)} bytes"):
            return str(self._odb.write(kind, content))

    def raw(self, oid: str, kind: int) -> bytes:
        """Return the bytes of an object of git's ``kind``. Raises ``InputError`` when it is damaged or not there."""
        with self._found(oid):
            found, content = self._content(pygit2.Oid(hex=oid))
        if found != kind:
            raise InputError(f"{oid} is no {NAMES[kind]} in {self.path}")
        if object_id(found, content).hex() != oid:
            raise InputError(f"{oid}: damaged in the tree store {self.path}: its bytes have another hash", FORGED)
        return content

    def _content(self, oid: pygit2.Oid) -> tuple[int, bytes]:
        if str(oid) == _EMPTY:
            return _TREE, b""
        # pygit2's Odb.read looks for names that only begin so, everywhere; and libgit2's "not found" looks twice
        packs, _ = self._own
        for look in (False, True):
            if look:
                packs.refresh()
            if packs.exists(oid):
                return packs.read(oid)
            found = self.durable.find(oid.raw) or read_loose(self.path / "objects", str(oid))
            if found is not None:
                return found
        raise KeyError(str(oid))

    def holds(self, oid: str | pygit2.Oid) -> bool:
        """Say whether an object is there, but for what another process packed a moment ago: to ask for more is slow."""
        name = pygit2.Oid(hex=oid) if isinstance(oid, str) else oid
        return name.raw in self.durable.pending or any(own.exists(name) for own in self._own)

    def check_name(self, name: str) -> None:
        """Raise ``EnvironmentFault`` when libgit2 lets no file have this name: ``..``, or a disguise of ``.git``."""
        with self._named("cannot store a tree"):
            self._repo.TreeBuilder().insert(name, pygit2.Oid(hex=self.empty), FileMode.TREE)

    def write_blob(self, content: bytes) -> BlobId:
        """Store ``content`` unless it is there, and return its id."""
        oid = object_id(_BLOB, content).hex()
        if not (self.holds(oid) if self.durable.active else oid in self):
            return self.put(_BLOB, content, oid)
        return oid

    def read_blob(self, blob: BlobId) -> bytes:
        """Return the bytes of a blob."""
        return self._blob(blob)

    def _read_blob(self, blob: BlobId) -> bytes:
        return self.raw(blob, _BLOB)

    def write_tree(self, files: Mapping[str, Entry]) -> TreeId:
        """Store a tree of ``files`` (path → entry) and return its id."""
        return self.update(self.empty, files)

    @property
    def empty(self) -> TreeId:
        """The id of the tree without files, which is in every store: git and libgit2 know it by heart."""
        return _EMPTY

    def update(self, tree: TreeId, changes: Mapping[str, Entry | None], *, supersede: bool = False) -> TreeId:
        """Return ``tree`` with ``changes`` made; ``None`` deletes. Cost follows the changes, not the tree.

        With ``supersede`` the caller goes on from the new tree: what it replaces gives way in memory first.
        Raises ``InputError`` when a path runs through a file, a file stands where a folder is needed, or a path holds
        what no file name can.
        """
        with self._named("cannot store a tree"):
            writer = FolderWriter(self, self._browser.folder, self._folders, supersede=supersede)
            try:
                return writer.update(tree, changes)
            except UnicodeEncodeError as error:
                raise InputError(f"{error.object!r}: no file can have such a name", "name files in UTF-8") from error

    def files(self, tree: TreeId) -> dict[str, Entry]:
        """Return every file of a tree, path → entry, in the order of git (bytes of the path)."""
        return dict(self._browser.walk(tree))

    def walk(self, tree: TreeId) -> Iterator[str]:
        """Yield the path of every file of a tree, in the order of git; a folder is read once it is come to."""
        return (path for path, _ in self._browser.walk(tree))

    def pieces(self, tree: TreeId) -> Folder:
        """Return what is directly in a tree: name → its piece of the tree (see ``workspace.folders``)."""
        return self._browser.folder(tree)

    def entry(self, tree: TreeId, path: str) -> Entry | None:
        """Return the file at ``path``, or ``None`` when there is none (or a folder)."""
        piece = self._browser.piece(tree, path)
        return entry_of(piece) if piece is not None and is_file(piece) else None

    def folders(self, tree: TreeId) -> tuple[TreeId, ...]:
        """Return the ids of the folders directly in a tree: each is a tree itself."""
        return tuple(oid_of(piece) for piece in self._browser.folder(tree).values() if is_folder(piece))

    def blobs(self, tree: TreeId) -> tuple[BlobId, ...]:
        """Return the ids of the files directly in a tree."""
        return tuple(oid_of(piece) for piece in self._browser.folder(tree).values() if is_file(piece))

    def is_folder(self, tree: TreeId, path: str) -> bool:
        """Say whether a folder is at ``path``: in a tree, folders are never empty."""
        return is_folder(self._browser.piece(tree, path))

    def read(self, tree: TreeId, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, or ``None`` when there is none."""
        entry = self.entry(tree, path)
        return None if entry is None else self.read_blob(entry.blob)

    def changes(self, old: TreeId, new: TreeId) -> tuple[Change, ...]:
        """Return the paths that differ, sorted. Equal folders are skipped unread; renames are not guessed."""
        return tuple(sorted(self._browser.compare(old, new), key=lambda change: change.path))

    def materialise(self, tree: TreeId, folder: Path, paths: Iterable[str] | None = None) -> None:
        """Write the files of ``tree`` (or only ``paths`` of it) below ``folder``, which is created when missing.

        ``folder`` must be Greenloop's own: an existing file is replaced without asking, a link never followed.
        """
        # of a few files in a large tree, their folders alone are read
        wanted = self.files(tree) if paths is None else {path: self._demand(tree, path) for path in paths}
        with named_io_errors(folder):
            for path, entry in wanted.items():
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.is_symlink() or target.exists():
                    target.unlink()
                content = self.read_blob(entry.blob)
                if entry.mode is Mode.LINK:
                    target.symlink_to(content.decode("utf-8", "surrogateescape"))
                else:
                    target.write_bytes(content)
                    target.chmod(0o755 if entry.mode is Mode.EXECUTABLE else 0o644)

    def _demand(self, tree: TreeId, path: str) -> Entry:
        entry = self.entry(tree, path)
        if entry is None:
            raise KeyError(path)
        return entry

    def export_pack(self, trees: Iterable[TreeId], path: Path) -> None:
        """Write ``trees`` with all their files as one git pack at ``path``, replaced as a whole.

        The same trees give the same bytes: objects go in by the order of their ids, in one thread.
        """
        wanted: set[str] = set()
        for tree in trees:
            self._browser.reach(tree, wanted)

        def add(builder: pygit2.PackBuilder) -> None:
            for oid in sorted(wanted):
                builder.add(pygit2.Oid(hex=oid))

        with named_io_errors(path), tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            with self._named(f"cannot write {path}"):
                self._with_staged().pack(scratch, pack_delegate=add, n_threads=1)
            (pack,) = Path(scratch).glob("*.pack")
            # libgit2 writes packs read-only; ours are ordinary files that people copy and delete
            pack.chmod(0o644)
            pack.replace(path)

    def _with_staged(self) -> pygit2.Repository:
        """Return the repository as libgit2 sees it together with what is staged, for the caller alone.

        libgit2 would call Python while it holds a lock of its own, for which other threads wait with the interpreter's:
        in an object database that threads share, that is a deadlock.
        """
        repository = pygit2.Repository(str(self.path))
        own = tuple(repository.odb.backends)
        # libgit2 asks its own two first (priorities 2 and 1)
        repository.odb.add_backend(StagedObjects(self.durable.pending, self.durable.file, own), 0)
        return repository

    def import_pack(self, path: Path) -> None:
        """Add all objects of a pack that ``export_pack`` wrote.

        Raises ``InputError`` when the file is no pack or was cut short; then nothing was added.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such pack", "is the dataset folder complete?")
        with self.durable.guard.writing(), path.open("rb") as pack:
            # index-pack checks every object and the trailing checksum before it adds anything
            done = subprocess.run(
                ["git", "index-pack", "--stdin"], stdin=pack, capture_output=True, check=False,
                env=own_git.environment(self.path),
            )  # fmt: skip
        if done.returncode != 0:
            raise InputError(
                f"{path}: not a whole git pack: {done.stderr.decode(errors='replace').strip()}",
                "build or fetch the dataset again",
            )
        self.renew()

    def __contains__(self, oid: str) -> bool:
        name = pygit2.Oid(hex=oid)
        if oid == _EMPTY or self.holds(name) or self.durable.file.holds(name.raw):
            return True
        # what another process packed a moment ago
        self._own[0].refresh()
        return self.holds(name)

    @contextmanager
    def _found(self, oid: str) -> Iterator[None]:
        try:
            yield
        except KeyError as error:
            raise InputError(f"{oid}: not in the tree store {self.path}", "import the history it belongs to") from error
        except (pygit2.GitError, ValueError, OSError) as error:
            raise InputError(f"{oid}: damaged in the tree store {self.path}: {error}", FORGED) from error

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        try:
            yield
        except (pygit2.GitError, OSError) as error:
            raise EnvironmentFault(
                f"{self.path}: {what}: {error}", "is the disk full? nothing that was stored before is lost"
            ) from error


def _make(path: Path) -> None:
    """Make an empty repository, unless there is one: git's smallest, whose HEAD comes last.

    libgit2 would leave a lock behind when it is killed meanwhile, and a store that nobody can open.
    """
    if (path / "HEAD").exists():
        return
    for folder in ("objects/pack", "objects/info", "refs/heads"):
        (path / folder).mkdir(parents=True, exist_ok=True)
    write_atomically(path / "config", _CONFIG)
    write_atomically(path / "HEAD", b"ref: refs/heads/master\n")


_CONFIG = b"""[core]
\trepositoryformatversion = 0
\tfilemode = true
\tbare = true
[gc]
\tauto = 0
"""
"""git is not to remove anything on its own: ``workspace.upkeep`` knows what is staged."""
