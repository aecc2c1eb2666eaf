"""Applying an edit to a tree: atomic over all its files, each place found uniquely, never outside the tree.

This is the only code that applies edits. It yields a tree; files on disk are ``workspace.writeback``'s.
"""

from dataclasses import dataclass

from greenloop.records import (
    DeleteFile,
    Edit,
    EditError,
    FileEdit,
    RenameFile,
    ReplaceBlocks,
    Rung,
    TreeId,
    WriteFile,
)
from greenloop.workspace.edits.matching import Match, Target
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.edits.text import decode_text, encode_text
from greenloop.workspace.store import Entry, Mode, TreeStore


@dataclass(frozen=True, slots=True)
class Place:
    """Where a block was put: the line (from 1) at which it starts in the file as that block's edit found it."""

    path: str
    line: int
    rung: Rung


@dataclass(frozen=True, slots=True)
class Applied:
    """The tree to which an edit leads, the worst rung of its blocks, and their places in the edit's order."""

    tree: TreeId
    rung: Rung
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """A file in the making: its bytes are stored only when every file of the edit has succeeded."""

    executable: bool
    content: bytes


def apply(store: TreeStore, tree: TreeId, edit: Edit) -> Applied:
    """Return where ``edit`` leads from ``tree``. All or nothing: a tree is stored only when every part succeeds.

    Raises ``EditError`` with one of the reasons: ``no-match``, ``ambiguous``, ``open-end`` (see
    ``matching``), ``overlap`` (blocks that touch the same lines), ``no-file``, ``exists``, ``link``,
    ``not-a-folder``, ``is-a-folder``, ``binary`` (not UTF-8 text), ``too-large`` (a file over ``MAX_LINES``),
    ``empty`` (an edit that says nothing); or those of ``check_path``. ``InputError`` when ``tree`` is unknown.
    """
    if not edit.files:
        raise EditError("the edit names no file", reason="empty")
    making = _Making(store, tree)
    for file in edit.files:
        making.change(file)
    rung = max((place.rung for place in making.places), default=Rung.EXACT)
    return Applied(making.finish(), rung, tuple(making.places))


class _Making:
    """The files of a tree with the changes made so far laid over them."""

    def __init__(self, store: TreeStore, tree: TreeId) -> None:
        self.store = store
        self.tree = tree
        self.files: dict[str, _File | None] = {}
        self.places: list[Place] = []

    def change(self, file: FileEdit) -> None:
        path = check_path(file.path)
        present = self._find(path)
        if isinstance(file, ReplaceBlocks):
            self.files[path] = self._replace(file, present)
        elif isinstance(file, WriteFile):
            if present is not None:
                decode_text(present.content, path)
            was = present is not None and present.executable
            executable = was if file.executable is None else file.executable
            self.files[path] = _File(executable, encode_text(file.content, path))
        elif present is None:
            raise self._missing(path)
        elif isinstance(file, DeleteFile):
            self.files[path] = None
        elif isinstance(file, RenameFile):
            new_path = check_path(file.new_path)
            if new_path == path:
                raise EditError(f"{new_path}: exists already", "choose another name", reason="exists")
            # gone first: a file may move into a folder of its own name, or take the place of the folder it was in
            self.files[path] = None
            if self._find(new_path) is not None:
                raise EditError(f"{new_path}: exists already", "choose another name", reason="exists")
            self.files[new_path] = present

    def _missing(self, path: str) -> EditError:
        return EditError(f"{path}: no such file in the tree", "check the path", reason="no-file")

    def _find(self, path: str) -> _File | None:
        """Return the file at ``path``. Raises ``EditError`` when a link or a file is on the way."""
        folders = [path[:at] for at, char in enumerate(path) if char == "/"]
        for folder in folders:
            if folder in self.files:
                blocked = self.files[folder] is not None
            else:
                entry = self.store.entry(self.tree, folder)
                if entry is not None and entry.mode is Mode.LINK:
                    raise EditError(f"{path}: {folder} is a symbolic link", "name the real file", reason="link")
                blocked = entry is not None
            if blocked:
                raise EditError(f"{path}: {folder} is a file, not a folder", reason="not-a-folder")
        if self._is_folder(path):
            raise EditError(f"{path}: a folder, not a file", "name a file", reason="is-a-folder")
        if path in self.files:
            return self.files[path]
        entry = self.store.entry(self.tree, path)
        if entry is None:
            return None
        if entry.mode is Mode.LINK:
            raise EditError(f"{path}: a symbolic link", "name the real file", reason="link")
        return _File(entry.mode is Mode.EXECUTABLE, self.store.read_blob(entry.blob))

    def _is_folder(self, path: str) -> bool:
        inside = path + "/"
        if any(file is not None and other.startswith(inside) for other, file in self.files.items()):
            return True
        if not self.store.is_folder(self.tree, path):
            return False
        # the edit may have emptied the folder; rare, so that walking the tree for it is fine
        return any(other.startswith(inside) and other not in self.files for other in self.store.files(self.tree))

    def _replace(self, file: ReplaceBlocks, present: _File | None) -> _File:
        if not file.blocks and file.executable is None:
            raise EditError(f"{file.path}: an edit that changes nothing", reason="empty")
        creates = len(file.blocks) == 1 and not file.blocks[0].search and file.blocks[0].line is None
        if present is None:
            if not creates:
                raise self._missing(file.path)
            present = _File(False, b"")
        executable = present.executable if file.executable is None else file.executable
        if not file.blocks:
            return _File(executable, present.content)
        target = Target(file.path, decode_text(present.content, file.path))
        matches = [target.match(block) for block in file.blocks]
        self.places += [Place(file.path, match.start + 1, match.rung) for match in matches]
        text = "".join(_replaced(file.path, target.lines, matches))
        return _File(executable, encode_text(text, file.path))

    def finish(self) -> TreeId:
        """Store the files and the tree."""
        changes = {path: None if file is None else self._stored(file) for path, file in self.files.items()}
        present = {path: entry for path, entry in changes.items() if entry is not None or self._in_base(path)}
        return self.store.update(self.tree, present)

    def _in_base(self, path: str) -> bool:
        return self.store.entry(self.tree, path) is not None

    def _stored(self, file: _File) -> Entry:
        mode = Mode.EXECUTABLE if file.executable else Mode.FILE
        return Entry(mode, self.store.write_blob(file.content))


def _replaced(path: str, lines: list[str], matches: list[Match]) -> list[str]:
    """Return ``lines`` with all ``matches`` replaced; they are given in any order and must not overlap."""
    result: list[str] = []
    done = 0
    last: Match | None = None
    for match in sorted(matches, key=lambda match: (match.start, match.end)):
        same_gap = last is not None and match.start == match.end == last.start == last.end
        if match.start < done or same_gap:
            raise EditError(
                f"{path}: two blocks change line {match.start + 1}", "put them into one block", reason="overlap"
            )
        result += lines[done : match.start]
        result += match.replacement
        done, last = match.end, match
    return result + lines[done:]
