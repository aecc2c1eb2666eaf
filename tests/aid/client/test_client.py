"""The client for Python, against a real door."""

import queue
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.aid.wires import PATIENCE, doorway

from greenloop.aid.client.client import Client
from greenloop.aid.client.reach import Reached
from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import FileSaved, SidecarStatus, WorkspaceOpen, WorkspaceRef
from greenloop.aid.protocol.tools import Approval, ApprovalRequest, ToolCall, ToolResult
from greenloop.aid.protocol.turns import (
    Conversations,
    TurnCandidate,
    TurnDelta,
    TurnEnded,
    TurnProgress,
    TurnStart,
    TurnStarted,
)
from greenloop.aid.scripted import Script, ScriptedPeer, ScriptedService
from greenloop.aid.service import Call, Combined, Handlers, Peer
from greenloop.builds.stop import Stop
from greenloop.records import Cancelled, EnvironmentFault, Refused

_STATUS = SidecarStatus(version="1.0", protocol=1, pid=1, session="session", started=0.0)
Connect = Callable[[], Reached]


class Asking:
    """A part whose tool asks, and whose conversations are never read to the end."""

    def __init__(self) -> None:
        self.taken_back = threading.Event()

    def handlers(self) -> Handlers:
        table = Handlers()
        table.on(catalogue.TOOLS_CALL, self.call)
        table.on(catalogue.CONVERSATION_LIST, self._for_ever)
        return table

    def call(self, call: Call, params: ToolCall) -> ToolResult:
        question = ApprovalRequest(tool=params.name, arguments=params.arguments, why="it writes")
        return ToolResult(text=str(call.peer.ask(catalogue.APPROVAL_REQUEST, question, call.stop).approved))

    def _for_ever(self, call: Call, _params: WorkspaceRef) -> Conversations:
        while not call.stop.requested:
            threading.Event().wait(0.01)
        self.taken_back.set()
        raise Cancelled("taken back")

    def left(self, peer: Peer) -> None:
        pass

    def busy(self) -> bool:
        return False

    def close(self) -> None:
        pass


@pytest.fixture
def asking() -> Asking:
    return Asking()


@pytest.fixture
def connect(short: Path, asking: Asking) -> Iterator[Connect]:
    with ExitStack() as stack:
        path, _ = stack.enter_context(doorway(short, Combined([ScriptedService(Script(deltas=("a", "b"))), asking])))

        def connect() -> Reached:
            with ExitStack() as undo:
                sock = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                sock.connect(str(path))
                undo.pop_all()
            return Reached(sock, _STATUS)

        yield connect


def test_a_turn_from_its_start_to_its_end(connect: Connect) -> None:
    with Client(connect, "script") as client:
        workspace = client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path="/w")).workspace
        news = list(client.turn(TurnStart(workspace=workspace, kind="fix"), PATIENCE))
    assert [type(one) for one in news] == [TurnStarted, TurnProgress, TurnDelta, TurnDelta, TurnCandidate, TurnEnded]


def test_news_reach_listeners(connect: Connect) -> None:
    heard: queue.SimpleQueue[str] = queue.SimpleQueue()
    with Client(connect, "script") as client:
        client.listen(lambda name, params: heard.put(f"{name} {getattr(params, 'state', '')}"))
        workspace = client.call(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path="/w")).workspace
        client.tell(catalogue.FILE_SAVED, FileSaved(workspace=workspace, path="a.ml"))
        assert heard.get(timeout=PATIENCE) == "status/changed checking"


@pytest.mark.parametrize("approved", [True, False])
def test_the_person_is_asked(connect: Connect, approved: bool) -> None:
    asked: list[ApprovalRequest] = []

    def approve(question: ApprovalRequest) -> bool:
        asked.append(question)
        return approved

    with Client(connect, "script", approve=approve) as client:
        params = ToolCall(workspace="w", name="t", arguments={"a": 1})
        assert client.call(catalogue.TOOLS_CALL, params).text == str(approved)
    assert [question.arguments for question in asked] == [{"a": 1}]


def test_errors_come_as_such(connect: Connect) -> None:
    with Client(connect, "script") as client:
        with pytest.raises(Refused) as caught:
            client.call(catalogue.STATUS_GET, WorkspaceRef(workspace="x"))
        assert caught.value.code == "unknown-workspace"
        with pytest.raises(Refused) as caught:
            client.call(catalogue.TOOLS_LIST, WorkspaceRef(workspace="x"))
        assert caught.value.code == "unknown-method"


def test_a_request_that_is_not_waited_for_any_more_is_taken_back(connect: Connect, asking: Asking) -> None:
    with Client(connect, "script") as client:
        with pytest.raises(TimeoutError):
            client.call(catalogue.CONVERSATION_LIST, WorkspaceRef(workspace="w"), timeout=0.1)
        assert asking.taken_back.wait(PATIENCE)


def test_whoever_waits_is_told_when_the_client_is_closed(connect: Connect) -> None:
    client = Client(connect, "script").__enter__()
    fates: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def wait() -> None:
        try:
            client.call(catalogue.CONVERSATION_LIST, WorkspaceRef(workspace="w"))
        except Cancelled as error:
            fates.put(error)

    thread = threading.Thread(target=wait)
    thread.start()
    while not client.waiting:
        threading.Event().wait(0.01)
    client.close()
    assert isinstance(fates.get(timeout=PATIENCE), Cancelled)
    thread.join()
    with pytest.raises(Cancelled):
        client.call(catalogue.STATUS_GET, WorkspaceRef(workspace="w"))


def test_no_sidecar_is_told_at_once(short: Path) -> None:
    def connect() -> Reached:
        raise EnvironmentFault("no sidecar runs", "start one")

    with pytest.raises(Refused, match="no sidecar runs") as caught, Client(connect, "script"):
        pass
    assert caught.value.code == "sidecar-unreachable"


def test_the_scripted_peer_is_a_peer(asking: Asking) -> None:
    peer = ScriptedPeer(answers={"approval/request": Approval(approved=True)})
    with Stop() as stop:
        call = Call(peer, stop)
        params = ToolCall(workspace="w", name="t", arguments={})
        assert asking.call(call, params).text == "True"
        assert [name for name, _ in peer.asked] == ["approval/request"]
        with pytest.raises(Refused):
            asking.call(Call(ScriptedPeer(), stop), params)
