"""The ladder: where the lines of a block stand in a file, and how literally they match.

Every rung must give one place only. A rung that gives two ends the search with ``ambiguous``: what is looser
could only give more. Only the exact rung takes the replacement as it is; the others fit it to the file.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from greenloop.records import Block, EditError, Rung
from greenloop.workspace.edits.differ import hunks
from greenloop.workspace.edits.lexing import tokens
from greenloop.workspace.edits.nearest import nearest_region
from greenloop.workspace.edits.text import Haystack, dominant_end, line_end, split_lines, with_end

MAX_CANDIDATES = 10_000
"""So many places are compared for a uniform indentation, at most; a text of more is ambiguous."""


@dataclass(frozen=True, slots=True)
class Match:
    """Lines [start, end) of the file, counted from 0, and what they become."""

    start: int
    end: int
    rung: Rung
    replacement: list[str]


class Target:
    """One file's lines, prepared for any number of blocks."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.lines = split_lines(text)

    @cached_property
    def end(self) -> str:
        """The line end that inserted lines take."""
        return dominant_end(self.lines)

    @cached_property
    def exact(self) -> Haystack:
        return Haystack(self.lines)

    @cached_property
    def trimmed(self) -> Haystack:
        return Haystack([_trim(line) for line in self.lines])

    @cached_property
    def stripped(self) -> Haystack:
        return Haystack([line.strip(_BLANKS) for line in self.lines])

    def match(self, block: Block) -> Match:
        """Return the one place where ``block`` belongs.

        Raises ``EditError`` with reason ``ambiguous``, ``no-match`` (``way_out`` shows the nearest lines) or
        ``open-end`` (a replacement without a line end, which is not at the end of the file).
        """
        search = split_lines(block.search)
        replace = split_lines(block.replace)
        if not search:
            return self._insertion(block.line, replace)
        if block.line is not None:
            start = block.line - 1
            if self.lines[start : start + len(search)] == search:
                return self._checked(Match(start, start + len(search), Rung.EXACT, replace))
        rungs: tuple[Callable[[list[str], list[str]], list[Match]], ...] = (
            self._exactly, self._but_for_blanks, self._but_for_indentation, self._by_tokens
        )  # fmt: skip
        for rung in rungs:
            found = rung(search, replace)
            if len(found) > 1:
                raise self._ambiguous(search, found)
            if found:
                return self._checked(found[0])
        raise EditError(
            f"{self.path}: the lines to replace are not there: {search[0].strip()[:80]!r}…",
            nearest_region(self.lines, search),
            reason="no-match",
        )

    def _ambiguous(self, search: list[str], found: list[Match]) -> EditError:
        places = " and ".join(f"line {match.start + 1}" for match in found[:2])
        return EditError(
            f"{self.path}: the lines to replace stand in more than one place, at {places}: {search[0].strip()[:80]!r}…",
            "search for more lines around, so that the place is the only one",
            reason="ambiguous",
        )

    def _insertion(self, line: int | None, replace: list[str]) -> Match:
        if line is None:
            if self.lines:
                raise EditError(
                    f"{self.path}: an empty search in a file that has lines",
                    "search for the lines beside which the new ones belong",
                    reason="ambiguous",
                )
            return Match(0, 0, Rung.EXACT, replace)
        start = line - 1
        if start > len(self.lines) or (start == len(self.lines) and self.text and not self.text.endswith("\n")):
            raise EditError(
                f"{self.path}: no line {line} to insert before", f"it has {len(self.lines)} lines", reason="no-match"
            )
        return self._checked(Match(start, start, Rung.EXACT, replace))

    def _checked(self, match: Match) -> Match:
        if match.end < len(self.lines) and match.replacement and not line_end(match.replacement[-1]):
            raise EditError(
                f"{self.path}: the replacement at line {match.start + 1} ends without a line end inside the file",
                reason="open-end",
            )
        return match

    def _exactly(self, search: list[str], replace: list[str]) -> list[Match]:
        places = islice(self.exact.find(search), 2)
        return [Match(at, at + len(search), Rung.EXACT, replace) for at in places]

    def _but_for_blanks(self, search: list[str], replace: list[str]) -> list[Match]:
        places = islice(self.trimmed.find([_trim(line) for line in search]), 2)
        return [
            Match(at, at + len(search), Rung.BLANKS, self._fitted(at, search, replace)) for at in places
        ]  # fmt: skip

    def _fitted(self, at: int, search: list[str], replace: list[str]) -> list[str]:
        """Return ``replace`` in the file's manner: its line ends, and lines that stay exactly as they are there."""
        olds = [_trim(line) for line in search]
        news = [_trim(line) for line in replace]
        fitted: list[str] = []
        old = 0
        for hunk in hunks(olds, news):
            fitted += self.lines[at + old : at + hunk.start]
            fitted += [with_end(line, self.end) for line in replace[hunk.new_start : hunk.new_end]]
            old = hunk.end
        fitted += self.lines[at + old : at + len(search)]
        return self._close(at + len(search), fitted)

    def _close(self, end: int, replacement: list[str]) -> list[str]:
        """Return ``replacement`` with every line ended, the last as the last line that it replaces is."""
        ended = [line if line_end(line) else line + self.end for line in replacement]
        if ended and end == len(self.lines) and not line_end(self.lines[-1]):
            ended[-1] = ended[-1].removesuffix(line_end(ended[-1]))
        return ended

    def _but_for_indentation(self, search: list[str], replace: list[str]) -> list[Match]:
        keys = [line.strip(_BLANKS) for line in search]
        if not any(keys):
            return []
        found: list[Match] = []
        for count, at in enumerate(self.stripped.find(keys)):
            if count >= MAX_CANDIDATES:
                raise EditError(
                    f"{self.path}: more than {MAX_CANDIDATES} places are like the lines to replace",
                    "search for more lines around",
                    reason="ambiguous",
                )
            shifted = self._shifted(at, search, replace)
            if shifted is not None:
                found.append(Match(at, at + len(search), Rung.INDENTATION, shifted))
            if len(found) > 1:
                break
        return found

    def _shifted(self, at: int, search: list[str], replace: list[str]) -> list[str] | None:
        """Return ``replace`` shifted as ``search`` is in the file, or ``None`` when its lines differ in that."""
        added, removed = _shift(self.lines[at : at + len(search)], search)
        if added is None or removed is None:
            return None
        moved = [_move(line, added, removed) for line in replace]
        if any(line is None for line in moved):
            return None
        here = [_move(line, added, removed) or "" for line in search]
        return self._fitted(at, here, [line for line in moved if line is not None])

    def _by_tokens(self, search: list[str], replace: list[str]) -> list[Match]:
        wanted = tokens("".join(search).replace("\r\n", "\n"), self.path)
        if not wanted:
            return []
        present = tokens(self.text.replace("\r\n", "\n"), self.path)
        haystack = Haystack([token.text for token in present])
        found: list[Match] = []
        for at in haystack.find([token.text for token in wanted]):
            first, last = present[at], present[at + len(wanted) - 1]
            begins = at == 0 or present[at - 1].last < first.first
            ends = at + len(wanted) == len(present) or present[at + len(wanted)].first > last.last
            if begins and ends:
                lines = self._relaid(first.first, last.last + 1, search, replace)
                found.append(Match(first.first, last.last + 1, Rung.TOKENS, lines))
            if len(found) > 1:
                break
        return found

    def _relaid(self, start: int, end: int, search: list[str], replace: list[str]) -> list[str]:
        """Return ``replace``, moved so that the first line of ``search`` would stand where the file has it."""
        above = _blank_lines(search)
        below = _blank_lines(search[::-1])
        first = search[above]
        lines = replace[min(above, _blank_lines(replace)) :]
        lines = lines[: len(lines) - min(below, _blank_lines(lines[::-1]))]
        here = _indentation(self.lines[start])
        there = _indentation(first)
        added = here.removeprefix(there) if here.startswith(there) else ""
        removed = there.removeprefix(here) if there.startswith(here) else ""
        moved = [_move(line, added, removed) for line in lines]
        kept = [line if other is None else other for line, other in zip(lines, moved, strict=True)]
        return self._close(end, [with_end(line, self.end) for line in kept])


_BLANKS = " \t\r\n"


def _trim(line: str) -> str:
    return line.rstrip(_BLANKS)


def _indentation(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _blank_lines(lines: Sequence[str]) -> int:
    """Return how many blank lines ``lines`` begins with."""
    for count, line in enumerate(lines):
        if line.strip(_BLANKS):
            return count
    return len(lines)


def _shift(present: Sequence[str], search: Sequence[str]) -> tuple[str | None, str | None]:
    """Return the indentation to add and the one to remove that turn every line of ``search`` into the file's."""
    shift: tuple[str, str] | None = None
    for here, there in zip(present, search, strict=True):
        if not here.strip(_BLANKS):
            continue
        mine, theirs = _indentation(here), _indentation(there)
        if mine.endswith(theirs):
            one = (mine[: len(mine) - len(theirs)], "")
        elif theirs.endswith(mine):
            one = ("", theirs[: len(theirs) - len(mine)])
        else:
            return None, None
        if shift is not None and shift != one:
            return None, None
        shift = one
    return shift or (None, None)


def _move(line: str, added: str, removed: str) -> str | None:
    """Return ``line`` with ``added`` before it and ``removed`` taken away; ``None`` when it lacks that."""
    if not line.strip(_BLANKS):
        return line
    if not line.startswith(removed):
        return None
    return added + line.removeprefix(removed)
