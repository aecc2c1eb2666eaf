"""The tree store: Greenloop's own bare git object database, outside any user's repository.

Holds blobs and trees only: no commit, no branch, no index. Git object formats come from libgit2.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

import pygit2
from pygit2.enums import FileMode

from greenloop.records import BlobId, EnvironmentFault, InputError, TreeId
from greenloop.storage import named_io_errors


class Mode(IntEnum):
    """The kinds of file a tree can hold. Submodules (160000) are never stored."""

    FILE = FileMode.BLOB
    EXECUTABLE = FileMode.BLOB_EXECUTABLE
    LINK = FileMode.LINK


@dataclass(frozen=True, slots=True)
class Entry:
    """A file in a tree: its mode and the blob that holds its bytes (for a link, its target)."""

    mode: Mode
    blob: BlobId


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs between two trees; ``None`` where it does not exist."""

    path: str
    old: Entry | None
    new: Entry | None


_CACHED_TREES = 4096
_CACHED_BLOBS = 64
"""How many objects are kept in memory once read: trees are small, files of up to a megabyte are not."""


class TreeStore:
    """Trees and blobs by their ids, in a bare git object database at ``path`` (created when missing).

    Raises ``EnvironmentFault`` when ``path`` cannot be written, ``InputError`` when an id is unknown.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # objects never change, and a history asks for each tree and file as the new one, then as the old one
        self._tree = lru_cache(_CACHED_TREES)(self._read_tree)
        self._blob = lru_cache(_CACHED_BLOBS)(self._read_blob)
        with named_io_errors(path):
            if not (path / "HEAD").exists():
                path.mkdir(parents=True, exist_ok=True)
                pygit2.init_repository(str(path), bare=True)
        try:
            self._repo = pygit2.Repository(str(path))
            self._odb = self._repo.odb
        except pygit2.GitError as error:
            raise EnvironmentFault(
                f"{path}: no tree store: {error}", "move it away and run the command again"
            ) from error

    def write_blob(self, content: bytes) -> BlobId:
        """Store ``content`` unless it is there, and return its id."""
        oid = pygit2.hash(content)
        # asked of the object database: the repository would read and inflate the object to answer
        if oid not in self._odb:
            with self._named(f"cannot store {len(content)} bytes"):
                oid = self._repo.create_blob(content)
        return str(oid)

    def read_blob(self, blob: BlobId) -> bytes:
        """Return the bytes of a blob."""
        return self._blob(blob)

    def _read_blob(self, blob: BlobId) -> bytes:
        found = self._object(blob)
        if not isinstance(found, pygit2.Blob):
            raise InputError(f"{blob} is no blob in {self.path}")
        return found.data

    def write_tree(self, files: Mapping[str, Entry]) -> TreeId:
        """Store a tree of ``files`` (path → entry) and return its id."""
        return self.update(self.empty, files)

    @cached_property
    def empty(self) -> TreeId:
        """The id of the tree without files."""
        return str(self._repo.TreeBuilder().write())

    def update(self, tree: TreeId, changes: Mapping[str, Entry | None]) -> TreeId:
        """Return ``tree`` with ``changes`` made; ``None`` deletes. Cost follows the changes, not the tree.

        Raises ``InputError`` when a path runs through a file, or a file stands where a folder is needed.
        """
        # deletions go first, so that a file may give way to a folder of its name, and the reverse
        deletions = {path: None for path, entry in changes.items() if entry is None}
        additions = {path: entry for path, entry in changes.items() if entry is not None}
        with self._named("cannot store a tree"):
            for some in (deletions, additions):
                if some:
                    written = self._write_folder(self._tree(tree), _nest(some))
                    tree = self.empty if written is None else str(written)
        return tree

    def _write_folder(self, old: pygit2.Tree | None, changes: Mapping[str, object]) -> pygit2.Oid | None:
        builder = self._repo.TreeBuilder(old) if old is not None else self._repo.TreeBuilder()
        for name, change in changes.items():
            present = builder.get(name)
            if isinstance(change, dict):
                if isinstance(present, pygit2.Blob) and any(True for _ in _entries(change)):
                    raise InputError(f"{name} is a file, not a folder")
                subtree = present if isinstance(present, pygit2.Tree) else None
                written = self._write_folder(subtree, change)
                if written is not None:
                    builder.insert(name, written, FileMode.TREE)
                elif subtree is not None:
                    builder.remove(name)
            elif isinstance(present, pygit2.Tree):
                raise InputError(f"{name} is a folder, not a file")
            elif isinstance(change, Entry):
                builder.insert(name, pygit2.Oid(hex=change.blob), FileMode(int(change.mode)))
            elif present is not None:
                builder.remove(name)
        return builder.write() if len(builder) else None

    def files(self, tree: TreeId) -> dict[str, Entry]:
        """Return every file of a tree, path → entry, in the order of git (bytes of the path)."""
        return dict(self._walk(self._tree(tree), ""))

    def _walk(self, tree: pygit2.Tree, prefix: str) -> Iterator[tuple[str, Entry]]:
        for item in _fit(tree):
            if isinstance(item, pygit2.Tree):
                yield from self._walk(item, f"{prefix}{item.name}/")
            elif isinstance(item, pygit2.Blob):
                yield f"{prefix}{item.name}", Entry(Mode(int(item.filemode)), str(item.id))

    def entry(self, tree: TreeId, path: str) -> Entry | None:
        """Return the file at ``path``, or ``None`` when there is none (or a folder)."""
        try:
            item = self._tree(tree)[path]
        except KeyError:
            return None
        return Entry(Mode(int(item.filemode)), str(item.id)) if isinstance(item, pygit2.Blob) else None

    def folders(self, tree: TreeId) -> tuple[TreeId, ...]:
        """Return the ids of the folders directly in a tree: each is a tree itself."""
        return tuple(str(item.id) for item in _fit(self._tree(tree)) if isinstance(item, pygit2.Tree))

    def is_folder(self, tree: TreeId, path: str) -> bool:
        """Say whether a folder is at ``path``: in a tree, folders are never empty."""
        try:
            return isinstance(self._tree(tree)[path], pygit2.Tree)
        except KeyError:
            return False

    def read(self, tree: TreeId, path: str) -> bytes | None:
        """Return the bytes of the file at ``path``, or ``None`` when there is none."""
        entry = self.entry(tree, path)
        return None if entry is None else self.read_blob(entry.blob)

    def changes(self, old: TreeId, new: TreeId) -> tuple[Change, ...]:
        """Return the paths that differ, sorted. Equal folders are skipped unread; renames are not guessed."""
        found = list(self._compare(self._tree(old), self._tree(new), ""))
        return tuple(sorted(found, key=lambda change: change.path))

    def _compare(self, old: pygit2.Tree | None, new: pygit2.Tree | None, prefix: str) -> Iterator[Change]:
        if old is not None and new is not None and old.id == new.id:
            return
        olds = {item.name: item for item in _fit(old)}
        news = {item.name: item for item in _fit(new)}
        for name in olds.keys() | news.keys():
            before, after = olds.get(name), news.get(name)
            path = f"{prefix}{name}"
            if isinstance(before, pygit2.Tree) or isinstance(after, pygit2.Tree):
                yield from self._compare(
                    before if isinstance(before, pygit2.Tree) else None,
                    after if isinstance(after, pygit2.Tree) else None,
                    f"{path}/",
                )
            was = Entry(Mode(int(before.filemode)), str(before.id)) if isinstance(before, pygit2.Blob) else None
            now = Entry(Mode(int(after.filemode)), str(after.id)) if isinstance(after, pygit2.Blob) else None
            if was != now:
                yield Change(path, was, now)

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
            self._collect(self._tree(tree), wanted)

        def add(builder: pygit2.PackBuilder) -> None:
            for oid in sorted(wanted):
                builder.add(pygit2.Oid(hex=oid))

        with named_io_errors(path), tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            with self._named(f"cannot write {path}"):
                self._repo.pack(scratch, pack_delegate=add, n_threads=1)
            (pack,) = Path(scratch).glob("*.pack")
            # libgit2 writes packs read-only; ours are ordinary files that people copy and delete
            pack.chmod(0o644)
            pack.replace(path)

    def _collect(self, tree: pygit2.Tree, into: set[str]) -> None:
        if str(tree.id) in into:
            return
        into.add(str(tree.id))
        for item in tree:
            if isinstance(item, pygit2.Tree):
                self._collect(item, into)
            else:
                into.add(str(item.id))

    def import_pack(self, path: Path) -> None:
        """Add all objects of a pack that ``export_pack`` wrote.

        Raises ``InputError`` when the file is no pack or was cut short; then nothing was added.
        """
        if not path.is_file():
            raise InputError(f"{path}: no such pack", "is the dataset folder complete?")
        with path.open("rb") as pack:
            # index-pack checks every object and the trailing checksum before it adds anything
            done = subprocess.run(
                ["git", "index-pack", "--stdin"], stdin=pack, capture_output=True, check=False,
                env={"PATH": os.environ.get("PATH", os.defpath), "GIT_DIR": str(self.path), "LC_ALL": "C"},
            )  # fmt: skip
        if done.returncode != 0:
            raise InputError(
                f"{path}: not a whole git pack: {done.stderr.decode(errors='replace').strip()}",
                "build or fetch the dataset again",
            )
        self._repo = pygit2.Repository(str(self.path))
        self._odb = self._repo.odb

    def __contains__(self, oid: str) -> bool:
        return oid in self._repo

    def _read_tree(self, tree: TreeId) -> pygit2.Tree:
        found = self._object(tree)
        if not isinstance(found, pygit2.Tree):
            raise InputError(f"{tree} is no tree in {self.path}")
        return found

    def _object(self, oid: str) -> pygit2.Object:
        try:
            return self._repo[oid]
        except (KeyError, ValueError) as error:
            raise InputError(f"{oid}: not in the tree store {self.path}", "import the history it belongs to") from error
        except pygit2.GitError as error:
            raise InputError(f"{oid}: damaged in the tree store {self.path}: {error}", _FORGED) from error

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        try:
            yield
        except (pygit2.GitError, OSError) as error:
            raise EnvironmentFault(
                f"{self.path}: {what}: {error}", "is the disk full? nothing that was stored before is lost"
            ) from error


def _fit(tree: pygit2.Tree | None) -> tuple[pygit2.Object, ...]:
    """Return what a folder holds, if its names are single ones that lead nowhere else, each there once.

    A pack from elsewhere can hold any name, ``..`` and ``/etc/x`` among them, and a link beside a folder of its name:
    libgit2 checks what it writes, not what it reads. Raises ``InputError``.
    """
    items = tuple(tree or ())
    names = {item.name for item in items}
    for name in names:
        if name is None or "/" in name or name in {"", ".", ".."} or name.casefold() == ".git":
            raise InputError(f"tree {tree and tree.id}: {name!r} is no name of a file", _FORGED)
    if len(names) < len(items):
        raise InputError(f"tree {tree and tree.id}: a name stands in it twice", _FORGED)
    return items


_FORGED = "no Greenloop wrote this tree: do not trust the dataset that it came with"


def _nest(changes: Mapping[str, Entry | None]) -> dict[str, object]:
    """Turn ``a/b`` → entry into nested folders, ``{"a": {"b": entry}}``."""
    nested: dict[str, object] = {}
    for path, entry in changes.items():
        node = nested
        *folders, name = PurePosixPath(path).parts
        for folder in folders:
            child = node.setdefault(folder, {})
            if not isinstance(child, dict):
                raise InputError(f"{path}: {folder} is both a file and a folder")
            node = child
        if isinstance(node.get(name), dict):
            raise InputError(f"{path} is both a file and a folder")
        node[name] = entry
    return nested


def _entries(nested: Mapping[str, object]) -> Iterator[Entry]:
    for value in nested.values():
        if isinstance(value, dict):
            yield from _entries(value)
        elif isinstance(value, Entry):
            yield value
