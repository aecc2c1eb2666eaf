"""What was sent to a model, as ``turn/explain`` tells it."""

from collections.abc import Sequence
from dataclasses import dataclass

from greenloop.aid.protocol.turns import Explanation, ShownPart
from greenloop.models.seam import Message
from greenloop.prompts.question import Context
from greenloop.prompts.tokens import estimate_tokens


@dataclass(frozen=True)
class Sent:
    """The messages of one request, and the context in the first one's question. ``repair``: it is a later round."""

    messages: tuple[Message, ...]
    context: Context
    repair: bool


def explanation(turn: str, model: str, strategy: str, sent: Sequence[Sent]) -> Explanation:
    """Return every message in order, each request's after the one before, and what each plug-in chose and why."""
    parts: list[ShownPart] = []
    before: tuple[Message, ...] = ()
    for one in sent:
        # a later round begins with what was sent before
        fresh = one.messages[len(before) :] if one.messages[: len(before)] == before else one.messages
        plugin, why = ("repair", "the build's errors on the reply before") if one.repair else ("render", "the question")
        parts += [
            ShownPart(
                role=message.role,
                text=message.content,
                plugin=plugin,
                why=why,
                tokens=estimate_tokens(message.content),
            )
            for message in fresh
        ]
        before = before or one.messages
    first = sent[0].context if sent else None
    chosen = [
        ShownPart(role="chosen", text=choice.name, plugin=choice.plugin, why=choice.why, tokens=choice.tokens)
        for choice in (first.choices if first is not None else ())
    ]
    left = tuple(f"{choice.name}: {choice.why}" for choice in (first.left_out if first is not None else ()))
    return Explanation(turn=turn, model=model, strategy=strategy, parts=(*parts, *chosen), left_out=left)
