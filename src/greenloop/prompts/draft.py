"""A context in the making: what is chosen so far and by whom, and whether one more thing still fits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from greenloop.prompts.listing import listing
from greenloop.prompts.question import Choice, Context, Note, Piece, ShownError
from greenloop.prompts.render import JOINT, body, show_error, show_note, show_piece
from greenloop.prompts.tokens import LETTERS_PER_TOKEN, estimate_tokens
from greenloop.records import TreeId
from greenloop.workspace.store import Mode, TreeStore
from greenloop.workspace.syntax import Item, Language, items, language_of

MAX_FILE_BYTES = 1_000_000
"""Larger files are generated or data; no line of them is shown."""
_MAX_CHARACTERS_PER_TOKEN = 8
_MAX_LEFT_OUT = 12
"""So much of what one plug-in found no room for is told."""


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


def source_file(path: str, content: bytes) -> SourceFile | None:
    """Return a file's text by lines; ``None`` when it is binary, or over ``MAX_FILE_BYTES``."""
    if len(content) > MAX_FILE_BYTES or b"\0" in content:
        return None
    return SourceFile(path, content, split_lines(content.decode("utf-8", "replace")))


def split_lines(text: str) -> tuple[str, ...]:
    """Split at line feeds only, keeping them: the lines that compilers count."""
    parts = text.split("\n")
    last = parts.pop()
    return tuple([f"{part}\n" for part in parts] + ([last] if last else []))


class Draft:
    """Chosen lines, errors and notes, whose rendering never costs more than ``budget`` estimated tokens.

    ``begin`` says whose turn it is; what is chosen then costs at most ``ceiling`` in all.
    """

    def __init__(self, store: TreeStore, tree: TreeId, budget: int) -> None:
        self.budget = budget
        self.ceiling = budget
        self.listing = listing(store, tree)
        self.entries = self.listing.entries
        self._store = store
        self._plugin = ""
        self._files: dict[str, SourceFile | None] = {}
        # rows (from 0) chosen of each file; the order of files is the order of their first choice
        self._rows: dict[str, frozenset[int]] = {}
        self._errors: tuple[ShownError, ...] = ()
        self._notes: tuple[Note, ...] = ()
        self._choices: list[Choice] = []
        self._left_out: list[Choice] = []
        self._costs: dict[tuple[str, int, int], tuple[int, int]] = {}
        self._spent = 0

    def begin(self, plugin: str, ceiling: int) -> None:
        """From now on ``plugin`` chooses; all that is chosen by then may cost ``ceiling`` tokens."""
        self._plugin = plugin
        self.ceiling = min(ceiling, self.budget)

    @property
    def tokens(self) -> int:
        """What is chosen so far costs this much."""
        return self._spent

    def file(self, path: str) -> SourceFile | None:
        """Return a text file of the tree; ``None`` when missing, binary, a link, or over ``MAX_FILE_BYTES``."""
        if path not in self._files:
            self._files[path] = self._load(path)
        return self._files[path]

    def _load(self, path: str) -> SourceFile | None:
        entry = self.entries.get(path)
        if entry is None or entry.mode is Mode.LINK:
            return None
        return source_file(path, self._store.read_blob(entry.blob))

    def shows(self, path: str, line: int) -> bool:
        """Whether ``line`` (from 1) of ``path`` is chosen."""
        return line - 1 in self._rows.get(path, frozenset())

    def add_error(self, error: ShownError, why: str) -> bool:
        """Choose an error if it fits."""
        cost = self._cost(self._rows, (*self._errors, error), self._notes)
        choice = Choice(self._plugin, why, cost - self._spent, what=error_name(error))
        if cost > self.ceiling:
            self._miss(choice)
            return False
        self._errors = (*self._errors, error)
        self._take(choice, cost)
        return True

    def add_note(self, note: Note, why: str) -> bool:
        """Choose a text beside the code if it fits."""
        cost = self._cost(self._rows, self._errors, (*self._notes, note))
        choice = Choice(self._plugin, why, cost - self._spent, what=note.title)
        if cost > self.ceiling:
            self._miss(choice)
            return False
        self._notes = (*self._notes, note)
        self._take(choice, cost)
        return True

    def note_fits(self, note: Note) -> bool:
        """Whether ``add_note`` would choose it."""
        return self._cost(self._rows, self._errors, (*self._notes, note)) <= self.ceiling

    def leave_out(self, what: str, why: str) -> None:
        """Tell of something that had no room and is neither lines nor an error."""
        self._miss(Choice(self._plugin, why, 0, what=what))

    def add_lines(self, file: SourceFile, first: int, last: int, why: str) -> bool:
        """Choose lines ``first`` to ``last`` (from 1, both included) if all then costs at most ``ceiling`` tokens.

        Blank lines alone never part two pieces of a file: they are chosen along.
        """
        added = range(max(0, first - 1), min(last, len(file.lines)))
        if not added or self._rows.get(file.path, frozenset()).issuperset(added):
            return bool(added)
        rows = self._with(file, added)
        cost = self._cost(rows, self._errors, self._notes) if rows is not None else self._spent
        choice = Choice(
            self._plugin, why, cost - self._spent, path=file.path, first_line=added.start + 1, last_line=added.stop
        )
        if rows is None or cost > self.ceiling:
            self._miss(choice)
            return False
        self._rows = rows
        self._take(choice, cost)
        return True

    def add_window(self, file: SourceFile, line: int, first: int, last: int, why: str) -> bool:
        """Choose the widest window around ``line`` within ``first`` to ``last`` that ``ceiling`` tokens allow."""
        fits, too_wide = -1, max(line - first, last - line) + 1
        while too_wide - fits > 1:
            radius = (fits + too_wide) // 2
            if self._fits(file, max(first, line - radius), min(last, line + radius)):
                fits = radius
            else:
                too_wide = radius
        return fits >= 0 and self.add_lines(file, max(first, line - fits), min(last, line + fits), why)

    def has_room(self, file: SourceFile, first: int, last: int) -> bool:
        """Say quickly whether lines of a file of which nothing is chosen may fit; ``add_lines`` knows it exactly."""
        return file.path in self._rows or self._spent + _at_least(file.lines[first - 1 : last]) <= self.ceiling

    def _fits(self, file: SourceFile, first: int, last: int) -> bool:
        added = range(max(0, first - 1), min(last, len(file.lines)))
        if not added or self._rows.get(file.path, frozenset()).issuperset(added):
            return bool(added)
        rows = self._with(file, added)
        return rows is not None and self._cost(rows, self._errors, self._notes) <= self.ceiling

    def _with(self, file: SourceFile, added: range) -> dict[str, frozenset[int]] | None:
        """What is chosen with ``added``; ``None`` where the lines are so long that it cannot fit."""
        chosen = self._rows.get(file.path, frozenset())
        # lines so much longer are not worth an exact look, which costs time by their length
        if sum(len(file.lines[row]) for row in added if row not in chosen) > self.ceiling * _MAX_CHARACTERS_PER_TOKEN:
            return None
        return {**self._rows, file.path: _bridged(file, chosen.union(added))}

    def _take(self, choice: Choice, cost: int) -> None:
        self._choices.append(choice)
        self._spent = cost

    def _miss(self, choice: Choice) -> None:
        if sum(left.plugin == choice.plugin for left in self._left_out) < _MAX_LEFT_OUT:
            self._left_out.append(choice)

    def context(self, last: str | None = None) -> Context:
        """Return what is chosen; the file ``last`` comes last, next to the errors that the reader sees after it."""
        ordered = {path: rows for path, rows in self._rows.items() if path != last}
        ordered |= {path: rows for path, rows in self._rows.items() if path == last}
        pieces = tuple(self._pieces(ordered))
        left = tuple(choice for choice in self._left_out if not self._came(choice))
        return Context(
            pieces,
            self._errors,
            estimate_tokens(body(pieces, self._errors, self._notes)),
            self.listing.paths,
            self._notes,
            tuple(self._choices),
            left,
        )

    def _came(self, choice: Choice) -> bool:
        """Whether what found no room once was chosen later, by this plug-in or another."""
        if not choice.path:
            return any(taken.what == choice.what for taken in self._choices)
        rows = self._rows.get(choice.path, frozenset())
        return rows.issuperset(range(choice.first_line - 1, choice.last_line))

    def _pieces(self, chosen: Mapping[str, frozenset[int]]) -> list[Piece]:
        pieces: list[Piece] = []
        for path, rows in chosen.items():
            file = self._chosen_file(path)
            pieces.extend(_piece(file, start, stop) for start, stop in _runs(rows))
        return pieces

    def _chosen_file(self, path: str) -> SourceFile:
        file = self.file(path)
        assert file is not None, "only lines of files that were read are chosen"
        return file

    def _cost(self, rows: Mapping[str, frozenset[int]], errors: tuple[ShownError, ...], notes: tuple[Note, ...]) -> int:
        """The estimate of ``body``, without putting it together: parts that come again are not estimated again."""
        costs = [_part_costs(show_note(note)) for note in notes]
        costs += [self._piece_cost(path, run) for path, chosen in rows.items() for run in _runs(chosen)]
        costs += [_part_costs(show_error(error)) for error in errors]
        # the first part has no joint before it
        return (costs[0][0] if costs else 0) + sum(joined for _, joined in costs[1:])

    def _piece_cost(self, path: str, run: tuple[int, int]) -> tuple[int, int]:
        key = (path, *run)
        found = self._costs.get(key)
        if found is None:
            found = self._costs[key] = _part_costs(show_piece(_piece(self._chosen_file(path), *run)))
        return found


def _at_least(lines: Sequence[str]) -> int:
    """A lower bound of the estimate: no token holds more than so many letters, and blanks may be free."""
    return sum(len("".join(line.split())) for line in lines) // LETTERS_PER_TOKEN


def _part_costs(text: str) -> tuple[int, int]:
    """The estimated tokens of a part of the body that stands first, and of one that stands behind another."""
    return estimate_tokens(text), estimate_tokens(JOINT + text)


def error_name(error: ShownError) -> str:
    """Return what a ``Choice`` calls an error."""
    first = error.diagnostic.message.strip().partition("\n")[0]
    return f"the error in {error.diagnostic.path or 'the build'}: {first[:80]}"


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
