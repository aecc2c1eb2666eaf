"""The files that the person is looking at."""

from greenloop.prompts.plugins.seam import Desk


class Focus:
    """Each file of ``focus`` whole, or its head when that does not fit."""

    def choose(self, desk: Desk) -> None:
        """Choose them in their order."""
        for path in desk.question.focus:
            file = desk.draft.file(path)
            if file is None:
                continue
            count = len(file.lines)
            if not desk.draft.add_lines(file, 1, count, "a file that the person is looking at"):
                desk.draft.add_window(file, 1, 1, count, "the head of a file that the person is looking at")
