"""Writing on the disk what the sidecar handed over, for clients that have no buffers of their own."""

from collections.abc import Sequence
from pathlib import Path

from greenloop.aid.protocol.turns import FileText
from greenloop.records import EditError
from greenloop.workspace.edits.line_changes import sha256_of
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.writeback import write_back

AGAIN = "nothing was written; ask again on the files as they are now"


def write_handed_over(root: Path, store: TreeStore, files: Sequence[FileText]) -> tuple[str, ...]:
    """Write ``files`` below ``root``, all of them or none; return the paths that were written or deleted, sorted.

    ``store`` stages their contents. Raises ``EditError`` (reason ``stale``, and as ``write_back``) when a file is not
    the one that the change was laid on, ``EnvironmentFault`` when the disk refuses.
    """
    before: dict[str, Entry] = {}
    after: dict[str, Entry] = {}
    for file in files:
        mode = Mode.EXECUTABLE if file.executable else Mode.FILE
        disk = demand_saved(root, file)
        if disk is not None:
            # what is there keeps its permissions: an editor may not know of a change of them
            mode = Mode.EXECUTABLE if (root / file.path).stat().st_mode & 0o100 else Mode.FILE
            before[file.path] = Entry(mode, store.write_blob(disk.encode()))
        if file.text is not None:
            after[file.path] = Entry(mode, store.write_blob(file.text.encode()))
    return write_back(root, store, store.write_tree(before), store.write_tree(after))


def demand_saved(root: Path, file: FileText) -> str | None:
    """Return the text on the disk. Raises ``EditError`` (``stale``) when it is not the one to be replaced."""
    disk = text_on_disk(root / file.path)
    if (None if disk is None else sha256_of(disk)) != file.base_sha256:
        raise EditError(f"{file.path}: changed on the disk, or is not saved in the editor", AGAIN, reason="stale")
    return disk


def text_on_disk(path: Path) -> str | None:
    """Return a file's text; ``None`` where there is no such file, or it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
