"""A model that is offered the tools of a workspace: its calls are made before its answer is given on.

What the model is told of a tool is what a person pinned; what a tool answers is marked as data; a call that may write
is approved by the person like any other. A call that cannot be made is told to the model, and costs one of its rounds.
"""

import json
import re
import secrets
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from greenloop.aid.tools.seam import Approve
from greenloop.aid.tools.toolbox import Tool, Toolbox
from greenloop.builds.stop import Stop
from greenloop.models.seam import Chunk, Done, Halt, Message, Model, Reply, Request, ToolSpec, ToolUse
from greenloop.prompts.tool_results import RULE, as_data
from greenloop.records import InputError, ModelError, ToolError

MAX_ROUNDS = 8
"""Rounds of calls, before the answer."""
MAX_CALLS = 16
"""Calls of one conversation: a model that goes in circles ends."""
MAX_TOOLS = 64
"""Tools that a model is offered; more would take the room of the code."""
MAX_ARGUMENT_BYTES = 64 << 10
_LONGEST_NAME = 64
_SPENT = "no calls are left: answer with what is known"


@dataclass(frozen=True, slots=True)
class Called:
    """One call that a model asked for, for progress and logs: never what was in it. ``why``: it was not made."""

    tool: str
    ok: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """What one turn offers its model: the tools, who approves, and within which bound."""

    toolbox: Toolbox
    approve: Approve
    rounds: int = MAX_ROUNDS
    writes: bool = True
    """Whether tools that may write are offered: where nobody can be asked, each call of one would be refused."""
    span: Callable[[str], AbstractContextManager[None]] = lambda _tool: nullcontext()
    """Entered for as long as a call of the tool with this name lasts."""


def specs(toolbox: Toolbox, *, writes: bool = True) -> dict[str, tuple[Tool, ToolSpec]]:
    """Return what models may be told of: their name for a tool → the tool. Blocked tools are left out.

    So are those that have one name for a model, though two for people. ``writes``: also those that may write.
    """
    found: dict[str, list[Tool]] = {}
    for tool in toolbox.listed().tools:
        if not tool.blocked and (writes or not tool.writes):
            name = re.sub(r"[^A-Za-z0-9_-]", "_", tool.name.replace(".", "__", 1))[:_LONGEST_NAME]
            found.setdefault(name, []).append(tool)
    alone = {name: tools[0] for name, tools in found.items() if len(tools) == 1}
    return {
        name: (tool, ToolSpec(name, tool.described.help, tool.described.arguments))
        for name, tool in list(alone.items())[:MAX_TOOLS]
    }


class WithTools(Model):
    """``model``, offered the tools of ``offer`` when it is asked for one reply at temperature 0.

    What its calls came to is part of every later request of the same turn: other replies, and repairs, build on it.
    For one turn, and one request at a time. It does not own the model. ``tell`` gets each call, in the thread that
    reads the stream; ``word`` draws the word of a mark.
    """

    def __init__(
        self,
        model: Model,
        offer: Offer,
        stop: Stop,
        tell: Callable[[Called], None],
        *,
        word: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._model = model
        self._offer = offer
        self._stop = stop
        self._tell = tell
        self._word = word
        self._first = 0
        self._rounds = 0
        self.exchanges: tuple[Message, ...] = ()
        """The model's calls, and what they came to, in order."""
        self.calls: tuple[Called, ...] = ()

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def takes_tools(self) -> bool:
        return self._model.takes_tools

    @cached_property
    def _known(self) -> dict[str, tuple[Tool, ToolSpec]]:
        return specs(self._offer.toolbox, writes=self._offer.writes)

    @property
    def offered(self) -> tuple[ToolSpec, ...]:
        """What the model is told of, if it takes tools."""
        return tuple(spec for _, spec in self._known.values()) if self._model.takes_tools else ()

    def complete(self, request: Request) -> tuple[Reply, ...]:
        """Return the replies that ``stream`` gives."""
        return tuple(chunk.reply for chunk in self.stream(request, self._stop) if isinstance(chunk, Done))

    def stream(self, request: Request, stop: Halt | None = None) -> Iterator[Chunk]:
        """See ``Model.stream``. Calls are made in between, up to ``MAX_CALLS`` in the offer's rounds.

        The answer that follows these is asked for without tools, so that one comes. Raises ``ModelError`` also when
        the model asks for calls even then.
        """
        self._first = self._first or len(request.messages)
        alone = request.n == 1 and request.temperature == 0
        spent = [0, 0]
        while True:
            last = self._spent
            tools = self.offered if alone and not last else ()
            done: Done | None = None
            with closing(_generator(self._model.stream(self._sent(request, tools), stop))) as chunks:
                for chunk in chunks:
                    if isinstance(chunk, Done) and alone:
                        done = chunk
                    else:
                        yield chunk
            if done is None:
                return
            spent = [spent[0] + done.reply.prompt_tokens, spent[1] + done.reply.reply_tokens]
            if not done.reply.uses:
                yield replace(done, reply=replace(done.reply, prompt_tokens=spent[0], reply_tokens=spent[1]))
                return
            if last:
                raise ModelError(
                    f"{self.name}: it called tools {len(self.calls)} times without an answer", "ask for less at once"
                )
            self._rounds += 1
            self._make(done.reply)

    def close(self) -> None:
        """Nothing: the model is not its own."""

    @property
    def _spent(self) -> bool:
        return self._rounds >= self._offer.rounds or len(self.calls) >= MAX_CALLS

    def _sent(self, request: Request, tools: tuple[ToolSpec, ...]) -> Request:
        """Return the request with what calls came to, which stands after the question and before what followed it."""
        messages = request.messages
        if tools or self.exchanges:
            messages = (*with_rule(messages[: self._first]), *self.exchanges, *messages[self._first :])
        return replace(request, messages=messages, tools=tools)

    def _make(self, reply: Reply) -> None:
        exchanges = [Message("assistant", reply.text, uses=reply.uses)]
        for use in reply.uses:
            self._stop.check()
            called, text = self._run(use)
            self.calls = (*self.calls, called)
            self._tell(called)
            exchanges.append(Message("tool", text, use=use.id))
        self.exchanges = (*self.exchanges, *exchanges)

    def _run(self, use: ToolUse) -> tuple[Called, str]:
        """Make a call, or say why not: a model's mistake is its own to mend."""
        tool = self._named(use.name)
        if tool is None:
            return self._refused("unknown", f"there is no tool {use.name[:_LONGEST_NAME]!r}")
        if len(self.calls) >= MAX_CALLS:
            return self._refused(tool.name, _SPENT)
        try:
            with self._offer.span(tool.name):
                result = self._offer.toolbox.call(tool.name, _arguments(use), self._offer.approve, self._stop)
        except (InputError, ToolError) as error:
            return self._refused(tool.name, str(error))
        text = self._marked(tool.name, result.text, cut=result.cut, is_error=result.is_error)
        return Called(tool.name, ok=not result.is_error), text

    def _named(self, name: str) -> Tool | None:
        """Return the tool that a model means. One that may write is known though it was not offered: it is refused."""
        found: Mapping[str, tuple[Tool, ToolSpec]] = self._known
        if name not in found:
            found = specs(self._offer.toolbox)
        return found[name][0] if name in found else None

    def _refused(self, tool: str, why: str) -> tuple[Called, str]:
        return Called(tool, ok=False, why=why), self._marked(tool, why, is_error=True)

    def _marked(self, tool: str, text: str, *, cut: int = 0, is_error: bool = False) -> str:
        drawn = self._word()
        while drawn in text:
            drawn = self._word()
        return as_data(tool, text, drawn, cut=cut, is_error=is_error)


def with_rule(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return messages whose first one, the instructions, says what to make of tools' answers."""
    if messages and messages[0].role == "system":
        return (replace(messages[0], content=f"{messages[0].content}\n\n{RULE}"), *messages[1:])
    return (Message("system", RULE), *messages)


def _arguments(use: ToolUse) -> dict[str, Any]:
    if len(use.arguments.encode("utf-8", "replace")) > MAX_ARGUMENT_BYTES:
        raise InputError(f"the arguments are longer than {MAX_ARGUMENT_BYTES} bytes")
    try:
        given = json.loads(use.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise InputError(f"the arguments are not JSON: {error}") from error
    if not isinstance(given, dict):
        raise InputError("the arguments are no JSON object")
    return given


def _generator(chunks: Iterator[Chunk]) -> Generator[Chunk, None, None]:
    """Return the chunks as what can be closed, whatever kind of iterator a model gives."""
    yield from chunks
