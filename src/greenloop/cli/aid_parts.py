"""What the sidecar serves: its parts, put together from settings and home."""

from greenloop.aid.service import Handlers, Peer, Service
from greenloop.aid.trust import Trust
from greenloop.aid.turns.service import TurnService
from greenloop.aid.workspaces.service import WorkspaceService
from greenloop.cli.aid_place import own_settings
from greenloop.cli.app import App
from greenloop.cli.equipment import HomeEquipment


def parts(app: App) -> tuple[Service, ...]:
    """Return the parts of the sidecar, a line each. A method that no part serves is refused by name."""
    trust = Trust(app.home.aid / "trusted.json")
    equipment = HomeEquipment(app, trust)
    workspaces = WorkspaceService(equipment, trust, app.home.aid, checks=own_settings(app).aid.checks)
    # the last one is closed first
    return (_Closing(equipment), workspaces, TurnService(equipment, workspaces, app.home.feedback, app.home.aid))


class _Closing:
    """Serves nothing, and closes the equipment when all else has ended."""

    def __init__(self, equipment: HomeEquipment) -> None:
        self._equipment = equipment

    def handlers(self) -> Handlers:
        """Nothing."""
        return Handlers()

    def left(self, peer: Peer) -> None:
        """Nothing is kept for clients."""

    def busy(self) -> bool:
        """It has nothing to do."""
        return False

    def close(self) -> None:
        """Close the equipment."""
        self._equipment.close()
