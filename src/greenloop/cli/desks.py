"""Finding the enrolment of a folder that a person names, or stands in."""

from pathlib import Path

from greenloop.cli.app import App
from greenloop.records import InputError
from greenloop.snapshots.enrolment import Desk, Enrolments


def enrolments(app: App) -> Enrolments:
    """Return the home's enrolled folders."""
    return Enrolments(app.home.path / "recorder")


def demand(app: App, folder: Path) -> Desk:
    """Return the desk of an enrolled folder, or of the nearest one above it. Raises ``InputError`` if none is."""
    known = enrolments(app)
    root = folder.resolve()
    for place in (root, *root.parents):
        desk = known.find(place)
        if desk is not None:
            return desk
    raise InputError(f"{root} is not recorded", "`greenloop record start` turns recording on")
