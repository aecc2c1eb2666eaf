"""Putting a recorder together from settings, home and consent; and the processes that it keeps beside it."""

import getpass
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pygit2

from greenloop.cli.app import App
from greenloop.cli.config import RecordSettings
from greenloop.cli.desks import enrolments
from greenloop.cli.team_builds import settle_reports
from greenloop.records import EnvironmentFault, GreenloopError, InputError, Snapshot, Workspace
from greenloop.snapshots import audit, heartbeat
from greenloop.snapshots.companion import Companion
from greenloop.snapshots.enrolment import Desk, Enrolment, forbidden
from greenloop.snapshots.purge import demand_finished
from greenloop.snapshots.recorder import Pace, Recorder, Recording, Surroundings, workspace_for
from greenloop.snapshots.retention import enough_space
from greenloop.snapshots.secrets import Screen
from greenloop.snapshots.watching import FileWatcher
from greenloop.storage import named_io_errors
from greenloop.workspace.vcs import Reading, WorkingCopy, detect

_CACHE_BYTES = 16 << 20
"""Of git objects in the recorder's memory: libgit2 would take up to 256 MiB."""
_LEAN = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
"""glibc gives memory back: what the first look at a large folder took is not needed in the year after it."""
_LOG_BYTES = 1 << 20
_FIRST_LOOK_SECONDS = 20.0
_END_SECONDS = 60.0


def words(root: Path, workspace: Workspace, settings: RecordSettings, home: Path) -> str:
    """Return what a person is told before they say yes to being recorded."""
    kept = f"for {settings.keep_days} days" if settings.keep_days else "until you purge it"
    if settings.quota_mib:
        kept += f", within {settings.quota_mib} MiB"
    builds = {
        "shadow": "Each is checked in Greenloop's own sandbox, when the machine is idle.",
        "reported": "Whether they build is what `greenloop report` tells.",
        "none": "Nothing is built.",
    }[settings.builds]
    return (
        f"Greenloop will record {root} as {workspace.id}: every {settings.interval_seconds:g} seconds in which a file "
        f"changed, the content of the files that version control would take. {builds} Ignored files, files of more "
        f"than {settings.max_file_bytes} bytes and files that hold secrets stay out, and are named. It is kept in "
        f"{home}, {kept}. Nothing leaves this machine unless you export or push it. `greenloop record pause`, `stop` "
        f"and `purge` are yours at any time."
    )


def workspace_of(app: App, root: Path, author: str, title: str) -> Workspace:
    """Return the workspace as which a folder is recorded."""
    settings = app.settings(root).record
    return workspace_for(author or settings.author or getpass.getuser(), title or root.name)


def demand_leave(root: Path) -> None:
    """Raise ``InputError`` where a file at the root of the folder or its repository forbids recording it."""
    file = forbidden(root, detect(root).root)
    if file is not None:
        raise InputError(f"{file} forbids recording", "delete that file to allow it")


def enrol(app: App, root: Path, workspace: Workspace) -> Desk:
    """Keep the consent to recording ``root``."""
    told = words(root, workspace, app.settings(root).record, app.home.path)
    given = Enrolment(root=str(root), workspace=workspace, time=time.time(), by=getpass.getuser(), words=told)
    desk = enrolments(app).enrol(given)
    audit.append(app.home.path, "consent", workspace=workspace.id, root=str(root))
    return desk


def launch(app: App, desk: Desk) -> bool:
    """Start the recorder of an enrolled folder as a process of its own, and wait for its first look.

    Returns ``False`` when somebody else's start came first, so that the folder is recorded by that one's. Raises
    ``EnvironmentFault`` with its last words when it ends at once.
    """
    with named_io_errors(desk.log):
        _shorten(desk.log)
    with named_io_errors(desk.log), desk.log.open("ab") as log:
        began = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "greenloop.cli.record", *_options(app), desk.enrolment.root],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            env={**os.environ, **_LEAN},
        )  # fmt: skip
    deadline = time.monotonic() + _FIRST_LOOK_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        beat, pid = heartbeat.read(desk.heartbeat), desk.running()
        if ended and pid is None:
            with desk.log.open("rb") as log:
                log.seek(began)
                said = log.read().decode("utf-8", "replace").strip()
            raise EnvironmentFault(f"the recorder ended at once: {' '.join(said.split())}", f"see {desk.log}")
        # one that holds the folder may yet fail: its first look tells, whoever started it
        if beat is not None and beat.pid == (pid if ended else process.pid):
            break
        time.sleep(0.05)
    return process.poll() is None


def _shorten(log: Path) -> None:
    """Put what a long log holds aside. Whoever has it open goes on in the same file, at its beginning."""
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def itself(app: App) -> list[str]:
    """Return the command line of Greenloop with this run's home and settings."""
    return app.itself()


def _options(app: App) -> list[str]:
    config = ["--config", str(app.config_file.absolute())] if app.config_file is not None else []
    return ["--home", str(app.home.path), *config]


@dataclass(frozen=True)
class Tell:
    """Where a running recorder's words go."""

    report: Callable[[str], None]
    on_snapshot: Callable[[Snapshot, Reading], None]


def record(app: App, desk: Desk, tell: Tell, stop: Event) -> Recording:
    """Record an enrolled folder in this process until ``stop`` is set."""
    enrolment = desk.enrolment
    root = Path(enrolment.root)
    settings = app.settings(root).record
    pygit2.option(pygit2.enums.Option.SET_CACHE_MAX_SIZE, _CACHE_BYTES)
    with desk.held(), _companion(app, desk, settings) as builds:
        with named_io_errors(desk.suspended):
            desk.suspended.unlink(missing_ok=True)
        audit.append(app.home.path, "start", workspace=enrolment.workspace.id)
        snapshots = app.home.snapshots
        for note in snapshots.notes:
            tell.report(note)
        reader = WorkingCopy(
            root, snapshots.trees, desk.cache,
            max_file_bytes=settings.max_file_bytes,
            screen=Screen(allowed=settings.allow_secrets),
            ignore=settings.ignore,
        )  # fmt: skip
        upkeep = Upkeep(app, desk)
        around = Surroundings(
            wish=lambda: desk.wish,
            room=lambda: _hindered(app, enrolment.workspace, settings),
            beat=lambda beat: heartbeat.write(desk.heartbeat, beat),
            on_snapshot=lambda snapshot, reading: _stored(app, desk, tell, snapshot, reading),
            report=tell.report,
            upkeep=upkeep.start,
            trouble=upkeep.trouble,
            builds=builds,
        )
        pace = Pace(interval=settings.interval_seconds, reconcile=settings.reconcile_seconds)
        watcher = FileWatcher(root, tell.report, stop=stop)
        try:
            return Recorder(snapshots, enrolment.workspace, reader, watcher, pace=pace, around=around).run(stop)
        finally:
            audit.append(app.home.path, "end", workspace=enrolment.workspace.id)


def _hindered(app: App, workspace: Workspace, settings: RecordSettings) -> str:
    """Return why nothing may be stored at the moment, or ``""``."""
    try:
        demand_finished(app.home.path, workspace.id)
    except InputError as error:
        return str(error)
    return enough_space(app.home.path, settings.free_space_floor_mib)


def _stored(app: App, desk: Desk, tell: Tell, snapshot: Snapshot, reading: Reading) -> None:
    tell.on_snapshot(snapshot, reading)
    try:
        # a build that ended before its tree was looked at waited for this snapshot
        settle_reports(app, desk)
    except GreenloopError as error:
        tell.report(f"a build's report still waits: {error.message}")


@contextmanager
def _companion(app: App, desk: Desk, settings: RecordSettings) -> Iterator[Callable[[], str]]:
    """Give what keeps the build status known, and end it with the recorder."""
    if settings.builds != "shadow":
        yield lambda: settings.builds
        return
    companion = Companion([*itself(app), "record", "shadow", desk.enrolment.root], desk.path / "shadow.log")
    try:
        yield companion.keep
    finally:
        companion.stop()


class Upkeep:
    """Puts the store in order in a process of its own, at the lowest priority; one at a time."""

    def __init__(self, app: App, desk: Desk) -> None:
        self._app = app
        self._desk = desk
        self._log = desk.path / "upkeep.log"
        self._process: subprocess.Popen[bytes] | None = None

    def trouble(self) -> str:
        """Return the last words of the last one if it failed."""
        if self._process is None or not self._process.poll():
            return ""
        said = self._log.read_text("utf-8", "replace").strip().splitlines()
        return said[0].removeprefix("greenloop: ") if said else f"upkeep ended with status {self._process.returncode}"

    def start(self) -> None:
        """Start it, unless the last one still runs. Raises ``EnvironmentFault`` when the system refuses."""
        if self._process is not None and self._process.poll() is None:
            return
        with named_io_errors(self._desk.log):
            _shorten(self._desk.log)
        with named_io_errors(self._log), self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*itself(self._app), "record", "upkeep", self._desk.enrolment.root],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
            )  # fmt: skip


def halt(desk: Desk) -> bool:
    """End the recorder of an enrolled folder if one runs, and tell whether it did; what is wanted stays as it is.

    Raises ``EnvironmentFault`` when it does not end within a minute.
    """
    pid = desk.running()
    if not pid:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _END_SECONDS
    while desk.running() is not None:
        if time.monotonic() > deadline:
            raise EnvironmentFault(f"the recorder (process {pid}) does not end", f"see {desk.log}")
        time.sleep(0.05)
    return True
