"""Whether a context lets a model make an edit: it can only change lines that it sees."""

from greenloop.prompts.question import Context
from greenloop.records import Edit, ReplaceBlocks, WriteFile


def covers(context: Context, edit: Edit) -> bool:
    """Return whether every line that ``edit`` searches for is shown, and every file that it replaces shown whole.

    Training examples that are not covered would teach a model to make things up.
    """
    for file in edit.files:
        pieces = [piece for piece in context.pieces if piece.path == file.path]
        if isinstance(file, ReplaceBlocks):
            if not all(any(_holds(piece.text, block.search) for piece in pieces) for block in file.blocks):
                return False
        elif isinstance(file, WriteFile):
            if file.path in context.tree_paths and not any(piece.whole for piece in pieces):
                return False
        elif not pieces:
            return False
    return True


def _holds(text: str, search: str) -> bool:
    """Whether the whole lines of ``search`` stand in ``text``."""
    return f"\n{search}" in f"\n{text}" or f"\n{search}\n" in f"\n{text}\n"
