"""Writing an edit as the reply that a model should have given; ``reply`` reads it back as the same edit."""

import re

from greenloop.records import DeleteFile, Edit, EditError, FileEdit, RenameFile, ReplaceBlocks
from greenloop.workspace.edits import grammar
from greenloop.workspace.edits.paths import check_path
from greenloop.workspace.edits.text import encode_text

_FENCES = re.compile(r"^`+", re.MULTILINE)


def render_reply(edit: Edit) -> str:
    """Return the canonical text of ``edit``: ``parse_reply`` of it gives ``edit`` back.

    Raises ``EditError`` with reason ``not-renderable`` when a block knows its ``line`` (the format has no line
    numbers), or the edit or one of its files says nothing; ``binary`` when a text holds NUL or is not Unicode.
    """
    if not edit.files:
        raise EditError("an edit without files has no text", reason="not-renderable")
    return "\n".join(f"{grammar.write_path(check_path(file.path))}\n{_body(file)}" for file in edit.files)


def _body(file: FileEdit) -> str:
    if isinstance(file, DeleteFile):
        return "<<<< delete\n"
    if isinstance(file, RenameFile):
        return f"<<<< rename {grammar.write_path(check_path(file.new_path))}\n"
    if isinstance(file, ReplaceBlocks):
        return _blocks(file)
    encode_text(file.content, file.path)
    longest = max((len(run) for run in _FENCES.findall(file.content)), default=0)
    fence = "`" * max(grammar.MIN_FENCE, longest + 1)
    lines = file.content.split("\n")
    words = []
    if any(grammar.OPENING.fullmatch(line.rstrip(grammar.BLANKS)) for line in lines):
        words.append("whole")
    if file.executable is not None:
        words.append("+x" if file.executable else "-x")
    return f"{fence}{' '.join(words)}\n{_closed(file.content)}{fence}{_open_end(file.content)}\n"


def _blocks(file: ReplaceBlocks) -> str:
    if not file.blocks and file.executable is None:
        raise EditError(f"{file.path}: an edit without blocks has no text", reason="not-renderable")
    parts = [] if file.executable is None else [f"<<<< {'+' if file.executable else '-'}x\n"]
    for block in file.blocks:
        if block.line is not None:
            raise EditError(
                f"{file.path}: a block with a line number cannot be written as a reply",
                "make the edit with edit_between",
                reason="not-renderable",
            )
        encode_text(block.search + block.replace, file.path)
        run = max(grammar.MIN_RUN, grammar.longest_run(block.search, block.replace) + 1)
        parts += [
            "<" * run + "\n",
            _closed(block.search), "=" * run + _open_end(block.search) + "\n",
            _closed(block.replace), ">" * run + _open_end(block.replace) + "\n",
        ]  # fmt: skip
    return "".join(parts)


def _closed(text: str) -> str:
    return text if not text or text.endswith("\n") else text + "\n"


def _open_end(text: str) -> str:
    return "\\" if text and not text.endswith("\n") else ""
