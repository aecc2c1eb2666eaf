"""A conversation in which a model may call the tools of a workspace.

What the model is told of a tool is what a person pinned; what a tool answers is marked as data; a call that may write
is approved by the person like any other. A call that cannot be made is told to the model, and costs one of its rounds.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from greenloop.aid.tools.seam import Approve
from greenloop.aid.tools.toolbox import Tool, Toolbox
from greenloop.builds.stop import Stop
from greenloop.models.tool_calls import Asked, Came, Exchange, ToolModel, ToolRequest, ToolSpec, ToolUse
from greenloop.prompts.tool_results import as_data
from greenloop.records import InputError, ModelError, ToolError

MAX_ROUNDS = 8
MAX_CALLS = 16
"""Calls of one conversation: a model that goes in circles ends."""
_LONGEST_NAME = 64
_SPENT = "no calls are left: answer with what is known"


@dataclass(frozen=True, slots=True)
class Called:
    """One call that a model asked for, for logs and spans: never what was in it."""

    tool: str
    ok: bool


@dataclass(frozen=True, slots=True)
class Told:
    """How a conversation ended."""

    text: str
    exchanges: tuple[Exchange, ...]
    calls: tuple[Called, ...]


def specs(toolbox: Toolbox) -> dict[str, tuple[Tool, ToolSpec]]:
    """Return what models may be told of: their name for a tool → the tool. Blocked tools are left out."""
    found: dict[str, tuple[Tool, ToolSpec]] = {}
    for tool in toolbox.listed().tools:
        if tool.blocked:
            continue
        name = re.sub(r"[^A-Za-z0-9_-]", "_", tool.name.replace(".", "__", 1))[:_LONGEST_NAME]
        if name in found:
            # two names that differ in signs only, or beyond what models take: both stay people's
            raise InputError(
                f"{tool.name} and {found[name][0].name} are one name for a model", "give one of the servers another"
            )
        found[name] = (tool, ToolSpec(name, tool.described.help, tool.described.arguments))
    return found


def converse(
    model: ToolModel,
    exchanges: tuple[Exchange, ...],
    toolbox: Toolbox,
    approve: Approve,
    *,
    stop: Stop | None = None,
    max_tokens: int = 1024,
    word: Callable[[], str] = lambda: secrets.token_hex(8),
) -> Told:
    """Let a model answer, with as many calls as it asks for, up to ``MAX_CALLS`` in ``MAX_ROUNDS`` rounds.

    The last round offers no tools, so that an answer comes. Raises ``ModelError`` as the model does, or when it asks
    for calls even then; ``Cancelled`` when ``stop`` is requested.
    """
    known = specs(toolbox)
    calls: list[Called] = []
    for number in range(MAX_ROUNDS):
        if stop is not None:
            stop.check()
        last = number == MAX_ROUNDS - 1 or len(calls) >= MAX_CALLS
        offered = () if last else tuple(spec for _, spec in known.values())
        answer = model.converse(ToolRequest(exchanges, offered, max_tokens=max_tokens))
        if not answer.uses:
            return Told(answer.reply.text, exchanges, tuple(calls))
        if last:
            break
        exchanges = (*exchanges, Asked(answer.reply.text, answer.uses))
        for use in answer.uses:
            called, text = _run(use, known, toolbox, approve, stop, word, left=MAX_CALLS - len(calls))
            calls.append(called)
            exchanges = (*exchanges, Came(use.id, text))
    raise ModelError(f"{model.name}: it called tools {len(calls)} times without an answer", "ask for less at once")


def _run(
    use: ToolUse,
    known: Mapping[str, tuple[Tool, ToolSpec]],
    toolbox: Toolbox,
    approve: Approve,
    stop: Stop | None,
    word: Callable[[], str],
    *,
    left: int,
) -> tuple[Called, str]:
    """Make a call, or say why not: a model's mistake is its own to mend."""
    found = known.get(use.name)
    name = found[0].name if found is not None else "unknown"
    why = f"there is no tool {use.name!r}" if found is None else _SPENT if left <= 0 else ""
    if why:
        return Called(name, ok=False), _marked(name, why, word, is_error=True)
    try:
        result = toolbox.call(name, _arguments(use), approve, stop)
    except (InputError, ToolError) as error:
        return Called(name, ok=False), _marked(name, str(error), word, is_error=True)
    text = _marked(name, result.text, word, cut=result.cut, is_error=result.is_error)
    return Called(name, ok=not result.is_error), text


def _arguments(use: ToolUse) -> dict[str, Any]:
    try:
        given = json.loads(use.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"the arguments are not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InputError("the arguments are no JSON object")
    return given


def _marked(tool: str, text: str, word: Callable[[], str], *, cut: int = 0, is_error: bool = False) -> str:
    drawn = word()
    while drawn in text:
        drawn = word()
    return as_data(tool, text, drawn, cut=cut, is_error=is_error)
