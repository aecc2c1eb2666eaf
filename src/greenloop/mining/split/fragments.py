"""The fragments of a change: the smallest parts that can be made one without the other, and trees made of some.

A text file's hunks (at zero context) are fragments, cut further where top-level items begin. A change of mode is a
fragment without lines; what is no text, or a link, changes as a whole. Lines are bytes that end in ``\\n``: line ends
and a missing last one are kept as they are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from greenloop.mining.split.cutting import cut
from greenloop.records import TreeId
from greenloop.workspace.edits.differ import Hunk, hunks
from greenloop.workspace.store import Change, Entry, Mode, TreeStore

_WHOLE = Hunk(0, 0, 0, 0)


@dataclass(frozen=True, eq=False)
class FileChange:
    """One path that differs. ``old`` and ``new`` are its lines; empty where the side is missing, or is no text."""

    change: Change
    old: tuple[bytes, ...]
    new: tuple[bytes, ...]
    whole: bool
    """It changes as one: no text, a link, or an empty file that comes or goes."""

    @property
    def path(self) -> str:
        """The path in the tree."""
        return self.change.path

    @cached_property
    def old_text(self) -> bytes:
        """The old side's bytes."""
        return b"".join(self.old)

    @cached_property
    def new_text(self) -> bytes:
        """The new side's bytes."""
        return b"".join(self.new)


@dataclass(frozen=True, eq=False)
class Fragment:
    """Lines ``hunk`` of one file, its change of mode (``mode``), or all of it where ``file.whole``."""

    number: int
    file: FileChange
    hunk: Hunk
    mode: bool = False

    @property
    def path(self) -> str:
        """The file's path."""
        return self.file.path

    @property
    def lines(self) -> int:
        """How many lines change: the larger of removed and added."""
        return max(self.hunk.end - self.hunk.start, self.hunk.new_end - self.hunk.new_start)

    @property
    def removed(self) -> bytes:
        """The old lines that go."""
        return b"".join(self.file.old[self.hunk.start : self.hunk.end])

    @property
    def added(self) -> bytes:
        """The new lines that come."""
        return b"".join(self.file.new[self.hunk.new_start : self.hunk.new_end])


class Parts:
    """All fragments of the change from ``base`` to ``target``, numbered, and the tree of any set of them."""

    def __init__(self, store: TreeStore, base: TreeId, target: TreeId) -> None:
        self.store = store
        self.base = base
        self.target = target
        self.files = tuple(_file(store, change) for change in store.changes(base, target))
        found: list[Fragment] = []
        for file in self.files:
            for hunk, mode in _hunks(file):
                found.append(Fragment(len(found), file, hunk, mode))
        self.fragments = tuple(found)
        self._of_file: dict[str, list[Fragment]] = defaultdict(list)
        for one in found:
            self._of_file[one.path].append(one)

    def of_file(self, path: str) -> Sequence[Fragment]:
        """Return the fragments of one file, in the order of its lines."""
        return self._of_file[path]

    def tree(self, made: Iterable[int]) -> TreeId:
        """Return ``base`` with the fragments of these numbers made, and no others.

        All of them give exactly ``target``. Raises ``InputError`` where a set needs a path to be file and folder.
        """
        chosen: dict[str, set[int]] = defaultdict(set)
        for number in made:
            chosen[self.fragments[number].path].add(number)
        changes: dict[str, Entry | None] = {}
        for path, numbers in chosen.items():
            changes[path] = self._entry(self._of_file[path], numbers)
        # what goes makes room for what comes
        ordered = sorted(changes.items(), key=lambda item: item[1] is not None)
        return self.store.update(self.base, dict(ordered))

    def _entry(self, parts: Sequence[Fragment], made: set[int]) -> Entry | None:
        change = parts[0].file.change
        if all(part.number in made for part in parts):
            return change.new
        moded = any(part.mode and part.number in made for part in parts)
        source = change.new if change.old is None or (moded and change.new is not None) else change.old
        assert source is not None, "a change has two sides, one of which exists"
        return Entry(source.mode, self.store.write_blob(_text(parts, made)))


def _text(parts: Sequence[Fragment], made: set[int]) -> bytes:
    file, at, kept = parts[0].file, 0, list[bytes]()
    for part in parts:
        if part.mode or part.number not in made:
            continue
        kept += file.old[at : part.hunk.start]
        kept += file.new[part.hunk.new_start : part.hunk.new_end]
        at = part.hunk.end
    return b"".join([*kept, *file.old[at:]])


def _file(store: TreeStore, change: Change) -> FileChange:
    sides = [side for side in (change.old, change.new) if side is not None]
    content: Mapping[str, bytes] = {side.blob: store.read_blob(side.blob) for side in sides}
    whole = any(side.mode is Mode.LINK or b"\0" in content[side.blob] for side in sides)
    # an empty file has no line by which it could come or go
    whole = whole or (len(sides) == 1 and not content[sides[0].blob])
    if whole:
        return FileChange(change, (), (), whole=True)
    old, new = (() if side is None else _lines(content[side.blob]) for side in (change.old, change.new))
    return FileChange(change, old, new, whole=False)


def _lines(content: bytes) -> tuple[bytes, ...]:
    *whole, last = content.split(b"\n")
    lines = [line + b"\n" for line in whole]
    return tuple([*lines, last] if last else lines)


def _hunks(file: FileChange) -> Iterable[tuple[Hunk, bool]]:
    if file.whole:
        yield _WHOLE, False
        return
    old, new = file.change.old, file.change.new
    if old is not None and new is not None and old.mode is not new.mode:
        yield _WHOLE, True
    # the differ takes texts; each byte is one character of this encoding
    texts = [[line.decode("latin-1") for line in side] for side in (file.old, file.new)]
    for hunk in hunks(*texts):
        for part in cut(file.path, file.old, file.new, hunk):
            yield part, False
