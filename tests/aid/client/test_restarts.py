"""The sidecar is restarted in the middle of everything, and clients see no more than a pause."""

import json
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.aid.wires import PATIENCE

from greenloop.aid.client.client import Client
from greenloop.aid.client.reach import Launch, halt, look, reach
from greenloop.aid.door.place import Place
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Message
from greenloop.aid.protocol.session import WorkspaceOpen, WorkspaceRef
from greenloop.aid.protocol.turns import (
    SuggestionAccept,
    TurnDelta,
    TurnEnded,
    TurnStart,
    TurnStarted,
)
from greenloop.records import Refused

Launching = Callable[..., Launch]
_LOOSE_SECONDS = 30.0
"""Far above the two seconds that are promised: the figures are printed, and a machine may be busy."""


def _end(place: Place, how: int) -> None:
    """End the sidecar in one of the ways in which sidecars end."""
    if how == 0:
        status = look(place)
        assert status is not None
        os.kill(status.pid, signal.SIGKILL)
    else:
        halt(place)


def _until_delta(news: Iterator[Message]) -> str:
    turn = ""
    for said in news:
        if isinstance(said, TurnStarted):
            turn = said.turn
        if isinstance(said, TurnDelta):
            return turn
    raise AssertionError("the turn ended before its model said anything")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("restarts", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_restarts_in_mid_stream(place: Place, launch: Launching, short: Path, restarts: int) -> None:
    ledger = short / "ledger"
    chance = random.Random(restarts)
    pauses: list[float] = []
    taken: list[str] = []
    lost: list[str] = []
    reasons: set[str] = set()
    how = launch(pause=0.01, deltas=("x",) * 20, ledger=str(ledger))
    with Client(lambda: reach(place, how), "test") as client:
        workspace = client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path="/w")).workspace
        for number in range(restarts):
            news = client.turn(TurnStart(workspace=workspace, kind="ask", prompt="go on"), PATIENCE)
            turn = _until_delta(news)
            if number % 4 == 3:
                # this one is killed around the hand-over instead
                *_, last = news
                assert isinstance(last, TurnEnded)
                assert last.fault is None
                killer = threading.Timer(chance.random() * 0.004, _end, (place, 0))
                killer.start()
                began = time.monotonic()
                for _ in range(2):
                    try:
                        handover = client.call(
                            catalogue.SUGGESTION_ACCEPT, SuggestionAccept(turn=turn, suggestion=last.order[0]), PATIENCE
                        )
                        taken.append(handover.acceptance)
                    except Refused as error:
                        reasons.add(error.code)
                        lost.append(turn)
                killer.join()
            else:
                began = time.monotonic()
                _end(place, number % 2)
                *_, last = news
                assert isinstance(last, TurnEnded)
                # a turn whose last words were on their way already may have ended well
                assert last.fault is None or last.fault.code == "sidecar-restarted"
                lost.append(turn)
            # the new sidecar knows the workspace without being told by us again
            client.call(catalogue.STATUS_GET, WorkspaceRef(workspace=workspace), PATIENCE)
            pauses.append(time.monotonic() - began)
        assert client.restarts >= restarts * 3 // 4
    assert reasons <= {"sidecar-restarted", "unknown-suggestion"}
    lines = [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []
    assert len(lines) == len({turn for turn, _, _ in lines}), "an edit was handed over twice"
    assert len(taken) == len(set(taken))
    assert {acceptance for _, _, acceptance in lines} >= set(taken)
    quantiles = statistics.quantiles(pauses, n=20)
    print(f"{restarts} restarts: pause p50 {statistics.median(pauses):.2f} s, p95 {quantiles[18]:.2f} s, "
          f"max {max(pauses):.2f} s; {len(taken)} handed over, {len(lost)} lost")  # fmt: skip
    assert max(pauses) < _LOOSE_SECONDS


class Editor:
    """An editor that knows nothing of restarts, on the stdio of a bridge."""

    def __init__(self, folder: Path, launch: Launch) -> None:
        settings = {"folder": str(folder), "command": launch.command, "version": launch.version}
        program = str(Path(__file__).parent.parent / "scripted_bridge.py")
        self.process = subprocess.Popen(
            [sys.executable, program, json.dumps(settings)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def raw(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.raw(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        length = self.process.stdout.readline()
        assert length, f"the bridge ended: {self.process.stderr.read() if self.process.stderr else b''!r}"
        self.process.stdout.readline()
        found: dict[str, Any] = json.loads(self.process.stdout.read(int(length.split()[1])))
        return found

    def until(self, **wanted: Any) -> dict[str, Any]:
        while True:
            found = self.next()
            if all(found.get(name) == value for name, value in wanted.items()):
                return found

    def close(self) -> int:
        self.process.communicate(timeout=PATIENCE)
        return self.process.returncode


@pytest.fixture
def editor(short: Path, launch: Launching) -> Iterator[Editor]:
    editor = Editor(short, launch(pause=0.02, deltas=("x",) * 500))
    yield editor
    editor.process.kill()
    editor.process.communicate()


def _begin(editor: Editor) -> str:
    """Send everything at once, as an impatient editor does, and return the workspace."""
    editor.send(id=1, method="initialize", params={"client": "impatient"})
    editor.send(id="two", method="workspace/open", params={"path": "/w"})
    assert editor.until(id=1)["result"]["protocol"] == 1
    found: str = editor.until(id="two")["result"]["workspace"]
    return found


@pytest.mark.parametrize("how", [0, 1])
def test_a_bridge_ends_the_turn_by_name_and_goes_on(editor: Editor, place: Place, how: int) -> None:
    workspace = _begin(editor)
    editor.send(id=3, method="turn/start", params={"workspace": workspace, "kind": "ask"})
    turn = editor.until(id=3)["result"]["turn"]
    editor.until(method="turn/delta")
    _end(place, how)
    ended = editor.until(method="turn/ended")["params"]
    assert ended["turn"] == turn
    assert ended["fault"]["code"] == "sidecar-restarted"
    # sent while there is no sidecar: it waits, and is done once
    editor.send(id=4, method="turn/start", params={"workspace": workspace, "kind": "ask"})
    again = editor.until(id=4)["result"]["turn"]
    assert again != turn
    assert editor.until(method="turn/delta")["params"]["turn"] == again
    status = look(place)
    assert status is not None
    assert status.clients == ("impatient",)
    assert editor.close() == 0


def test_what_was_on_its_way_is_repeated_only_where_it_is_safe(short: Path, place: Place, launch: Launching) -> None:
    arrived = short / "arrived"
    editor = Editor(short, launch(stuck=str(arrived)))
    workspace = _begin(editor)
    editor.send(id=5, method="status/get", params={"workspace": workspace})
    editor.send(id=6, method="turn/start", params={"workspace": workspace, "kind": "ask"})
    deadline = time.monotonic() + PATIENCE
    while not arrived.exists() or len(arrived.read_text().splitlines()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    _end(place, 0)
    told = {found["id"]: found for found in (editor.next(), editor.next())}
    assert told[6]["error"]["data"]["code"] == "sidecar-restarted"
    assert told[5]["result"]["state"] == "green"
    assert sorted(arrived.read_text().split()) == ["status/get", "turn/start"]
    assert editor.close() == 0


def test_an_editor_that_sends_no_frames_is_told(editor: Editor) -> None:
    editor.raw(b"hello\r\n\r\n")
    assert editor.until(id=None)["error"]["data"]["code"] == "parse-error"
    assert editor.close() == 1


def test_no_sidecar_to_be_had_is_told_by_name(short: Path, launch: Launching) -> None:
    editor = Editor(short, launch(broken=True))
    editor.send(id=1, method="initialize", params={"client": "unlucky"})
    fault = editor.until(id=1)["error"]["data"]
    assert fault["code"] == "sidecar-unreachable"
    assert "the model file is damaged" in fault["message"]
    assert editor.process.wait(PATIENCE) == 1
    editor.close()


def test_a_client_of_another_protocol_is_told(editor: Editor) -> None:
    editor.send(id=1, method="initialize", params={"client": "future", "protocol": 2})
    assert editor.until(id=1)["error"]["data"]["code"] == "protocol-mismatch"
    editor.send(id=2, method="initialize", params={"client": "future", "protocol": 1})
    assert "result" in editor.until(id=2)
