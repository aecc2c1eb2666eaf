"""What the sidecar serves: its parts, put together from settings and home."""

from greenloop.aid.service import Service
from greenloop.cli.app import App


def parts(_app: App) -> tuple[Service, ...]:
    """Return the parts of the sidecar, a line each. A method that no part serves is refused by name."""
    return ()
