"""Tools as editors meet them: listed by workspace, called with the person's approval, gone when trust is taken back."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.aid.tools.conftest import GREET

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import WorkspaceOpen, WorkspaceRef, WorkspaceTrust
from greenloop.aid.protocol.tools import Approval, ApprovalRequest, ToolCall, ToolResult, Tools
from greenloop.aid.scripted import ScriptedPeer
from greenloop.aid.service import Call, Combined
from greenloop.aid.tools.pins import Pins
from greenloop.aid.tools.scripted import ScriptedServer, ScriptedServers
from greenloop.aid.tools.seam import Result, Surroundings
from greenloop.aid.tools.service import ToolService
from greenloop.aid.tools.settings import ToolServerSettings
from greenloop.aid.tools.toolbox import Toolbox
from greenloop.aid.trust import Trust
from greenloop.aid.workspaces.equipment import ScriptedEquipment, Strategy
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.builds.scripted import ScriptedJudge
from greenloop.builds.stop import Stop
from greenloop.models.scripted import ScriptedModel
from greenloop.records import InputError, Refused
from greenloop.workspace.store import TreeStore

Ask = Callable[..., Any]


def hello(_name: str, arguments: Mapping[str, Any]) -> Result:
    return Result(f"Hello {arguments['who']}")


@pytest.fixture
def servers() -> ScriptedServers:
    return ScriptedServers({"hall": ScriptedServer((GREET,), hello)})


@pytest.fixture
def ask(tmp_path: Path, store: TreeStore, servers: ScriptedServers) -> Iterator[Ask]:
    """Return a function that asks the services of one workspace, which is open: (method, params, peer)."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.ml").write_text("let x = 1\n")
    trust = Trust(tmp_path / "trusted.json")
    equipment = ScriptedEquipment(store, ScriptedJudge({}), Strategy("plain", ScriptedModel([])))
    workspaces = WorkspaceService(equipment, trust, tmp_path / "aid")
    pins = Pins(tmp_path / "pins.json")

    def opened(folder: Path) -> Toolbox:
        where = Surroundings(folder, tmp_path / "logs", {}, trusted=trust.trusts(folder))
        return Toolbox({"hall": ToolServerSettings(command=("hall",))}, pins, where, servers)

    service = Combined([workspaces, ToolService(workspaces, opened, trust.trusts)])
    default = ScriptedPeer(answers={catalogue.APPROVAL_REQUEST.name: Approval(approved=True)})
    methods = service.handlers().methods

    def asked(method: Any, params: Any, peer: ScriptedPeer = default) -> Any:
        with Stop() as stop:
            return methods[method.name](Call(peer, stop), params)

    asked(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root)))
    with opened(root) as box:
        asked(catalogue.WORKSPACE_TRUST, WorkspaceTrust(workspace=name(asked, root), trusted=True))
    with opened(root) as box:
        box.pin("hall", box.look("hall"))
    servers.started.clear()
    yield lambda method, params, peer=default: asked(method, params(name(asked, root)), peer)
    service.close()


def name(ask: Ask, root: Path) -> str:
    state = ask(catalogue.WORKSPACE_OPEN, WorkspaceOpen(path=str(root)))
    return str(state.workspace)


def listed(ask: Ask) -> Tools:
    found: Tools = ask(catalogue.TOOLS_LIST, lambda workspace: WorkspaceRef(workspace=workspace))
    return found


def greet(workspace: str) -> ToolCall:
    return ToolCall(workspace=workspace, name="hall.greet", arguments={"who": "Ann"})


def test_a_tool_is_listed_and_called_with_approval(ask: Ask, servers: ScriptedServers) -> None:
    (tool,) = listed(ask).tools
    assert (tool.name, tool.writes, tool.blocked) == ("hall.greet", True, "")
    assert servers.started == [], "listing starts nothing"
    peer = ScriptedPeer(answers={catalogue.APPROVAL_REQUEST.name: Approval(approved=True)})
    assert ask(catalogue.TOOLS_CALL, greet, peer) == ToolResult(text="Hello Ann")
    ((method, request),) = peer.asked
    assert method == catalogue.APPROVAL_REQUEST.name
    assert isinstance(request, ApprovalRequest)
    assert (request.tool, request.arguments) == ("hall.greet", {"who": "Ann"})


def test_what_is_not_approved_is_not_called(ask: Ask) -> None:
    with pytest.raises(InputError, match="nobody approved it"):
        ask(
            catalogue.TOOLS_CALL,
            greet,
            ScriptedPeer(answers={catalogue.APPROVAL_REQUEST.name: Approval(approved=False)}),
        )
    with pytest.raises(Refused) as refused:
        ask(catalogue.TOOLS_CALL, greet, ScriptedPeer(can_approve=False))
    assert refused.value.code == "cannot-approve"


def test_without_trust_there_is_nothing_to_call(ask: Ask) -> None:
    listed(ask)
    ask(catalogue.WORKSPACE_TRUST, lambda workspace: WorkspaceTrust(workspace=workspace, trusted=False))
    (tool,) = listed(ask).tools
    assert tool.blocked == "the workspace is not trusted"
    with pytest.raises(InputError):
        ask(catalogue.TOOLS_CALL, greet)
