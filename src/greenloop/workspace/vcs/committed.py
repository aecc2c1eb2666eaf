"""Gathering the files of a commit into the tree store: what every version control system's reader has in common."""

from collections.abc import Mapping
from dataclasses import dataclass

from greenloop.records import EditError, InputError, TreeId
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.vcs.listing import Skipped, shown

MAX_FILE_BYTES = 1_000_000
"""Files beyond this stay out of a tree, of a commit as of a checkout: else the two would never be alike."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A commit as a tree. ``skipped`` names what of it is not in the tree, and why."""

    tree: TreeId
    commit: str
    """The version control system's own id: 40 hexadecimal digits, 64 where git uses sha256."""
    skipped: tuple[Skipped, ...] = ()


class Gathering:
    """The files of one commit, one after another."""

    def __init__(self, store: TreeStore, max_file_bytes: int) -> None:
        self._store = store
        self._max_file_bytes = max_file_bytes
        self._seen: set[str] = set()
        self._entries: dict[str, Entry] = {}
        self._skipped: list[Skipped] = []

    def wanted(self, path: bytes, size: int) -> str | None:
        """Return the path as text if a file of that path and size goes into the tree; else note why not.

        Raises ``InputError`` where the path leads out of the tree: no version control system makes such a commit.
        """
        try:
            text = path.decode()
        except UnicodeDecodeError:
            self.skip(path, "its name is not UTF-8")
            return None
        try:
            check_path(text)
        except EditError as error:
            if error.reason == "vcs-path":
                self.skip(path, "version control's own, not read")
                return None
            raise InputError(
                f"the commit holds a file that no tree may hold: {error.message}", "do not trust this repository"
            ) from error
        if text in self._seen:
            raise InputError(f"the commit holds {text!r} twice", "do not trust this repository")
        self._seen.add(text)
        if size > self._max_file_bytes:
            self.skip(path, f"larger than {self._max_file_bytes} bytes ({size})")
            return None
        return text

    def skip(self, path: bytes, reason: str) -> None:
        """Note that a path is left out."""
        self._skipped.append(Skipped(shown(path), reason))

    def add(self, path: str, mode: Mode, content: bytes) -> None:
        """Store a file, or a link whose target ``content`` is."""
        self._entries[path] = Entry(mode, self._store.write_blob(content))

    def add_known(self, entries: Mapping[str, Entry]) -> None:
        """Add files whose content the store holds."""
        self._entries.update(entries)

    def finish(self, commit: str) -> Revision:
        """Store the tree.

        Raises ``InputError`` when a path is a file and a folder at once.
        """
        return Revision(self._store.write_tree(self._entries), commit, tuple(self._skipped))
