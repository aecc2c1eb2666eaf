"""Rendering a question and its context as messages, the same for training, evaluation and serving."""

import re
from collections.abc import Sequence

from greenloop.models.seam import Message
from greenloop.prompts.question import Context, Piece, Question, ShownError
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Edit, Strategy
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
BARE = "Edit the code."
"""The system message of ``bare-blocks``. Without one, chat templates put in a text of their own."""
_SYSTEMS = {Strategy.EDIT_BLOCKS: SYSTEM, Strategy.BARE_BLOCKS: BARE}
"""The system message. Its example is no code and its path is in no tree, so that a copy of it changes nothing."""

_TEMPLATE_TOKENS = 16
"""What chat templates put around two messages."""
_FENCE_RUN = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)
_TAGS = {".ml": "ocaml", ".mli": "ocaml"}


def render(question: Question, context: Context, strategy: Strategy = Strategy.EDIT_BLOCKS) -> tuple[Message, ...]:
    """Return the system message and the user's: the code by file, the errors, then the person's words."""
    parts = [part for part in (body(context.pieces, context.errors), question.prompt.strip()) if part]
    # what is no Unicode (half of a surrogate pair, from a command line or a file name) no model can be sent
    text = "\n\n".join(parts).encode("utf-8", "replace").decode("utf-8")
    return (Message("system", _SYSTEMS[strategy]), Message("user", text))


def render_training(
    question: Question, context: Context, edit: Edit, strategy: Strategy = Strategy.EDIT_BLOCKS
) -> tuple[Message, ...]:
    """Return what ``render`` does, followed by the reply that a perfect model would have given."""
    return (*render(question, context, strategy), Message("assistant", render_reply(edit)))


def overhead(question: Question) -> int:
    """Return the estimated tokens of a prompt whose context is empty, with room for a chat template.

    What ``render`` gives is estimated at no more than ``overhead(question)`` plus the budget of ``gather``.
    """
    return estimate_tokens(SYSTEM) + estimate_tokens(f"\n\n{question.prompt.strip()}") + _TEMPLATE_TOKENS


def body(pieces: Sequence[Piece], errors: Sequence[ShownError]) -> str:
    """Return the code and the errors as they stand in the user's message."""
    return "\n\n".join([*map(_piece, pieces), *(error.text for error in errors)])


def _piece(piece: Piece) -> str:
    """A header, and the lines verbatim between fences: what is left out is told in the header, never among the code."""
    where = "" if piece.whole else f", lines {piece.first_line} to {piece.last_line} of {piece.file_lines}"
    longest = max((len(run) for run in _FENCE_RUN.findall(piece.text)), default=0)
    fence = "`" * max(3, longest + 1)
    end = "" if piece.text.endswith("\n") else "\n"
    tag = _TAGS.get(piece.path[piece.path.rfind(".") :], "")
    return f"File {piece.path}{where}:\n{fence}{tag}\n{piece.text}{end}{fence}"
