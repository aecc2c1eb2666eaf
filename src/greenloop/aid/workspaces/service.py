"""The workspaces of all clients: opened, closed, trusted, and their status told to those who have them open."""

import threading
from pathlib import Path

from greenloop.aid.protocol import catalogue
from greenloop.aid.protocol.base import Empty
from greenloop.aid.protocol.session import (
    FileSaved,
    Status,
    WorkspaceOpen,
    WorkspaceRef,
    WorkspaceState,
    WorkspaceTrust,
)
from greenloop.aid.service import Call, Handlers, Peer
from greenloop.aid.trust import Trust
from greenloop.aid.workspaces.equipment import Equipment
from greenloop.aid.workspaces.follower import Standing
from greenloop.aid.workspaces.workspace import Workspace, name_of
from greenloop.builds.gate import Gate
from greenloop.records import InputError, Refused
from greenloop.storage import named_io_errors

OPEN_FIRST = "send `workspace/open` first"


class WorkspaceService:
    """A ``Service``. ``folder`` is a folder of the sidecar's own in the home, kept over restarts.

    ``checks`` is how many trees are judged at a time, of all workspaces together.
    """

    def __init__(self, equipment: Equipment, trust: Trust, folder: Path, *, checks: int = 2) -> None:
        self._equipment = equipment
        self._folder = folder
        self.trust = trust
        self.gate = Gate(checks)
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._open: dict[str, Workspace] = {}
        self._peers: dict[str, dict[str, Peer]] = {}

    def handlers(self) -> Handlers:
        """Return what it serves."""
        table = Handlers()
        table.on(catalogue.WORKSPACE_OPEN, self._on_open)
        table.on(catalogue.WORKSPACE_CLOSE, self._on_close)
        table.on(catalogue.WORKSPACE_TRUST, self._on_trust)
        table.on(catalogue.STATUS_GET, self._on_status)
        table.hear(catalogue.FILE_SAVED, self._on_saved)
        return table

    def find(self, name: str) -> Workspace:
        """Return an open workspace. Raises ``Refused`` (``unknown-workspace``)."""
        with self._lock:
            found = self._open.get(name)
        if found is None:
            raise Refused("unknown-workspace", f"{name}: no such workspace is open", OPEN_FIRST)
        return found

    def left(self, peer: Peer) -> None:
        """Close what it alone had open."""
        with self._lock:
            names = [name for name, peers in self._peers.items() if peer.id in peers]
        for name in names:
            self._leave(name, peer)

    def busy(self) -> bool:
        """Nothing here keeps a sidecar from ending."""
        return False

    def close(self) -> None:
        """Close every workspace."""
        with self._lock:
            workspaces = list(self._open.values())
            self._open.clear()
            self._peers.clear()
        for workspace in workspaces:
            workspace.close()

    def _on_open(self, call: Call, params: WorkspaceOpen) -> WorkspaceState:
        path = Path(params.path)
        if not path.is_absolute():
            raise Refused(
                "invalid-params", f"{params.path!r} is no absolute path", "name a file or folder by its whole path"
            )
        # a path that no file system takes is a fault of the request, and of nobody's code
        with named_io_errors(path):
            if not path.exists():
                raise InputError(f"{path}: no such file or folder", "save it first, or name its folder")
            root = self._equipment.root_of(path).resolve()
        name = name_of(root)
        with self._opening:
            with self._lock:
                found = self._open.get(name)
                self._peers.setdefault(name, {})[call.peer.id] = call.peer
            if found is None:
                cache = self._folder / "workspaces"
                try:
                    found = Workspace(root, self._equipment, self.trust, self.gate, cache, self._tell)
                except InputError:
                    self._peers.pop(name, None)
                    raise
                with self._lock:
                    self._open[name] = found
        call.peer.notify(catalogue.STATUS_CHANGED, found.status(call.peer.encoding))
        return found.state()

    def _on_close(self, call: Call, params: WorkspaceRef) -> Empty:
        self._leave(params.workspace, call.peer)
        return Empty()

    def _on_trust(self, _call: Call, params: WorkspaceTrust) -> WorkspaceState:
        workspace = self.find(params.workspace)
        workspace.decide(trusted=params.trusted)
        if params.trusted:
            # so that the answer names the toolchain
            workspace.build(workspace.disk.tree())
        return workspace.state()

    def _on_status(self, call: Call, params: WorkspaceRef) -> Status:
        return self.find(params.workspace).status(call.peer.encoding)

    def _on_saved(self, _call: Call, params: FileSaved) -> None:
        with self._lock:
            found = self._open.get(params.workspace)
        if found is not None:
            found.saved(params.path)

    def _leave(self, name: str, peer: Peer) -> None:
        with self._opening:
            with self._lock:
                peers = self._peers.get(name, {})
                peers.pop(peer.id, None)
                gone = self._open.pop(name, None) if not peers else None
                if not peers:
                    self._peers.pop(name, None)
            if gone is not None:
                gone.close()

    def _tell(self, workspace: Workspace, standing: Standing) -> None:
        with self._lock:
            peers = list(self._peers.get(workspace.name, {}).values())
        for peer in peers:
            peer.notify(catalogue.STATUS_CHANGED, workspace.status_of(standing, peer.encoding))
