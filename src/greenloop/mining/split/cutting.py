"""Cutting a hunk where top-level items begin, so that a new file need not come as one.

Where a hunk replaces lines by others, items of the same name keep together; what stands between them goes or comes by
itself. A file without a grammar is cut between paragraphs, where they come or go.
"""

from collections.abc import Iterator, Sequence

from greenloop.workspace.edits.differ import Hunk
from greenloop.workspace.syntax import Item, items, language_of

_NAMELESS = frozenset({"open", "include", "attribute"})
"""Items without a name, on which all that follows may lean: no cut right behind them."""


def cut(path: str, old: Sequence[bytes], new: Sequence[bytes], hunk: Hunk) -> Iterator[Hunk]:
    """Yield the parts of ``hunk`` in order; the whole of it where nothing says how to cut."""
    # a last line without its end cannot be followed by another
    if _open_ended(old, hunk.end) or _open_ended(new, hunk.new_end):
        yield hunk
        return
    if max(hunk.end - hunk.start, hunk.new_end - hunk.new_start) < 2:
        yield hunk
        return
    if language_of(path) is None:
        if hunk.start == hunk.end or hunk.new_start == hunk.new_end:
            coming = [(hunk.start, at) for at in _paragraphs(new, hunk.new_start, hunk.new_end)]
            going = [(at, hunk.new_start) for at in _paragraphs(old, hunk.start, hunk.end)]
            yield from _parts(hunk, coming + going)
        else:
            yield hunk
        return
    olds, news = _starts(path, old, hunk.start, hunk.end), _starts(path, new, hunk.new_start, hunk.new_end)
    yield from _parts(hunk, _stops(hunk, olds, news))


def _open_ended(lines: Sequence[bytes], end: int) -> bool:
    return end == len(lines) and bool(lines) and not lines[-1].endswith(b"\n")


def _parts(hunk: Hunk, stops: Sequence[tuple[int, int]]) -> Iterator[Hunk]:
    start, new_start = hunk.start, hunk.new_start
    for stop, new_stop in [*stops, (hunk.end, hunk.new_end)]:
        if stop > start or new_stop > new_start:
            yield Hunk(start, stop, new_start, new_stop)
        start, new_start = stop, new_stop


def _stops(hunk: Hunk, olds: dict[int, str], news: dict[int, str]) -> list[tuple[int, int]]:
    """Return the places (old, new) at which the hunk may be cut, both sides growing."""
    if hunk.start == hunk.end or hunk.new_start == hunk.new_end:
        return [(hunk.start, line) for line in news] + [(line, hunk.new_start) for line in olds]
    # where an item of one name begins on both sides, and in the same order
    places = {name: line for line, name in news.items() if name}
    stops: list[tuple[int, int]] = []
    for line, name in olds.items():
        new = places.get(name, -1)
        if name and new > (stops[-1][1] if stops else hunk.new_start - 1):
            stops.append((line, new))
    # between two of them, items of the new side alone come by themselves
    pairs: list[tuple[int, int]] = []
    for place, (stop, new_stop) in enumerate(stops):
        pairs.append((stop, new_stop))
        following = stops[place + 1] if place + 1 < len(stops) else (hunk.end, hunk.new_end)
        if not any(stop < line < following[0] for line in olds):
            pairs += [(following[0], line) for line in news if new_stop < line < following[1]]
    return pairs


def _paragraphs(lines: Sequence[bytes], start: int, end: int) -> Iterator[int]:
    """Yield where a line that is not indented follows a blank one: a stanza, a section, a paragraph."""
    for at in range(start + 1, end):
        if not lines[at - 1].strip() and lines[at].strip() and not lines[at][:1].isspace():
            yield at


def _starts(path: str, lines: Sequence[bytes], start: int, end: int) -> dict[int, str]:
    """Return first line → name of the items that begin in [start, end), comments above them included."""
    if start == end:
        return {}
    held = items(b"".join(lines), language_of(path))
    found: dict[int, str] = {}
    before: Item | None = None
    for item in held:
        line = item.first_line - 1
        floor = before.last_line if before is not None else 0
        while line > floor and lines[line - 1].strip():
            line -= 1
        # blank lines alone are no part
        while start < line and not any(one.strip() for one in lines[start:line]):
            line = start
        # two items on one line, or right below an ``open``, are not parted
        parted = before is None or (before.last_line <= line and before.kind not in _NAMELESS)
        if start <= line < end and parted:
            found[line] = item.name or ""
        before = item
    return found
