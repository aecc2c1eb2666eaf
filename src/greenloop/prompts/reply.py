"""Reading a model's reply as an edit of what the model was shown.

A reply is read in one of these forms, in this order; anything else is refused with ``EditError``, never guessed at:

- ``canonical``: what ``workspace.edits.parse_reply`` reads.
- ``sole-file``: blocks without a path, while exactly one file is shown: they are for that file.
- ``whole-file``: exactly one fenced text without a path, while exactly one file is shown, and shown whole; the
  text defines, without a syntax error, every top-level name that the file defines.
- ``definition``: exactly one fenced text without a path, while exactly one file is shown; the text is one top-level
  item without a syntax error, and exactly one shown item defines the same names.

A path that is not in the tree but ends exactly one shown path (``parser.ml`` for ``src/parser.ml``) means that one.
Blocks may change shown files only; a whole file may be written where none is, or over one that was shown whole.

Reasoning is dropped first: a ``<think>`` … ``</think>`` block that begins the reply (also ``thinking`` and
``reasoning``), all that stands before a closing tag on a line of its own when its opening is part of the chat template,
and all before the final channel of the harmony format (``<|channel|>final<|message|>``).
"""

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from greenloop.prompts.question import Context, Piece
from greenloop.records import (
    Block,
    DeleteFile,
    Edit,
    EditError,
    FileEdit,
    RenameFile,
    ReplaceBlocks,
    WriteFile,
)
from greenloop.workspace.edits.grammar import write_path
from greenloop.workspace.edits.reply import parse_reply
from greenloop.workspace.syntax import Item, Rule, language_of, outline


class Form(StrEnum):
    """How a reply spelled its edit; see the module."""

    CANONICAL = "canonical"
    SOLE_FILE = "sole-file"
    WHOLE_FILE = "whole-file"
    DEFINITION = "definition"


@dataclass(frozen=True, slots=True)
class Reading:
    """An edit, and the form in which the reply spelled it."""

    edit: Edit
    form: Form


_TAGS = "think|thinking|reasoning"
_LEADING = re.compile(rf"\s*<({_TAGS})>(.*?)</\1>", re.DOTALL)
_UNCLOSED = re.compile(rf"\s*<({_TAGS})>")
_ORPHAN = re.compile(rf"^[ \t]*</({_TAGS})>[ \t]*$", re.MULTILINE)
_FINAL_CHANNEL = "<|channel|>final<|message|>"
_OPENING = re.compile(r"^<{4,}(?: (?:SEARCH|ORIGINAL))?[ \t]*$", re.MULTILINE)
_FENCED = re.compile(r"^(?P<fence>`{3,})[^`\n]*\n(?P<text>.*?)^(?P=fence)`*[ \t]*$", re.DOTALL | re.MULTILINE)


def read_reply(text: str, context: Context) -> Edit:
    """Return the edit that ``text`` spells out for what ``context`` showed; see ``read``."""
    return read(text, context).edit


def read(text: str, context: Context) -> Reading:
    """Return the edit and the form of a reply.

    Raises ``EditError``, with the reasons of ``parse_reply`` and besides ``only-reasoning`` (the thinking never
    ended), ``no-file`` (it changes a file that is not there), ``not-shown`` (one that the model has not seen) and
    ``bad-path`` (a new name with characters that do not show).
    """
    answer = strip_reasoning(text)
    if not answer.strip() and text.strip():
        raise EditError(
            "the reply is all reasoning and no answer", "allow more tokens for a reply", reason="only-reasoning"
        )
    form = Form.CANONICAL
    try:
        edit = parse_reply(answer)
    except EditError as error:
        found = _without_path(answer, context) if error.reason == "no-path" else None
        if found is None:
            raise
        edit, form = found.edit, found.form
    return Reading(Edit(files=tuple(_checked(file, context) for file in edit.files)), form)


def strip_reasoning(text: str) -> str:
    """Return ``text`` without what a reasoning model thought aloud before its answer."""
    _, channel, final = text.rpartition(_FINAL_CHANNEL)
    if channel:
        text = final.removesuffix("<|return|>").removesuffix("<|end|>")
    stripped = False
    while (leading := _LEADING.match(text)) is not None:
        text, stripped = text[leading.end() :], True
    if _UNCLOSED.match(text) is not None:
        return ""
    orphans = [] if stripped else list(_ORPHAN.finditer(text))
    return text[orphans[-1].end() :] if orphans else text


def _without_path(text: str, context: Context) -> Reading | None:
    if len(context.paths) != 1:
        return None
    path = context.paths[0]
    opening = _OPENING.search(text)
    if opening is not None:
        named = f"{text[: opening.start()]}{write_path(path)}\n{text[opening.start() :]}"
        return Reading(parse_reply(named), Form.SOLE_FILE)
    fenced = list(_FENCED.finditer(text))
    if len(fenced) != 1:
        return None
    return _fenced(fenced[0]["text"], path, context.pieces)


def _fenced(text: str, path: str, pieces: Sequence[Piece]) -> Reading | None:
    given = outline(text.encode("utf-8", "replace"), language_of(path))
    if given.rule is not Rule.PARSER or not given.items:
        return None
    shown = [(piece, item) for piece in pieces for item in _items(piece)]
    names = frozenset(name for _, item in shown for name in item.names)
    if pieces[0].whole and names and names <= {name for item in given.items for name in item.names}:
        return Reading(Edit(files=(WriteFile(path=path, content=text),)), Form.WHOLE_FILE)
    same = [(piece, item) for piece, item in shown if item.names and item.names == given.items[0].names]
    if len(given.items) != 1 or len(same) != 1:
        return None
    piece, old = same[0]
    block = Block(search=_item_text(piece.text, old), replace=_item_text(text, given.items[0]))
    return Reading(Edit(files=(ReplaceBlocks(path=path, blocks=(block,)),)), Form.DEFINITION)


def _items(piece: Piece) -> tuple[Item, ...]:
    return outline(piece.text.encode("utf-8", "replace"), language_of(piece.path)).items


def _item_text(text: str, item: Item) -> str:
    """The whole lines of ``item``, the last with a line end: a comment around it is not part of it."""
    lines = text.split("\n")[item.first_line - 1 : item.last_line]
    return "\n".join(lines) + "\n"


def _checked(file: FileEdit, context: Context) -> FileEdit:
    """Return ``file`` with its path resolved, or refuse it: a model changes only what it has seen."""
    new = file.new_path if isinstance(file, RenameFile) else file.path
    if new not in context.tree_paths and not new.isprintable():
        # a person decides by what is shown: a line end or a change of direction in a name would write the rest of it
        raise EditError(f"{new!r}: a new name that cannot be shown as it is", "name it plainly", reason="bad-path")
    if isinstance(file, WriteFile):
        seen = any(piece.path == file.path and piece.whole for piece in context.pieces)
        if seen or file.path not in context.tree_paths:
            return file
        raise EditError(
            f"{file.path}: the reply replaces the whole file, but only a part of it was shown",
            "answer with SEARCH/REPLACE blocks",
            reason="not-shown",
        )
    path = _resolved(file.path, context)
    if path in context.paths:
        return file.model_copy(update={"path": path})
    if path in context.tree_paths:
        what = "renames" if isinstance(file, RenameFile) else "deletes" if isinstance(file, DeleteFile) else "changes"
        raise EditError(f"{path}: the reply {what} a file that was not shown", _hint(context), reason="not-shown")
    raise EditError(f"{path}: no such file in the tree", _hint(context, path), reason="no-file")


def _resolved(path: str, context: Context) -> str:
    if path in context.tree_paths:
        return path
    ending = [shown for shown in context.paths if shown.endswith(f"/{path}")]
    return ending[0] if len(ending) == 1 else path


def _hint(context: Context, path: str = "") -> str:
    near = difflib.get_close_matches(path, context.paths, n=1) if path else []
    if near:
        return f"did it mean {near[0]}?"
    return f"shown were: {', '.join(context.paths)}" if context.paths else "no file was shown"
