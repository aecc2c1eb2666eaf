"""What a client sees that speaks to the door over its socket."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.aid.wires import PATIENCE, Wire, doorway

from greenloop.aid.door.connection import Bounds
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty, Message
from greenloop.aid.protocol.tools import ApprovalRequest, ToolCall, ToolResult
from greenloop.aid.protocol.turns import TurnStart, TurnStarted
from greenloop.aid.scripted import Script, ScriptedService
from greenloop.aid.service import Call, Combined, Handlers, Peer
from greenloop.records import Cancelled, InputError, Refused

Opened = Callable[..., Callable[[], Wire]]
ASK = {"kind": "ask", "prompt": "rename it"}


class Tools:
    """A service whose one tool asks for approval, and notes what became of it."""

    def __init__(self) -> None:
        self.fates: list[str] = []
        self.settled = threading.Event()

    def handlers(self) -> Handlers:
        table = Handlers()
        table.on(catalogue.TOOLS_CALL, self._call)
        return table

    def _call(self, call: Call, params: ToolCall) -> ToolResult:
        try:
            question = ApprovalRequest(tool=params.name, arguments=params.arguments, why="it writes")
            approval = call.peer.ask(catalogue.APPROVAL_REQUEST, question, call.stop)
            self.fates.append("approved" if approval.approved else "refused")
        except Cancelled:
            self.fates.append("cancelled")
            raise
        finally:
            self.settled.set()
        return ToolResult(text=self.fates[-1])

    def left(self, peer: Peer) -> None:
        pass

    def busy(self) -> bool:
        return False

    def close(self) -> None:
        pass


def _workspace(wire: Wire) -> str:
    found: str = wire.ask("workspace/open", {"path": "/w"})["result"]["workspace"]
    return found


def _code(answer: dict[str, Any] | None) -> str:
    assert answer is not None
    code: str = answer["error"]["data"]["code"]
    return code


def test_a_turn_streams_and_ends(opened: Opened) -> None:
    wire = opened(ScriptedService())()
    assert wire.greet()["result"]["session"] == "session"
    wire.send({"id": 7, "method": "turn/start", "params": {"workspace": _workspace(wire), **ASK}})
    said = wire.until("turn/ended")
    # the answer names the turn before anything is said of it
    assert said[0]["id"] == 7
    turn = said[0]["result"]["turn"]
    assert [one["method"] for one in said[1:]] == [
        "turn/progress", "turn/delta", "turn/delta", "turn/delta", "turn/candidate", "turn/ended"
    ]  # fmt: skip
    assert {one["params"]["turn"] for one in said[1:]} == {turn}
    taken = wire.ask("suggestion/accept", {"turn": turn, "suggestion": "s1"})["result"]
    assert [file["text"] for file in taken["files"]] == ["let x = 1\n"]
    assert _code(wire.ask("suggestion/accept", {"turn": turn, "suggestion": "s1"})) == "unknown-suggestion"


def test_the_introduction_comes_first_and_once(opened: Opened) -> None:
    wire = opened(ScriptedService())()
    assert _code(wire.ask("workspace/open", {"path": "/w"})) == "not-initialized"
    assert _code(wire.ask("initialize", {"client": "old", "protocol": 0})) == "protocol-mismatch"
    assert "result" in wire.greet()
    assert _code(wire.ask("initialize", {"client": "again"})) == "invalid-message"


def test_errors_keep_their_names(opened: Opened) -> None:
    answers: dict[str, Message | InputError] = {
        "status/get": Refused("unknown-workspace", "w: no such workspace", "open it"),
        "tools/list": InputError("the settings are wrong"),
        "tools/call": Empty(),
    }
    wire = opened(ScriptedService(Script(answers=answers)))()
    wire.greet()
    refused = wire.ask("status/get", {"workspace": "w"})["error"]
    assert refused["data"] == {"code": "unknown-workspace", "message": "w: no such workspace", "way_out": "open it"}
    assert _code(wire.ask("tools/list", {"workspace": "w"})) == "input"
    assert _code(wire.ask("turn/start", {"workspace": "w"})) == "invalid-params"
    assert _code(wire.ask("no/such", {})) == "unknown-method"
    assert _code(wire.ask("conversation/list", {"workspace": "w"})) == "unknown-method"
    # an answer of the wrong kind is a mistake of ours: told as such, and the connection goes on
    assert _code(wire.ask("tools/call", {"workspace": "w", "name": "t", "arguments": {}})) == "internal"
    assert "result" in wire.ask("workspace/open", {"path": "/w"})


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "parse-error"),
        (b"Content-Length: 4\r\n\r\n[[[[", "parse-error"),
        (b"Content-Length: 2\r\n\r\n[]", "invalid-message"),
        (b"Content-Length: 9999999\r\n\r\n", "message-too-large"),
        (b"x" * 10_000, "parse-error"),
    ],
)
def test_hostile_bytes_end_their_connection_and_no_other(opened: Opened, data: bytes, code: str) -> None:
    connect = opened(ScriptedService(), Bounds(message_bytes=1 << 20))
    good, hostile = connect(), connect()
    good.greet()
    hostile.greet()
    hostile.raw(data)
    assert _code(hostile.next()) == code
    assert hostile.next() is None
    assert "result" in good.ask("workspace/open", {"path": "/w"})


def test_a_half_message_ends_its_connection(opened: Opened) -> None:
    wire = opened(ScriptedService(), Bounds(silence_seconds=0.2))()
    wire.greet()
    wire.raw(b"Content-Length: 100\r\n\r\n{")
    assert _code(wire.next()) == "half-message"
    assert wire.next() is None


def test_whoever_says_nothing_is_not_waited_for(opened: Opened) -> None:
    wire = opened(ScriptedService(), Bounds(introduction_seconds=0.2))()
    assert _code(wire.next()) == "not-initialized"
    assert wire.next() is None


def test_too_many_connections_and_requests_are_refused_by_name(opened: Opened) -> None:
    tools = Tools()
    connect = opened(Combined([ScriptedService(), tools]), Bounds(connections=1, requests=1))
    wire = connect()
    wire.greet(can_approve=True)
    assert _code(connect().next()) == "too-many-requests"
    wire.send({"id": 1, "method": "tools/call", "params": {"workspace": "w", "name": "t", "arguments": {}}})
    wire.until("approval/request")
    assert _code(wire.ask("workspace/open", {"path": "/w"}, 2)) == "too-many-requests"


def test_a_client_that_does_not_read_stalls_nobody(opened: Opened) -> None:
    service = ScriptedService(Script(deltas=("x" * 100_000,) * 200))
    connect = opened(service, Bounds(waiting_bytes=1 << 20))
    slow, good = connect(), connect()
    slow.greet()
    good.greet()
    slow.send({"id": 7, "method": "turn/start", "params": {"workspace": _workspace(slow), **ASK}})
    deadline = time.monotonic() + PATIENCE
    # the turn of the slow one has gone with it, while the other one is served
    while not any(method == "turn/start" for _, method, _ in service.calls) or service.busy():
        assert "result" in good.ask("status/get", {"workspace": _workspace(good)})
        assert time.monotonic() < deadline
    slow.drain()
    while good.ask("sidecar/status")["result"]["clients"] != ["test"]:
        assert time.monotonic() < deadline


@pytest.mark.parametrize("approved", [True, False])
def test_the_person_is_asked(opened: Opened, approved: bool) -> None:
    tools = Tools()
    wire = opened(tools)()
    wire.greet(can_approve=True)
    wire.send({"id": 1, "method": "tools/call", "params": {"workspace": "w", "name": "t", "arguments": {"a": 1}}})
    question = wire.until("approval/request")[-1]
    assert question["params"] == {"turn": "", "tool": "t", "arguments": {"a": 1}, "why": "it writes"}
    # an answer to another question is none to this one
    wire.send({"id": "other:1", "result": {"approved": True}})
    wire.send({"id": question["id"], "result": {"approved": approved}})
    answer = wire.next()
    assert answer is not None
    assert answer["result"]["text"] == ("approved" if approved else "refused")


def test_whoever_cannot_answer_is_not_asked(opened: Opened) -> None:
    wire = opened(Tools())()
    wire.greet()
    assert _code(wire.ask("tools/call", {"workspace": "w", "name": "t", "arguments": {}})) == "cannot-approve"


def test_a_question_ends_with_its_request(opened: Opened) -> None:
    tools = Tools()
    wire = opened(tools)()
    wire.greet(can_approve=True)
    wire.send({"id": 1, "method": "tools/call", "params": {"workspace": "w", "name": "t", "arguments": {}}})
    question = wire.until("approval/request")[-1]
    wire.send({"method": "$/cancelRequest", "params": {"id": 1}})
    told = [wire.next(), wire.next()]
    assert {"jsonrpc": "2.0", "method": "$/cancelRequest", "params": {"id": question["id"]}} in told
    assert _code(next(one for one in told if one and one.get("id") == 1)) == "cancelled"
    assert tools.fates == ["cancelled"]


def test_a_question_ends_with_its_client(opened: Opened) -> None:
    tools = Tools()
    wire = opened(tools)()
    wire.greet(can_approve=True)
    wire.send({"id": 1, "method": "tools/call", "params": {"workspace": "w", "name": "t", "arguments": {}}})
    wire.until("approval/request")
    wire.close()
    assert tools.settled.wait(PATIENCE)
    assert tools.fates == ["cancelled"]


def test_turns_end_with_their_client(opened: Opened) -> None:
    service = ScriptedService(Script(deltas=("x",) * 100_000, pause=0.01))
    connect = opened(service)
    leaving, staying = connect(), connect()
    for wire in (leaving, staying):
        wire.greet()
        wire.send({"id": 7, "method": "turn/start", "params": {"workspace": _workspace(wire), **ASK}})
        wire.until("turn/delta")
    leaving.close()
    deadline = time.monotonic() + PATIENCE
    while service.running() > 1:
        assert time.monotonic() < deadline
    staying.until("turn/delta")


def test_a_turn_that_begins_after_its_client_has_gone_is_let_go(opened: Opened) -> None:
    class Late(ScriptedService):
        """Answers ``turn/start`` only when the service has been told that the client has gone."""

        def __init__(self) -> None:
            super().__init__()
            self.leaving = threading.Event()
            self.begun = threading.Event()
            self.again = threading.Event()

        def handlers(self) -> Handlers:
            table = Handlers()
            table.on(catalogue.TURN_START, self._late)
            return table

        def _late(self, call: Call, params: TurnStart) -> TurnStarted:
            self.begun.set()
            assert self.leaving.wait(PATIENCE)
            return TurnStarted(turn="late", conversation="c")

        def left(self, peer: Peer) -> None:
            (self.again if self.leaving.is_set() else self.leaving).set()

    service = Late()
    wire = opened(service)()
    wire.greet()
    wire.send({"id": 7, "method": "turn/start", "params": {"workspace": "w", **ASK}})
    assert service.begun.wait(PATIENCE)
    wire.close()
    assert service.again.wait(PATIENCE)


def test_an_orderly_end_names_itself_to_every_turn(short: Path, stack: ExitStack) -> None:
    service = ScriptedService(Script(deltas=("x",) * 100_000, pause=0.01))
    with doorway(short, service) as (path, _):
        wire, other = Wire(path), Wire(path)
        stack.callback(wire.close)
        stack.callback(other.close)
        wire.greet()
        wire.send({"id": 7, "method": "turn/start", "params": {"workspace": _workspace(wire), **ASK}})
        wire.until("turn/delta")
        # it needs no introduction
        assert other.ask("sidecar/stop", {"why": "a newer version is there"})["result"] == {}
        ended = wire.until("turn/ended")[-1]["params"]
        assert ended["fault"]["code"] == "sidecar-restarted"
        assert "a newer version is there" in ended["fault"]["message"]
        assert wire.next() is None
    assert not service.busy()


def test_notifications_reach_the_service_and_come_back(opened: Opened) -> None:
    service = ScriptedService()
    wire = opened(service)()
    wire.greet()
    workspace = _workspace(wire)
    wire.send({"method": "nobody/knows", "params": {}})
    wire.send({"method": "file/saved", "params": {"workspace": workspace, "path": "a.ml"}})
    assert wire.until("status/changed")[-1]["params"]["state"] == "checking"
    assert wire.ask("sidecar/status")["result"]["busy"] is False
