"""What was said before in a conversation, and what the compiler said of a reply, as messages.

Both go around what ``render`` gives, which stays as a model was trained on it: the question comes last, or first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from greenloop.models.seam import Message
from greenloop.prompts.diagnostics import show_diagnostic
from greenloop.prompts.tokens import estimate_tokens
from greenloop.records import Diagnostic

MAX_ERRORS = 3
"""So many errors of a reply are given back; the first is the one that the others follow from as a rule."""
_MESSAGE_BYTES = 1500
_WRITTEN = "I have written this edit to the files."
_NOT_WRITTEN = "I have not written this edit: the files are as you see them now."


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a person asked for, the reply that came of it, and whether the person took it."""

    words: str
    reply: str
    written: bool


def with_history(messages: Sequence[Message], earlier: Sequence[Exchange], *, budget: int) -> tuple[Message, ...]:
    """Return ``messages`` with what was said before in between: the newest exchanges, in at most ``budget`` tokens."""
    system = [message for message in messages if message.role == "system"]
    rest = [message for message in messages if message.role != "system"]
    kept: list[Message] = []
    for exchange in reversed(earlier):
        fate = _WRITTEN if exchange.written else _NOT_WRITTEN
        told = [
            Message("user", exchange.words),
            Message("assistant", exchange.reply),
            Message("user", fate),
            Message("assistant", "Understood."),
        ]
        budget -= sum(estimate_tokens(message.content) for message in told)
        if budget < 0:
            break
        kept = told + kept
    return (*system, *kept, *rest)


def with_errors(
    messages: Sequence[Message], reply: str, errors: Sequence[Diagnostic], lines: Sequence[Sequence[str]]
) -> tuple[Message, ...]:
    """Return ``messages`` with a reply and what the compiler said of it; the next reply is to be a whole edit.

    ``lines`` are the lines, of the tree to which the reply led, of each error's file; empty where it has none.
    """
    shown = [
        show_diagnostic(error, own, message_bytes=_MESSAGE_BYTES)
        for error, own in zip(errors[:MAX_ERRORS], lines, strict=False)
    ]
    told = "\n\n".join(shown)
    ask = (
        f"With this edit the build says:\n\n```\n{told}\n```\n\n"
        "Write the whole edit again, corrected, for the files as I showed them."
    )
    return (*messages, Message("assistant", reply), Message("user", ask))


def with_refusal(messages: Sequence[Message], reply: str, why: str) -> tuple[Message, ...]:
    """Return ``messages`` with a reply that could not be applied, and why."""
    ask = f"This could not be applied: {why}.\n\nWrite the whole edit again, corrected, for the files as I showed them."
    return (*messages, Message("assistant", reply), Message("user", ask))
