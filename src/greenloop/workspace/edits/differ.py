"""The difference of two texts, as runs of lines that changed.

Lines that occur once in both texts anchor the comparison (the patience method of Bram Cohen), and difflib
works between the anchors. Its cost is bounded: a stretch without anchors that is too large is one change.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

MAX_PRODUCT = 1_000_000
"""A stretch of n old and m new lines without anchors goes to difflib only while n·m stays below this."""


@dataclass(frozen=True, slots=True)
class Hunk:
    """Old lines [start, end) become new lines [new_start, new_end); counted from 0, at least one side not empty."""

    start: int
    end: int
    new_start: int
    new_end: int


def hunks(old: Sequence[str], new: Sequence[str]) -> tuple[Hunk, ...]:
    """Return where ``old`` and ``new`` differ, in order; neighbours have at least one equal line between them."""
    found: list[Hunk] = []
    for part in _compare(old, new):
        last = found[-1] if found else None
        if last is not None and last.end == part.start and last.new_end == part.new_start:
            found[-1] = Hunk(last.start, part.end, last.new_start, part.new_end)
        else:
            found.append(part)
    return tuple(found)


def _compare(old: Sequence[str], new: Sequence[str]) -> Iterator[Hunk]:
    # a list of work instead of recursion: a file may be as deep as it is long
    work = [(0, len(old), 0, len(new))]
    while work:
        start, end, new_start, new_end = work.pop()
        while start < end and new_start < new_end and old[start] == new[new_start]:
            start, new_start = start + 1, new_start + 1
        while start < end and new_start < new_end and old[end - 1] == new[new_end - 1]:
            end, new_end = end - 1, new_end - 1
        if start == end and new_start == new_end:
            continue
        if start == end or new_start == new_end:
            yield Hunk(start, end, new_start, new_end)
            continue
        anchors = _anchors(old[start:end], new[new_start:new_end])
        if anchors:
            stops = [(start + i, new_start + j) for i, j in anchors] + [(end, new_end)]
            pieces = []
            for stop, new_stop in stops:
                pieces.append((start, stop, new_start, new_stop))
                start, new_start = stop + 1, new_stop + 1
            work.extend(reversed(pieces))
        elif (end - start) * (new_end - new_start) > MAX_PRODUCT:
            yield Hunk(start, end, new_start, new_end)
        else:
            matcher = SequenceMatcher(None, old[start:end], new[new_start:new_end], autojunk=False)
            for tag, i1, i2, j1, j2 in matcher.get_opcodes():
                if tag != "equal":
                    yield Hunk(start + i1, start + i2, new_start + j1, new_start + j2)


def _anchors(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """Return the longest increasing chain of lines that occur exactly once on both sides."""
    olds, news = Counter(old), Counter(new)
    where = {line: j for j, line in enumerate(new) if news[line] == 1}
    pairs = [(i, where[line]) for i, line in enumerate(old) if olds[line] == 1 and line in where]
    # patience sorting: piles[k] is the smallest end of a chain of k + 1 pairs
    piles: list[int] = []
    tops: list[int] = []
    before: list[int] = []
    for index, (_, j) in enumerate(pairs):
        pile = bisect_left(piles, j)
        before.append(tops[pile - 1] if pile else -1)
        if pile == len(piles):
            piles.append(j)
            tops.append(index)
        else:
            piles[pile] = j
            tops[pile] = index
    chain: list[tuple[int, int]] = []
    index = tops[-1] if tops else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]
