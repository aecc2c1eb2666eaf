"""A context in the making: what is chosen so far, and whether one more thing still fits."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from greenloop.prompts.question import Context, Piece, ShownError
from greenloop.prompts.render import body
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import TreeId
from greenloop.workspace.store import Entry, Mode, TreeStore
from greenloop.workspace.syntax import Item, Language, items, language_of

MAX_FILE_BYTES = 1_000_000
"""Larger files are generated or data; no line of them is shown."""
_MAX_CHARACTERS_PER_TOKEN = 8


@dataclass(frozen=True)
class SourceFile:
    """A text file of the tree. ``lines`` keep their ends; a byte that is no UTF-8 shows as U+FFFD."""

    path: str
    content: bytes
    lines: tuple[str, ...]

    @cached_property
    def language(self) -> Language | None:
        """The grammar of the file, if there is one."""
        return language_of(self.path)

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The top-level items, in order."""
        return items(self.content, self.language)

    @cached_property
    def bare_lines(self) -> tuple[str, ...]:
        """The lines without their ends."""
        return tuple(line.rstrip("\r\n") for line in self.lines)

    def enclosing(self, line: int) -> Item | None:
        """The top-level item that holds ``line``."""
        held = [item for item in self.items if item.first_line <= line <= item.last_line]
        return held[-1] if held else None

    def text(self, first: int, last: int) -> str:
        """The lines from ``first`` to ``last`` (from 1, both included), verbatim."""
        return "".join(self.lines[first - 1 : last])


def split_lines(text: str) -> tuple[str, ...]:
    """Split at line feeds only, keeping them: the lines that compilers count."""
    parts = text.split("\n")
    last = parts.pop()
    return tuple([f"{part}\n" for part in parts] + ([last] if last else []))


class Draft:
    """Chosen lines and errors, whose rendering never costs more than ``budget`` estimated tokens."""

    def __init__(self, store: TreeStore, tree: TreeId, budget: int) -> None:
        self.budget = budget
        self.entries: dict[str, Entry] = store.files(tree)
        self._store = store
        self._files: dict[str, SourceFile | None] = {}
        # rows (from 0) chosen of each file; the order of files is the order of their first choice
        self._rows: dict[str, frozenset[int]] = {}
        self._errors: tuple[ShownError, ...] = ()

    @property
    def tokens(self) -> int:
        """What is chosen so far costs this much."""
        return estimate_tokens(body(self._pieces(self._rows), self._errors))

    def file(self, path: str) -> SourceFile | None:
        """Return a text file of the tree; ``None`` when missing, binary, a link, or over ``MAX_FILE_BYTES``."""
        if path not in self._files:
            self._files[path] = self._load(path)
        return self._files[path]

    def _load(self, path: str) -> SourceFile | None:
        entry = self.entries.get(path)
        if entry is None or entry.mode is Mode.LINK:
            return None
        content = self._store.read_blob(entry.blob)
        if len(content) > MAX_FILE_BYTES or b"\0" in content:
            return None
        return SourceFile(path, content, split_lines(content.decode("utf-8", "replace")))

    def shows(self, path: str, line: int) -> bool:
        """Whether ``line`` (from 1) of ``path`` is chosen."""
        return line - 1 in self._rows.get(path, frozenset())

    def add_error(self, error: ShownError) -> bool:
        """Choose an error if it fits."""
        errors = (*self._errors, error)
        if estimate_tokens(body(self._pieces(self._rows), errors)) > self.budget:
            return False
        self._errors = errors
        return True

    def add_lines(self, file: SourceFile, first: int, last: int, *, limit: int | None = None) -> bool:
        """Choose lines ``first`` to ``last`` (from 1, both included) if all then costs at most ``limit`` tokens.

        Blank lines alone never part two pieces of a file: they are chosen along.
        """
        limit = self.budget if limit is None else min(limit, self.budget)
        added = range(max(0, first - 1), min(last, len(file.lines)))
        chosen = self._rows.get(file.path, frozenset())
        if not added or chosen.issuperset(added):
            return bool(added)
        # lines so much longer are not worth an exact look, which costs time by their length
        if sum(len(file.lines[row]) for row in added if row not in chosen) > limit * _MAX_CHARACTERS_PER_TOKEN:
            return False
        rows = {**self._rows, file.path: _bridged(file, chosen.union(added))}
        if estimate_tokens(body(self._pieces(rows), self._errors)) > limit:
            return False
        self._rows = rows
        return True

    def add_window(self, file: SourceFile, line: int, first: int, last: int, *, limit: int) -> bool:
        """Choose the widest window around ``line`` within ``first`` to ``last`` that ``limit`` tokens allow."""
        fits, too_wide = -1, max(line - first, last - line) + 1
        while too_wide - fits > 1:
            radius = (fits + too_wide) // 2
            before = self._rows
            if self.add_lines(file, max(first, line - radius), min(last, line + radius), limit=limit):
                fits = radius
                self._rows = before
            else:
                too_wide = radius
        return fits >= 0 and self.add_lines(file, max(first, line - fits), min(last, line + fits), limit=limit)

    def context(self, last: str | None = None) -> Context:
        """Return what is chosen; the file ``last`` comes last, next to the errors that the reader sees after it."""
        ordered = {path: rows for path, rows in self._rows.items() if path != last}
        ordered |= {path: rows for path, rows in self._rows.items() if path == last}
        pieces = tuple(self._pieces(ordered))
        return Context(pieces, self._errors, estimate_tokens(body(pieces, self._errors)), frozenset(self.entries))

    def _pieces(self, chosen: dict[str, frozenset[int]]) -> list[Piece]:
        pieces: list[Piece] = []
        for path, rows in chosen.items():
            file = self.file(path)
            assert file is not None, "only lines of files that were read are chosen"
            pieces.extend(_piece(file, start, stop) for start, stop in _runs(rows))
        return pieces


def _piece(file: SourceFile, start: int, stop: int) -> Piece:
    if stop - start < len(file.lines):
        while stop - start > 1 and not file.lines[start].strip():
            start += 1
        while stop - start > 1 and not file.lines[stop - 1].strip():
            stop -= 1
    text = "".join(file.lines[start:stop])
    return Piece(file.path, start + 1, text, len(file.lines))


def _runs(rows: Iterable[int]) -> list[tuple[int, int]]:
    """Return the maximal runs of ``rows`` as (start, stop)."""
    runs: list[tuple[int, int]] = []
    for row in sorted(rows):
        if runs and runs[-1][1] == row:
            runs[-1] = (runs[-1][0], row + 1)
        else:
            runs.append((row, row + 1))
    return runs


def _bridged(file: SourceFile, rows: frozenset[int]) -> frozenset[int]:
    runs = _runs(rows)
    gaps = [range(left[1], right[0]) for left, right in pairwise(runs)]
    blank = [row for gap in gaps if all(not file.lines[row].strip() for row in gap) for row in gap]
    return rows.union(blank)
