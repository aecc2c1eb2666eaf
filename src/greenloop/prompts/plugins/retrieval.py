"""Code that has to do with the question, wherever it lies."""

from greenloop.prompts.draft import SourceFile
from greenloop.prompts.plugins.seam import Desk
from greenloop.prompts.retrieval.words import words_of

MAX_HITS = 64
MAX_NARROWED = 4
"""So many chunks for which there is no room are shown in part; after them nothing more is chosen."""


class Search:
    """When no error says where to look: what the search finds for the person's words, or for the errors' messages."""

    def choose(self, desk: Desk) -> None:
        """Choose the best of it, as long as there is room."""
        if desk.anchor is not None and desk.anchor.error is not None:
            return
        text = desk.question.prompt
        if desk.error is not None:
            # a failing test names no place in the code: what its name and its words name is looked for
            text = "\n".join([desk.error.message, *(one.message for one in desk.errors)])
        _choose(desk, text)


class Retrieval:
    """What the search finds for all that is known: the person's words, the error, and the line that it is about."""

    def choose(self, desk: Desk) -> None:
        """Choose the best of it, as long as there is room."""
        parts = [desk.question.prompt]
        if desk.error is not None:
            parts.append(desk.error.message)
        if desk.anchor is not None:
            parts.append(desk.anchor.lines)
        _choose(desk, "\n".join(parts))


def _choose(desk: Desk, text: str) -> None:
    asked = words_of(text)
    narrowed = 0
    for hit in desk.index.search(desk.question.tree, text, limit=MAX_HITS):
        file = desk.draft.file(hit.path)
        if file is None or not file.lines:
            continue
        first, last = hit.first_line, min(hit.last_line, len(file.lines))
        shared = sorted(asked & words_of(file.text(first, last) + file.path))
        why = f"found by the search: {', '.join(shared[:6])}" if shared else "nothing was found: a file of a small tree"
        if desk.draft.has_room(file, first, last) and desk.draft.add_lines(file, first, last, why):
            continue
        if narrowed == MAX_NARROWED:
            return
        narrowed += 1
        _narrow(desk, file, first, last, asked, why)


def _narrow(desk: Desk, file: SourceFile, first: int, last: int, asked: frozenset[str], why: str) -> None:
    """Choose what there is room for around the line that shares most: its definition, or a window."""
    line = max(range(first, last + 1), key=lambda row: (len(asked & words_of(file.lines[row - 1])), -row))
    item = file.enclosing(line)
    if item is not None and desk.draft.add_lines(file, item.first_line, item.last_line, why):
        return
    desk.draft.add_window(file, line, first, last, why)
