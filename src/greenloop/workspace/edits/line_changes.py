"""The difference of two trees as changes of whole lines, of which some may be chosen, and laid on a newer text.

A hunk is laid on a text that changed meanwhile only where that is certain: neither its lines nor the lines next to it
were touched, as in a three-way merge. It then has exactly one place.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from greenloop.records import Edit, EditError, RenameFile, TreeId
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.edits.text import decode_text, encode_text, split_lines
from greenloop.workspace.store import Change, Entry, Mode, TreeStore

Kind = Literal["change", "create", "delete", "rename"]


@dataclass(frozen=True, slots=True)
class LineHunk:
    """Lines [start, end) of the old text, counted from 0, become ``new``, which stands from ``new_start`` on."""

    id: str
    start: int
    end: int
    old: str
    new: str
    new_start: int


@dataclass(frozen=True, slots=True)
class LineChange:
    """What happens to one file. ``base`` is its text before, ``None`` where there is no file."""

    path: str
    kind: Kind
    base: str | None
    hunks: tuple[LineHunk, ...]
    mode: Mode = Mode.FILE
    new_path: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """What it is chosen by: its hunks, or, where only its name or its mode changes, its path."""
        return tuple(hunk.id for hunk in self.hunks) or (self.path,)

    @property
    def base_sha256(self) -> str | None:
        """SHA-256 of the UTF-8 text before."""
        return None if self.base is None else sha256_of(self.base)


def sha256_of(text: str) -> str:
    """Return the hexadecimal SHA-256 of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def line_changes(store: TreeStore, base: TreeId, target: TreeId, edit: Edit | None = None) -> tuple[LineChange, ...]:
    """Return what leads from ``base`` to ``target``, by path. Renames are those that ``edit`` names: none is guessed.

    Hunks are numbered through (``1``, ``2``, ...). Raises ``EditError`` with reason ``binary`` when a changed file is a
    link or is not UTF-8 text.
    """
    changes = {change.path: change for change in store.changes(base, target)}
    renames = {
        file.path: file.new_path
        for file in (edit.files if edit is not None else ())
        if isinstance(file, RenameFile) and file.path in changes and file.new_path in changes
    }
    found: list[LineChange] = []
    number = 0
    for path, change in changes.items():
        if path in renames.values():
            continue
        new_path = renames.get(path)
        made = _change(store, change, changes[new_path] if new_path is not None else None)
        numbered = tuple(replace(hunk, id=str(number + at)) for at, hunk in enumerate(made.hunks, 1))
        number += len(numbered)
        found.append(replace(made, hunks=numbered))
    return tuple(found)


def _change(store: TreeStore, change: Change, renamed: Change | None) -> LineChange:
    new_entry = renamed.new if renamed is not None else change.new
    old = _text(store, change.path, change.old)
    new = _text(store, change.path, new_entry)
    mode = (new_entry or change.old or Entry(Mode.FILE, "")).mode
    if renamed is not None:
        return LineChange(change.path, "rename", old, _hunks(old or "", new or ""), mode, renamed.path)
    if old is None:
        return LineChange(change.path, "create", None, (LineHunk("", 0, 0, "", new or "", 0),), mode)
    if new is None:
        return LineChange(change.path, "delete", old, (LineHunk("", 0, len(split_lines(old)), old, "", 0),), mode)
    return LineChange(change.path, "change", old, _hunks(old, new), mode)


def _text(store: TreeStore, path: str, entry: Entry | None) -> str | None:
    if entry is None:
        return None
    if entry.mode is Mode.LINK:
        raise EditError(f"{path}: a symbolic link changes", "edits change text files only", reason="binary")
    return decode_text(store.read_blob(entry.blob), path)


def _hunks(old: str, new: str) -> tuple[LineHunk, ...]:
    olds, news = split_lines(old), split_lines(new)
    return tuple(
        LineHunk(
            "", hunk.start, hunk.end, "".join(olds[hunk.start : hunk.end]),
            "".join(news[hunk.new_start : hunk.new_end]), hunk.new_start,
        )
        for hunk in hunks(olds, news)
    )  # fmt: skip


def chosen(changes: Sequence[LineChange], ids: Collection[str] | None) -> tuple[LineChange, ...]:
    """Return the changes of these ids alone (``LineChange.ids``), ``None``: all. Files left without any are dropped.

    A file that is created, deleted or renamed is so only when all of its hunks are chosen. Raises ``EditError`` with
    reason ``no-hunk`` for an id that there is not.
    """
    if ids is None:
        return tuple(changes)
    known = {one for change in changes for one in change.ids}
    strange = sorted(set(ids) - known)
    if strange or not ids:
        raise EditError(
            f"the suggestion has no hunk {strange[0]!r}" if strange else "no hunk was chosen",
            f"it has: {', '.join(sorted(known))}",
            reason="no-hunk",
        )
    found: list[LineChange] = []
    for change in changes:
        kept = tuple(hunk for hunk in change.hunks if hunk.id in ids)
        if change.kind == "rename" and kept and len(kept) < len(change.hunks):
            raise EditError(
                f"{change.path}: a renamed file is taken whole or not at all", "choose all its hunks", reason="no-hunk"
            )
        if kept or (not change.hunks and change.path in ids):
            found.append(replace(change, hunks=_placed(kept)))
    return tuple(found)


def _placed(hunks_kept: Sequence[LineHunk]) -> tuple[LineHunk, ...]:
    """Return hunks with ``new_start`` as it is when just these are applied."""
    shift = 0
    placed: list[LineHunk] = []
    for hunk in hunks_kept:
        placed.append(replace(hunk, new_start=hunk.start + shift))
        shift += len(split_lines(hunk.new)) - (hunk.end - hunk.start)
    return tuple(placed)


def relaid(change: LineChange, now: str | None) -> LineChange:
    """Return the change for the text ``now`` in the place of its base.

    Raises ``EditError`` with reason ``stale`` when the lines it is about, or their neighbours, are not as they were.
    """
    if now == change.base:
        return change
    if now is None or change.base is None or change.kind != "change":
        raise _stale(change.path, "is not there any more" if now is None else "changed meanwhile")
    base, new = split_lines(change.base), split_lines(now)
    touched = hunks(base, new)
    moved: list[LineHunk] = []
    for hunk in change.hunks:
        if any(other.start <= hunk.end and hunk.start <= other.end for other in touched):
            raise _stale(change.path, f"changed where the suggestion changes it, at line {hunk.start + 1}")
        shift = sum(
            (other.new_end - other.new_start) - (other.end - other.start) for other in touched if other.end < hunk.start
        )
        moved.append(replace(hunk, start=hunk.start + shift, end=hunk.end + shift))
    return replace(change, base=now, hunks=_placed(moved))


def _stale(path: str, what: str) -> EditError:
    return EditError(f"{path}: {what}", "ask again on the new text", reason="stale")


def text_after(change: LineChange) -> str | None:
    """Return what the file is to become; ``None`` where it goes (of a rename: what the new file is)."""
    if change.kind == "delete":
        return None
    lines = split_lines(change.base or "")
    for hunk in reversed(change.hunks):
        lines[hunk.start : hunk.end] = split_lines(hunk.new)
    return "".join(lines)


def tree_after(store: TreeStore, base: TreeId, changes: Sequence[LineChange]) -> TreeId:
    """Return where the changes lead from ``base``, in which each file is as its change has it.

    Raises ``EditError`` when a path may not be written (``check_path``), or a file to create is there (``exists``).
    """
    updates: dict[str, Entry | None] = {}
    for change in changes:
        target = check_path(change.new_path or change.path)
        text = text_after(change)
        if change.kind in ("create", "rename") and store.entry(base, target) is not None:
            raise EditError(f"{target}: exists already", "ask again on the new text", reason="stale")
        if change.kind in ("delete", "rename"):
            updates[check_path(change.path)] = None
        if text is not None:
            updates[target] = Entry(change.mode, store.write_blob(encode_text(text, target)))
    return store.update(base, updates) if updates else base


def texts_of(store: TreeStore, tree: TreeId, changes: Sequence[LineChange]) -> Mapping[str, str | None]:
    """Return path → text in ``tree`` of every file that the changes are about."""
    return {change.path: _text(store, change.path, store.entry(tree, change.path)) for change in changes}
