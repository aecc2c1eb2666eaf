"""Code that has to do with the question, wherever it lies."""

from greenloop.prompts.plugins.seam import Desk

MAX_HITS = 200


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
    for hit in desk.index.search(desk.question.tree, text, limit=MAX_HITS):
        file = desk.draft.file(hit.path)
        if file is not None:
            words = ", ".join(hit.words[:6])
            why = f"found by the search: {words}" if words else "a file of a tree in which nothing was found"
            desk.draft.add_lines(file, hit.first_line, hit.last_line, why)
