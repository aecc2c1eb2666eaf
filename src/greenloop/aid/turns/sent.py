"""What was sent to a model, as ``turn/explain`` tells it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenloop.aid.protocol.turns import Explanation, ShownPart
from greenloop.models.seam import Message, ToolSpec
from greenloop.prompts.explain import Part, explain
from greenloop.prompts.question import Context, Question
from greenloop.prompts.tokens import estimate_tokens
from greenloop.prompts.tool_results import RULE
from greenloop.records import Strategy


@dataclass(frozen=True)
class Sent:
    """The messages of one request. All requests of a turn have the question and its context in common."""

    messages: tuple[Message, ...]
    question: Question
    context: Context
    asking: Strategy = Strategy.EDIT_BLOCKS


@dataclass(frozen=True)
class Talk:
    """What a model was told of tools: those that it was offered, and its calls with what they came to, in order."""

    offered: tuple[ToolSpec, ...] = ()
    exchanges: tuple[Message, ...] = ()


def explanation(turn: str, model: str, strategy: str, sent: Sequence[Sent], talk: Talk) -> Explanation:
    """Return all that was sent, in order: the first request part by part, then what later ones added to it."""
    if not sent:
        return Explanation(turn=turn, model=model, strategy=strategy, parts=())
    first = sent[0]
    told = explain(first.question, first.context, first.asking)
    # the first message says how to answer, the last one is the question: what is between was said before
    parts = [
        *_parts(part for part in told.parts if part.role == "system"),
        *_offered(talk.offered),
        *_whole(first.messages[1:-1], "conversation", "what was said before"),
        *_parts(part for part in told.parts if part.role != "system"),
        *_called(talk.exchanges),
    ]
    for one in sent[1:]:
        parts += _whole(one.messages[len(first.messages) :], "repair", "what became of the reply before")
    return Explanation(turn=turn, model=model, strategy=strategy, parts=tuple(parts), left_out=told.left_out)


def _parts(parts: Iterable[Part]) -> list[ShownPart]:
    return [
        ShownPart(role=part.role, text=part.text, plugin=part.plugin, why=part.why, tokens=part.tokens)
        for part in parts
    ]


def _offered(tools: Sequence[ToolSpec]) -> list[ShownPart]:
    if not tools:
        return []
    told = [(f"{one.name}: {one.help}\n{json.dumps(one.arguments, ensure_ascii=False)}", one.name) for one in tools]
    rule = ShownPart(
        role="system", text=RULE, plugin="tools", why="the model may call tools", tokens=estimate_tokens(RULE)
    )
    return [
        rule,
        *(
            ShownPart(role="tools", text=text, plugin="tools", why=f"{name} is offered", tokens=estimate_tokens(text))
            for text, name in told
        ),
    ]


def _called(exchanges: Iterable[Message]) -> list[ShownPart]:
    parts: list[ShownPart] = []
    for one in exchanges:
        asked = "".join(f"\n{use.name} {use.arguments}" for use in one.uses)
        text = f"{one.content}{asked}".strip("\n")
        why = "what a call came to" if one.role == "tool" else "the model asked for calls"
        parts.append(ShownPart(role=one.role, text=text, plugin="tools", why=why, tokens=estimate_tokens(text)))
    return parts


def _whole(messages: Iterable[Message], plugin: str, why: str) -> list[ShownPart]:
    return [
        ShownPart(
            role=message.role, text=message.content, plugin=plugin, why=why, tokens=estimate_tokens(message.content)
        )
        for message in messages
    ]
