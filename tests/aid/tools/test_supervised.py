"""A server that fails is started again, with growing pauses."""

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from tests.aid.tools.conftest import GREET

from greenloop.aid.tools.scripted import ScriptedServer
from greenloop.aid.tools.seam import Connection, Result
from greenloop.aid.tools.supervised import LONGEST_PAUSE, Supervised
from greenloop.records import ToolError


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def failing(_name: str, _arguments: Mapping[str, Any]) -> Result:
    raise ToolError("it ended")


def works(_name: str, _arguments: Mapping[str, Any]) -> Result:
    return Result("fine")


def test_it_starts_once_and_with_the_first_use() -> None:
    started: list[ScriptedServer] = []

    def start() -> Connection:
        started.append(ScriptedServer((GREET,), works))
        return started[-1]

    server = Supervised("hall", start)
    assert started == []
    assert server.call("greet", {}).text == server.call("greet", {}).text == "fine"
    assert len(started) == 1
    server.close()
    assert started[0].closed == 1
    with pytest.raises(ToolError, match="have been ended"):
        server.tools()


def test_pauses_grow_and_end_with_an_answer() -> None:
    clock, answers = Clock(), [failing]
    started: list[float] = []

    def start() -> Connection:
        started.append(clock.now)
        return ScriptedServer((GREET,), answers[-1])

    server = Supervised("hall", start, clock)
    while clock.now < 400:
        with pytest.raises(ToolError):
            server.call("greet", {})
        clock.now += 0.5
    gaps = [after - before for before, after in itertools.pairwise(started)]
    assert gaps[:6] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0]
    assert max(gaps) == LONGEST_PAUSE
    with pytest.raises(ToolError, match=r"failed \d+ times in a row"):
        server.call("greet", {})
    answers.append(works)
    clock.now += LONGEST_PAUSE
    assert server.call("greet", {}).text == "fine"


def test_a_server_that_does_not_start_counts_too() -> None:
    clock, attempts = Clock(), 0

    def start() -> Connection:
        nonlocal attempts
        attempts += 1
        raise ToolError("no such program")

    server = Supervised("hall", start, clock)
    for _ in range(5):
        with pytest.raises(ToolError):
            server.tools()
    assert attempts == 2
