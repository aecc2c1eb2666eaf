"""All tools of one workspace: what there is, and calling it, with everything that stands between the two."""

import difflib
import re
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jsonschema
import referencing
import referencing.exceptions

from greenloop.aid.tools.described import Described
from greenloop.aid.tools.pins import Pin, Pins
from greenloop.aid.tools.seam import Approve, Ask, Connect, Result, Surroundings
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.aid.tools.supervised import Supervised
from greenloop.builds.stop import Stop
from greenloop.records import InputError

Value = TypeVar("Value")

_THREADS = 8
_LOOK_SECONDS = 0.02
"""Between two looks at whether a call that waits for its server was cancelled."""
_PIN = "look at it, and agree to it, with `greenloop tools pin {}`"


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as it was pinned."""

    server: str
    described: Described
    writes: bool
    blocked: str = ""
    """Why it cannot be called; empty when it can."""

    @property
    def name(self) -> str:
        """``server.tool``"""
        return f"{self.server}.{self.described.name}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What there is. ``unavailable``: servers of which nothing can be listed, each with the reason."""

    tools: tuple[Tool, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)


class Toolbox:
    """The tools that ``servers`` have, by their names in the settings. Safe to use from several threads.

    Listing starts nothing. ``now`` gives Unix seconds, ``clock`` those between two starts of a server that fails.
    """

    def __init__(
        self,
        servers: Mapping[str, ToolServerSettings],
        pins: Pins,
        where: Surroundings,
        connect: Connect,
        *,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._pins = pins
        self._where = where
        self._now = now
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="tools")
        self._changed: dict[tuple[str, str], tuple[str, str]] = {}
        self._running = {
            name: Supervised(name, partial(connect, name, settings, where), clock) for name, settings in servers.items()
        }

    def __enter__(self) -> "Toolbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def workspace(self) -> Path:
        """Where servers run."""
        return self._where.workspace

    def listed(self) -> Catalogue:
        """Return every tool that was pinned, and why of a server there is none. Starts nothing."""
        if self._servers and not self._where.trusted:
            return Catalogue(unavailable=dict.fromkeys(self._servers, "the workspace is not trusted"))
        pins = self._pins.of(self._where.workspace)
        tools: list[Tool] = []
        unavailable: dict[str, str] = {}
        for name, settings in self._servers.items():
            pin = pins.get(name)
            if pin is None:
                unavailable[name] = f"nobody looked at it yet: {_PIN.format(name)}"
            elif pin.identity != settings.identity:
                unavailable[name] = f"its settings changed since it was looked at: {_PIN.format(name)}"
            else:
                tools += [self._tool(name, settings, one) for one in pin.tools]
        return Catalogue(tuple(tools), unavailable)

    def look(self, server: str) -> Pin:
        """Start a server and return it as it is now, for a person to look at. Nothing is kept.

        Raises ``InputError`` for an unknown server or an untrusted workspace, ``ToolError`` when it does not start.
        """
        settings = self._servers.get(server)
        if settings is None:
            raise InputError(f"there is no server of tools {server!r}", _among(server, self._servers))
        self._demand_trust()
        described = tuple(sorted(self._running[server].tools(), key=lambda one: one.name))
        return Pin(identity=settings.identity, tools=described, time=self._now())

    def pinned(self, server: str) -> Pin | None:
        """Return what a person agreed to last, whether it still holds or not."""
        return self._pins.of(self._where.workspace).get(server)

    def tools_of(self, server: str, pin: Pin) -> tuple[Tool, ...]:
        """Return the tools that there would be with a pin."""
        return tuple(self._tool(server, self._servers[server], one) for one in pin.tools)

    def pin(self, server: str, pin: Pin) -> None:
        """Keep what a person agreed to."""
        self._pins.keep(self._where.workspace, server, pin)

    def call(self, name: str, arguments: Mapping[str, Any], approve: Approve, stop: Stop | None = None) -> Result:
        """Call ``server.tool``: as it was pinned, with arguments that fit, approved where it may write.

        Raises ``InputError`` when it is unknown, blocked or not approved, or the arguments do not fit; ``ToolError``
        when its server does not start, ends or is too slow; ``Cancelled`` when ``stop`` is requested.
        """
        tool = self._find(name)
        _check(tool, arguments)
        running = self._running[tool.server]
        # asked anew each time: a server may change what it says without a word
        live = running.tools() if stop is None else self._unless(stop, running.tools)
        now = next((one for one in live if one.name == tool.described.name), None)
        self._compare(tool, now)
        if tool.writes and not approve(Ask(name, arguments, "it may change something")):
            raise InputError(f"{name} was not called: nobody approved it", "approve it when it is asked")
        if stop is not None:
            stop.check()
        return running.call(tool.described.name, arguments, stop)

    def close(self) -> None:
        """End every server."""
        for running in self._running.values():
            running.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _unless(self, stop: Stop, work: Callable[[], Value]) -> Value:
        """Wait for work that may have to start a server first; who gives up leaves it to start for the next call."""
        future = self._threads.submit(work)
        while not wait([future], timeout=_LOOK_SECONDS).done:
            stop.check()
        return future.result()

    def _tool(self, server: str, settings: ToolServerSettings, described: Described) -> Tool:
        with self._lock:
            seen = self._changed.get((server, described.name))
        blocked = seen[1] if seen is not None and seen[0] == described.sha256 else ""
        return Tool(server, described, described.name not in settings.read_only, blocked)

    def _find(self, name: str) -> Tool:
        self._demand_trust()
        catalogue = self.listed()
        server = name.partition(".")[0]
        if (why := catalogue.unavailable.get(server)) is not None:
            raise InputError(f"{name} cannot be called", why)
        tools = {tool.name: tool for tool in catalogue.tools}
        if name not in tools:
            raise InputError(f"there is no tool {name!r}", _among(name, tools))
        return tools[name]

    def _compare(self, tool: Tool, now: Described | None) -> None:
        key = (tool.server, tool.described.name)
        with self._lock:
            if now is not None and now.sha256 == tool.described.sha256:
                self._changed.pop(key, None)
                return
            why = "its server has it no more" if now is None else "its description changed since it was looked at"
            why = f"{why}: {_PIN.format(tool.server)}"
            self._changed[key] = (tool.described.sha256, why)
        raise InputError(f"{tool.name} is blocked", why)

    def _demand_trust(self) -> None:
        if not self._where.trusted:
            raise InputError(
                f"{self._where.workspace} is not trusted, so none of its tools is started",
                "trust the workspace first, if you know what its greenloop.toml starts",
            )


def _check(tool: Tool, arguments: Mapping[str, Any]) -> None:
    """Raise ``InputError`` that names the argument which does not fit."""
    schema = tool.described.arguments
    try:
        kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
        kind.check_schema(schema)
        # an empty registry: a schema that points elsewhere is refused, and never fetched
        error = next(iter(kind(schema, registry=referencing.Registry()).iter_errors(dict(arguments))), None)
    except (jsonschema.SchemaError, referencing.exceptions.Unresolvable, re.error) as fault:
        raise InputError(
            f"{tool.name}: the schema of its arguments cannot be used", "its server has to be mended by who wrote it"
        ) from fault
    if error is not None:
        place = "".join(f"{step}: " for step in error.absolute_path)
        raise InputError(
            f"{tool.name}: {place}{error.message[:300]}", f"`greenloop tools list {tool.server}` shows its arguments"
        )
    known = schema.get("properties", {})
    if isinstance(known, dict) and schema.get("additionalProperties") in {None, False}:
        for unknown in sorted(arguments.keys() - known.keys()):
            raise InputError(f"{tool.name} has no argument {unknown!r}", _among(unknown, known))


def _among(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, known, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there is: {', '.join(sorted(known)) or 'none; name one in [tools.NAME] of greenloop.toml'}"
