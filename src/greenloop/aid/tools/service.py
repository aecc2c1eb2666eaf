"""Domain tools of all workspaces, for editors: listed, and called with the person's approval."""

import threading
from collections.abc import Callable
from pathlib import Path

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.session import WorkspaceRef
from greenloop.aid.protocol.tools import ToolCall, ToolResult, Tools
from greenloop.aid.service import Call, Handlers, Peer
from greenloop.aid.tools.approving import asking
from greenloop.aid.tools.telling import result_of, tools_of
from greenloop.aid.tools.toolbox import Toolbox
from greenloop.aid.workspaces.service import WorkspaceService

Open = Callable[[Path], Toolbox]
"""Opens the tools of the workspace at this root, by its settings as they are now; it starts no server."""


class ToolService:
    """A ``Service``. The tools of a workspace are opened when they are first asked for, and again when it is trusted.

    ``key`` says what a workspace's tools were opened with: where it has changed, they are opened anew.
    """

    def __init__(self, workspaces: WorkspaceService, open_tools: Open, key: Callable[[Path], object]) -> None:
        self._workspaces = workspaces
        self._open = open_tools
        self._key = key
        self._lock = threading.Lock()
        self._boxes: dict[Path, tuple[object, Toolbox]] = {}
        self._calls = 0

    def handlers(self) -> Handlers:
        """Return what it serves."""
        table = Handlers()
        table.on(catalogue.TOOLS_LIST, self._on_list)
        table.on(catalogue.TOOLS_CALL, self._on_call)
        return table

    def left(self, peer: Peer) -> None:
        """Its calls end by themselves: each knows whether somebody still wants the answer."""

    def busy(self) -> bool:
        """Whether a tool is being called."""
        with self._lock:
            return self._calls > 0

    def close(self) -> None:
        """End every server."""
        with self._lock:
            boxes = [box for _, box in self._boxes.values()]
            self._boxes.clear()
        for box in boxes:
            box.close()

    def _on_list(self, _call: Call, params: WorkspaceRef) -> Tools:
        return tools_of(self.box(params.workspace).listed())

    def _on_call(self, call: Call, params: ToolCall) -> ToolResult:
        box = self.box(params.workspace)
        with self._lock:
            self._calls += 1
        try:
            return result_of(box.call(params.name, params.arguments, asking(call.peer, call.stop), call.stop))
        finally:
            with self._lock:
                self._calls -= 1

    def box(self, workspace: str) -> Toolbox:
        """Return the tools of an open workspace, by its settings as they are now. It is not closed by who asks.

        Raises ``Refused`` (``unknown-workspace``), and as opening them does.
        """
        root = self._workspaces.find(workspace).root
        key = self._key(root)
        with self._lock:
            held = self._boxes.get(root)
            if held is not None and held[0] == key:
                return held[1]
            fresh = self._open(root)
            self._boxes[root] = key, fresh
        if held is not None:
            held[1].close()
        return fresh
