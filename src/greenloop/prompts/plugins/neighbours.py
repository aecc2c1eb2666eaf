"""What stands next to the spot in its file."""

from greenloop.prompts.draft import SourceFile
from greenloop.prompts.plugins.seam import Anchor, Desk


class Neighbours:
    """The neighbours of the chosen definition, the nearer side first."""

    def choose(self, desk: Desk) -> None:
        """Choose one after the other until a side finds no room."""
        anchor = desk.anchor
        if anchor is None:
            return
        first, last = _run(desk, anchor)
        segments = _segments(anchor.file)
        above = [segment for segment in segments if segment[0] < first][::-1]
        below = [segment for segment in segments if segment[1] > last]
        while above or below:
            upward = above and (not below or anchor.line - above[0][1] <= below[0][0] - anchor.line)
            side = above if upward else below
            start, stop = side.pop(0)
            if not desk.draft.add_lines(anchor.file, start, stop, "next to the definition around the spot"):
                side.clear()
        if anchor.file.language is None:
            desk.draft.add_window(anchor.file, anchor.line, 1, len(anchor.file.lines), "the lines around the spot")


def _run(desk: Desk, anchor: Anchor) -> tuple[int, int]:
    """The unbroken chosen lines around the spot."""
    first = last = anchor.line
    while desk.draft.shows(anchor.file.path, first - 1):
        first -= 1
    while desk.draft.shows(anchor.file.path, last + 1):
        last += 1
    return first, last


def _segments(file: SourceFile) -> list[tuple[int, int]]:
    """Cut the file into its items, each with the comments before it, and the rest: (first line, last line)."""
    segments = []
    start = 1
    for item in file.items:
        if item.last_line >= start:
            segments.append((start, item.last_line))
            start = item.last_line + 1
    if file.items and start <= len(file.lines):
        segments.append((start, len(file.lines)))
    return segments
