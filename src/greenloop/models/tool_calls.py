"""Models that call tools: the seam beside ``Model``, for those that can.

A conversation goes round by round: the model answers with a text, or asks for calls; whoever runs it makes the calls
and goes on with what they came to. Nothing here runs a tool, or knows what one is.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from greenloop.models.seam import Message, Reply
from greenloop.records import ModelError


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model is told of it. ``name`` has letters, digits, ``_`` and ``-`` only, 64 at most, as OpenAI's."""

    name: str
    help: str
    arguments: Mapping[str, Any]
    """A JSON schema of an object."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that a model asks for. ``arguments`` is JSON as it wrote it: it may be none."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A model's turn in which it asked for calls, beside what it said."""

    text: str
    uses: tuple[ToolUse, ...]


@dataclass(frozen=True, slots=True)
class Came:
    """What a call came to, as the model is shown it."""

    use: str
    """``ToolUse.id``"""
    text: str


Exchange = Message | Asked | Came
"""One entry of a conversation with tools."""


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """What is asked of a model that may call ``tools``. It gives one answer."""

    exchanges: tuple[Exchange, ...]
    tools: tuple[ToolSpec, ...]
    temperature: float = 0.0
    max_tokens: int = 1024


@dataclass(frozen=True, slots=True)
class ToolReply:
    """The answer: a text, and the calls that are asked for; without any it is the end."""

    reply: Reply
    uses: tuple[ToolUse, ...] = ()


class ToolModel(Protocol):
    """A language model that can ask for calls of tools."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    def converse(self, request: ToolRequest) -> ToolReply:
        """Answer. Raises ``ModelError`` when the model gives no usable answer."""
        ...


class ScriptedToolModel(ToolModel):
    """The fake: answers by a script, one a round, and keeps every request in ``requests``.

    A callable is handed the request; so a test can play a model that obeys whatever it reads.
    """

    def __init__(self, script: Iterable[ToolReply] | Callable[[ToolRequest], ToolReply]) -> None:
        self._script = script if callable(script) else None
        self._replies = iter(()) if callable(script) else iter(script)
        self.requests: list[ToolRequest] = []

    @property
    def name(self) -> str:
        return "scripted"

    def converse(self, request: ToolRequest) -> ToolReply:
        self.requests.append(request)
        if self._script is not None:
            return self._script(request)
        found = next(self._replies, None)
        if found is None:
            raise ModelError("scripted: the script has no reply left", "add replies to the script")
        return found


def chat_messages(exchanges: Iterable[Exchange]) -> list[dict[str, Any]]:
    """Return a conversation as OpenAI's chat completions take it."""
    return [_message(one) for one in exchanges]


def _message(one: Exchange) -> dict[str, Any]:
    if isinstance(one, Message):
        return {"role": one.role, "content": one.content}
    if isinstance(one, Came):
        return {"role": "tool", "tool_call_id": one.use, "content": one.text}
    calls = [
        {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": use.arguments}}
        for use in one.uses
    ]
    return {"role": "assistant", "content": one.text or None, "tool_calls": calls}


def chat_tools(tools: Iterable[ToolSpec]) -> list[dict[str, Any]]:
    """Return tools as OpenAI's chat completions take them."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.help, "parameters": dict(tool.arguments)},
        }
        for tool in tools
    ]


def read_tool_reply(body: object, where: str) -> ToolReply:
    """Read the first choice of a chat completion. Raises ``ModelError``, which names ``where``, if it is none."""
    choices = body.get("choices") if isinstance(body, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        shown = json.dumps(body)[:80]
        raise ModelError(f"{where}: the answer is no chat completion: {shown}", "is this a server with OpenAI's API?")
    text, calls = message.get("content"), message.get("tool_calls") or []
    if not isinstance(text, str | None) or not isinstance(calls, list):
        raise ModelError(f"{where}: the answer's message is none", "is this a server with OpenAI's API?")
    usage = body.get("usage") if isinstance(body, dict) else None
    counts = usage if isinstance(usage, dict) else {}
    prompt, completion = (_count(counts.get(key)) for key in ("prompt_tokens", "completion_tokens"))
    reason = choice.get("finish_reason")
    reply = Reply(text or "", reason if isinstance(reason, str) else "stop", prompt, completion)
    return ToolReply(reply, tuple(_use(number, call, where) for number, call in enumerate(calls)))


def _use(number: int, call: object, where: str) -> ToolUse:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise ModelError(f"{where}: it asks for a call that names no function", "does this model support tools?")
    given = function.get("arguments")
    # some servers send an object in the place of its JSON, and no id
    arguments = given if isinstance(given, str) else json.dumps(given or {})
    id_ = call.get("id")
    return ToolUse(id_ if isinstance(id_, str) and id_ else f"call-{number}", function["name"], arguments)


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
