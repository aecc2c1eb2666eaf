"""Telling what a model was sent: every part of the messages in order, who chose it, why, and what it cost."""

from dataclasses import dataclass

from greenloop.prompts.draft import error_name
from greenloop.prompts.question import Choice, Context, Piece, Question
from greenloop.prompts.render import JOINT, SYSTEM, show_error, show_note, show_piece
from greenloop.prompts.tokens import estimate_tokens


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a message. ``plugin`` names who chose it; ``instructions`` and ``person`` are no plug-ins."""

    role: str
    text: str
    plugin: str
    why: str
    tokens: int
    """As estimated, without what joins it to the part before."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What was sent, and what found no room, in words. The parts of a role, joined, are that role's message."""

    parts: tuple[Part, ...]
    left_out: tuple[str, ...]


def explain(question: Question, context: Context) -> Explained:
    """Return what ``render`` sends for ``question`` and ``context``, part by part.

    ``JOINT`` joins the parts of a role; half characters, which no model can be sent, become question marks as there.
    """
    parts = [_part("system", SYSTEM, "instructions", "how to answer")]
    parts += [_chosen(show_note(note), _called(context, note.title)) for note in context.notes]
    parts += [_chosen(show_piece(piece), _overlapping(context, piece)) for piece in context.pieces]
    parts += [_chosen(show_error(error), _called(context, error_name(error))) for error in context.errors]
    if question.prompt.strip():
        parts.append(_part("user", question.prompt.strip(), "person", "what was asked"))
    left_out = [f"{left.name} ({left.plugin}: {left.why}; {_cost(left)})" for left in context.left_out]
    return Explained(tuple(parts), tuple(left_out))


def joined(explained: Explained, role: str) -> str:
    """Return the message of ``role``."""
    return JOINT.join(part.text for part in explained.parts if part.role == role)


def _called(context: Context, name: str) -> list[Choice]:
    return [choice for choice in context.choices if choice.what == name]


def _overlapping(context: Context, piece: Piece) -> list[Choice]:
    return [
        choice
        for choice in context.choices
        if choice.path == piece.path and choice.first_line <= piece.last_line and piece.first_line <= choice.last_line
    ]


def _chosen(text: str, choices: list[Choice]) -> Part:
    plugins = dict.fromkeys(choice.plugin for choice in choices)
    whys = dict.fromkeys(choice.why for choice in choices)
    return _part("user", text, " + ".join(plugins), "; ".join(whys))


def _part(role: str, text: str, plugin: str, why: str) -> Part:
    shown = text.encode("utf-8", "replace").decode("utf-8")
    return Part(role, shown, plugin, why, estimate_tokens(shown))


def _cost(left: Choice) -> str:
    return f"{left.tokens} tokens" if left.tokens else "too long to be weighed"
