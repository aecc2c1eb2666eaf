"""The reports of the team's own builds in a recorded folder, read as its recorder reads it."""

import time
from functools import cache
from pathlib import Path

from greenloop.cli.app import App
from greenloop.records import TreeId
from greenloop.snapshots.enrolment import Desk
from greenloop.snapshots.secrets import Screen
from greenloop.snapshots.team_builds import TeamBuilds
from greenloop.snapshots.team_builds import settle_reports as settle
from greenloop.workspace.vcs import WorkingCopy


def team_builds(app: App, desk: Desk) -> TeamBuilds:
    """Return the reports of an enrolled folder's builds."""
    enrolment = desk.enrolment
    root = Path(enrolment.root)

    @cache
    def copy() -> WorkingCopy:
        settings = app.settings(root).record
        return WorkingCopy(
            root,
            app.home.trees,
            # not the recorder's own, which it has in memory and writes as it pleases
            desk.path / "builds-cache",
            max_file_bytes=settings.max_file_bytes,
            screen=Screen(allowed=settings.allow_secrets),
            ignore=settings.ignore,
        )

    def read() -> TreeId:
        return copy().reconcile().tree

    return TeamBuilds(app.home.snapshots, enrolment.workspace.id, desk.path, read)


def settle_reports(app: App, desk: Desk) -> int:
    """Give the reports of an enrolled folder's builds to the snapshots that came since; return how many those were.

    Cheap where none waits. Raises ``EnvironmentFault`` where the desk cannot be written.
    """
    return settle(app.home.snapshots, desk.path)


def looked_at(desk: Desk) -> bool:
    """Say whether the person wants the folder to be looked at now: nothing is read while recording is off."""
    wish = desk.wish
    return wish.recording and not wish.paused_at(time.time())
