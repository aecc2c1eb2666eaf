"""The spot itself: its whole file where that is small, else the definition around it, else a window."""

from greenloop.prompts.plugins.seam import Desk

SMALL_FILE_LINES = 60
"""A file up to this long is shown whole: FINDINGS of edit formats put the turning point about there."""


class SmallFile:
    """The file of the spot, whole, when it has at most ``SMALL_FILE_LINES`` lines."""

    def choose(self, desk: Desk) -> None:
        """Choose all of it or nothing."""
        anchor = desk.anchor
        if anchor is not None and len(anchor.file.lines) <= SMALL_FILE_LINES:
            count = len(anchor.file.lines)
            desk.draft.add_lines(anchor.file, 1, count, f"the file that the question is about, of only {count} lines")


class Enclosing:
    """The definition that holds the spot, or a window around the line in what of the definition does not fit."""

    def choose(self, desk: Desk) -> None:
        """Choose it, unless the line is shown already."""
        anchor = desk.anchor
        if anchor is None or desk.draft.shows(anchor.file.path, anchor.line):
            return
        first, last = anchor.line - 1, anchor.last_line + 1
        if anchor.item is not None:
            first, last = anchor.item.first_line, max(anchor.item.last_line, anchor.last_line)
        what = "the error" if anchor.error is not None else "the person's place"
        if desk.draft.add_lines(anchor.file, first, last, f"the definition around {what}"):
            return
        desk.draft.add_window(
            anchor.file, anchor.line, first, last, f"the part of the definition next to {what} that has room"
        )
