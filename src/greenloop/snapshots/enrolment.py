"""Consent: which folders are recorded, since when, and whether they are to be recorded right now.

Nothing is recorded that a person did not turn on, folder by folder. Each enrolled folder has one of its own below
``HOME/recorder``:

    enrolment.json  the consent: which folder, as which workspace, who said yes, when, and to which words
    wish.json       what the person wants now: recording, paused, or stopped
    heartbeat.json  what the recorder that runs says of itself (``snapshots.heartbeat``)
    lock            held for as long as a recorder runs; holds its process id
    suspended       its recorder was ended for a purge, and is to run again afterwards
    cache/          what is known of the folder's files: their time stamps, never their content
    recorder.log    what the recorder printed
"""

import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from greenloop.records import InputError, Part, Record, RecordError, Workspace
from greenloop.storage import named_io_errors, write_atomically
from greenloop.workspace.vcs.area import NO_RECORD

_ASKED_SECONDS = 0.5


class Enrolment(Record):
    """A person's consent to recording one folder."""

    root: str
    """The folder, absolute."""
    workspace: Workspace
    time: float
    """Unix seconds of the consent."""
    by: str
    """Login name of who gave it."""
    words: str
    """What they were told and said yes to."""


class Wish(Part):
    """What the person wants to happen now."""

    recording: bool = True
    paused: bool = False
    until: float | None = None
    """Unix seconds at which a pause ends by itself."""
    damaged: bool = False
    """What the person wanted cannot be read, so nothing is recorded."""

    def paused_at(self, now: float) -> bool:
        """Say whether the pause holds at a time in Unix seconds."""
        return self.paused and (self.until is None or now < self.until)


class Desk:
    """The folder of one enrolment."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heartbeat = path / "heartbeat.json"
        self.suspended = path / "suspended"
        self.cache = path / "cache"
        self.log = path / "recorder.log"

    @property
    def enrolment(self) -> Enrolment:
        """Read the consent. Raises ``RecordError`` when it is damaged."""
        file = self.path / "enrolment.json"
        try:
            return Enrolment.from_json(file.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, RecordError) as error:
            raise RecordError(f"{file}: the consent cannot be read: {error}", "delete it, and start again") from error

    @property
    def wish(self) -> Wish:
        """Read what is wanted now. A file that cannot be read is no wish to be recorded."""
        try:
            return Wish.model_validate_json((self.path / "wish.json").read_bytes())
        except FileNotFoundError:
            return Wish(recording=False)
        except (OSError, ValueError):
            return Wish(recording=False, damaged=True)

    def want(self, wish: Wish) -> None:
        """Note what is wanted; a recorder that runs sees it at its next look."""
        write_atomically(self.path / "wish.json", wish.model_dump_json().encode())

    def running(self) -> int | None:
        """Return the process id of the recorder that runs, or ``None``."""
        with named_io_errors(self.path):
            try:
                handle = os.open(self.path / "lock", os.O_RDWR | os.O_CLOEXEC)
            except FileNotFoundError:
                return None
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                text = os.read(handle, 32).decode("ascii", "replace").strip()
                return int(text) if text.isdigit() else 0
            finally:
                os.close(handle)
        return None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one recorder of this folder. Raises ``InputError`` when there is another."""
        with named_io_errors(self.path):
            handle = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(handle)
        except BlockingIOError as error:
            os.close(handle)
            raise InputError(
                f"{self.enrolment.root} is being recorded already (process {self.running()})",
                "`greenloop record status` says how it fares",
            ) from error
        try:
            os.ftruncate(handle, 0)
            os.write(handle, str(os.getpid()).encode())
            yield
        finally:
            os.close(handle)


def _lock(handle: int) -> None:
    """Take the lock; whoever only asks who holds it (``Desk.running``) has it for a moment too."""
    deadline = time.monotonic() + _ASKED_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


class Enrolments:
    """All folders that people turned recording on for; ``path`` is ``HOME/recorder``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def desks(self) -> tuple[Desk, ...]:
        """Return the enrolled folders' desks, by name."""
        if not self.path.is_dir():
            return ()
        found = sorted(place.parent for place in self.path.glob("*/enrolment.json"))
        return tuple(Desk(path) for path in found)

    def find(self, root: Path) -> Desk | None:
        """Return the desk of an enrolled folder, or ``None``: one below an enrolled folder is no other."""
        desk = Desk(self._place(root.resolve()))
        return desk if (desk.path / "enrolment.json").exists() else None

    def enrol(self, enrolment: Enrolment) -> Desk:
        """Keep a consent, in the place of an older one for the same folder.

        Raises ``InputError`` where the folder forbids it, or another folder is recorded as the same workspace.
        """
        root = Path(enrolment.root)
        for other in self.desks():
            given = other.enrolment
            if given.workspace.id == enrolment.workspace.id and given.root != enrolment.root:
                raise InputError(
                    f"{given.root} is recorded as {given.workspace.id} already", "give this folder another --title"
                )
        desk = Desk(self._place(root))
        with named_io_errors(desk.path):
            desk.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(desk.path / "enrolment.json", enrolment.to_json().encode())
        return desk

    def _place(self, root: Path) -> Path:
        slug = re.sub(r"[^A-Za-z0-9._-]+", "-", root.name).strip("-.")[:40] or "root"
        return self.path / f"{slug}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:10]}"


def forbidden(*places: Path) -> Path | None:
    """Return the file that forbids recording a folder or its repository, if there is one."""
    return next((place / NO_RECORD for place in places if (place / NO_RECORD).exists()), None)
