"""Rendering a question and its context as messages, the same for training, evaluation and serving."""

import json
import re
from collections.abc import Sequence

from greenloop.models.seam import Message
from greenloop.prompts.question import Context, Note, Piece, Question, ShownError
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Edit
from greenloop.workspace.edits.reply_writer import render_reply

SYSTEM = """\
You change code. Reply with the smallest edit that does what is asked, and nothing else.
An edit is the path of a file, then a block: the old lines, copied exactly from the file, and the new lines.
The old lines must occur only once in the file. More blocks may follow. For example:

shopping/list.txt
<<<<
three pears
====
four pears
two plums
>>>>

A new file is its path, then its whole text between two lines of ```."""
"""The system message. Its example is no code and its path is in no tree, so that a copy of it changes nothing."""

JOINT = "\n\n"
"""What stands between two parts of a message."""
_ERROR_TITLE = "What the build said"
_TEMPLATE_TOKENS = 16
"""What chat templates put around two messages."""
_FENCE_RUN = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)
_TAGS = {".ml": "ocaml", ".mli": "ocaml"}


def render(question: Question, context: Context) -> tuple[Message, ...]:
    """Return the system message and the user's: the notes, the code by file, the errors, then the person's words."""
    parts = [part for part in (body(context.pieces, context.errors, context.notes), question.prompt.strip()) if part]
    # what is no Unicode (half of a surrogate pair, from a command line or a file name) no model can be sent
    text = JOINT.join(parts).encode("utf-8", "replace").decode("utf-8")
    return (Message("system", SYSTEM), Message("user", text))


def render_training(question: Question, context: Context, edit: Edit) -> tuple[Message, ...]:
    """Return what ``render`` does, followed by the reply that a perfect model would have given."""
    return (*render(question, context), Message("assistant", render_reply(edit)))


def overhead(question: Question) -> int:
    """Return the estimated tokens of a prompt whose context is empty, with room for a chat template.

    What ``render`` gives is estimated at no more than ``overhead(question)`` plus the budget of ``gather``.
    """
    return estimate_tokens(SYSTEM) + estimate_tokens(f"\n\n{question.prompt.strip()}") + _TEMPLATE_TOKENS


def body(pieces: Sequence[Piece], errors: Sequence[ShownError], notes: Sequence[Note] = ()) -> str:
    """Return the notes, the code and the errors as they stand in the user's message."""
    return JOINT.join([*map(show_note, notes), *map(show_piece, pieces), *map(show_error, errors)])


def show_piece(piece: Piece) -> str:
    """A header, and the lines verbatim between fences: what is left out is told in the header, never among the code."""
    where = "" if piece.whole else f", lines {piece.first_line} to {piece.last_line} of {piece.file_lines}"
    tag = _TAGS.get(piece.path[piece.path.rfind(".") :], "")
    return f"File {_on_one_line(piece.path)}{where}:\n{_fenced(piece.text, tag)}"


def show_error(error: ShownError) -> str:
    """The error as it is; between fences where it could pass for something else.

    What a test prints is the program's own text: a fence in it would swallow the person's words behind it, and after a
    blank line it could pose as them.
    """
    bare = "```" not in error.text and "\n\n" not in error.text
    return error.text if bare else f"{_ERROR_TITLE}\n{_fenced(error.text)}"


def show_note(note: Note) -> str:
    """Its title, and its text between fences."""
    return f"{note.title}:\n{_fenced(note.text)}"


def _fenced(text: str, tag: str = "") -> str:
    longest = max((len(run) for run in _FENCE_RUN.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if text.endswith("\n") else "\n"
    return f"{fence}{tag}\n{text}{end}{fence}"


def _on_one_line(path: str) -> str:
    """The path, in JSON's quotes where a name with a line end, say, could pose as words of somebody else."""
    return path if path.isprintable() else json.dumps(path)
