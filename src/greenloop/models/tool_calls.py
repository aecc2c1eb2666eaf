"""Tools in the form of OpenAI's chat completions, and conversations with them for models that take none."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from greenloop.models.seam import Message, Request, ToolSpec, ToolUse
from greenloop.records import ModelError

MOST_USES = 32
"""Calls that one reply may ask for."""
_WAY_OUT = "does this model support tools?"


def chat_message(message: Message) -> dict[str, Any]:
    """Return a message as chat completions take it."""
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.use, "content": message.content}
    if not message.uses:
        return {"role": message.role, "content": message.content}
    calls = [
        {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": use.arguments}}
        for use in message.uses
    ]
    return {"role": message.role, "content": message.content or None, "tool_calls": calls}


def chat_tools(tools: Iterable[ToolSpec]) -> list[dict[str, Any]]:
    """Return tools as chat completions take them."""
    return [
        {
            "type": "function",
            "function": {"name": tool.name, "description": tool.help, "parameters": dict(tool.arguments)},
        }
        for tool in tools
    ]


def without_tools(request: Request) -> Request:
    """Return the request for a model that takes no tools: what calls came to is told it in the person's place."""
    told: list[Message] = []
    for message in request.messages:
        if message.role == "tool":
            told.append(Message("user", message.content))
        elif not message.uses:
            told.append(message)
        elif message.content:
            told.append(Message(message.role, message.content))
    return replace(request, messages=tuple(told), tools=())


def read_uses(calls: object, where: str) -> tuple[ToolUse, ...]:
    """Read the ``tool_calls`` of a whole message. Raises ``ModelError``, which names ``where``, if they are none."""
    making = Uses(where)
    for number, call in enumerate(calls if isinstance(calls, list) else [calls] if calls else []):
        # each is whole, whatever it calls its place
        making.add([{**call, "index": number} if isinstance(call, dict) else call])
    return making.finish()


@dataclass(slots=True)
class _Use:
    id: str = ""
    name: str = ""
    arguments: str = ""


class Uses:
    """The calls of one reply, put together from the pieces of a stream. ``where`` names the model in errors."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._making: dict[int, _Use] = {}

    def add(self, pieces: object) -> None:
        """Take in the ``tool_calls`` of one delta. Raises ``ModelError`` for what is none, and for too many."""
        if not pieces:
            return
        for piece in pieces if isinstance(pieces, list) else [pieces]:
            function = piece.get("function") if isinstance(piece, dict) else None
            if not isinstance(piece, dict) or not isinstance(function, dict):
                raise ModelError(f"{self._where}: it asks for a call that is none", _WAY_OUT)
            index = piece.get("index")
            use = self._making.setdefault(index if isinstance(index, int) else len(self._making), _Use())
            if len(self._making) > MOST_USES:
                raise ModelError(f"{self._where}: it asks for more than {MOST_USES} calls at once", "ask for less")
            given = function.get("arguments")
            # some servers send an object in the place of its JSON, and no id
            use.arguments += given if isinstance(given, str) else json.dumps(given) if given else ""
            use.name += _text(function.get("name"))
            use.id = use.id or _text(piece.get("id"))

    def finish(self) -> tuple[ToolUse, ...]:
        """Return the calls. Raises ``ModelError`` for one that names no function."""
        uses = []
        for number, use in sorted(self._making.items()):
            if not use.name:
                raise ModelError(f"{self._where}: it asks for a call that names no function", _WAY_OUT)
            uses.append(ToolUse(use.id or f"call-{number}", use.name, use.arguments or "{}"))
        return tuple(uses)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
