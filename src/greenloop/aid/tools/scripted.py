"""The fake of the seam: servers of tools that are functions of the test's."""

from collections.abc import Callable, Mapping
from typing import Any

from greenloop.aid.tools.described import Described
from greenloop.aid.tools.seam import Connection, Result, Surroundings
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.builds.stop import Stop
from greenloop.records import ToolError

Answer = Callable[[str, Mapping[str, Any]], Result]


class ScriptedServer(Connection):
    """Says that it has ``described``, and answers by ``answer``; keeps every call in ``calls``."""

    def __init__(self, described: tuple[Described, ...], answer: Answer) -> None:
        self.described = described
        self.answer = answer
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.closed = 0

    def tools(self) -> tuple[Described, ...]:
        return self.described

    def call(self, name: str, arguments: Mapping[str, Any], stop: Stop | None = None) -> Result:
        if stop is not None:
            stop.check()
        self.calls.append((name, dict(arguments)))
        return self.answer(name, arguments)

    def close(self) -> None:
        self.closed += 1


class ScriptedServers:
    """A ``Connect`` over servers by their names; ``started`` lists who was started, in order.

    A name that is not there does not start: ``ToolError``.
    """

    def __init__(self, servers: Mapping[str, ScriptedServer]) -> None:
        self.servers = dict(servers)
        self.started: list[str] = []

    def __call__(self, name: str, _settings: ToolServerSettings, _where: Surroundings) -> Connection:
        self.started.append(name)
        if name not in self.servers:
            raise ToolError(f"the server of tools {name!r} does not start", "add it to the script")
        return self.servers[name]
